import HTTPWire

/// The end of a tunnel when the server stops: both ends of it live on, so the client is told.
///
/// - Source: RFC 6455, sections 5.5.1 and 7.4.1.
extension UpstreamConnection {
    /// Says goodbye as soon as the frame that is passing has passed.
    func endTunnel() {
        guard stage == .tunnel else { return }
        isLeaving = true
        sayGoodbye()
    }

    /// Sends the client a Close frame and ends the tunnel, if it is time.
    func sayGoodbye() {
        guard isLeaving, stage == .tunnel, seam.isOpen, let exchange else { return }
        if !seam.hasClosed {
            _ = unsafe Self.goodbye.withUnsafeBytes { unsafe exchange.write($0) }
        }
        exchange.state.connection?.state.lingers = true
        complete()
    }

    /// A Close frame of 18 bytes of payload: the code 1001 and a reason.
    private static let goodbye: [UInt8] =
        [
            0x88, 18, UInt8(WebSocketCloseCode.goingAway >> 8),
            UInt8(WebSocketCloseCode.goingAway & 0xFF),
        ]
        + Array("the server stops".utf8)
}

extension UpstreamRoom {
    /// Ends what would never end by itself, because the server stops.
    func endTunnels() {
        for connection in all { connection.endTunnel() }
    }
}
