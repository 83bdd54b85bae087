import HTTPWire

extension Exchange {
    /// Whether the request came over TLS; false once its connection is gone.
    public var isSecure: Bool {
        guard let connection = state.connection else { return false }
        return unsafe connection.state.tls != nil
    }

    /// The room that `copyRemoteEndpoint` needs, in bytes.
    public static let remoteEndpointBytesMax = 56

    /// Copies the peer's address and port and returns the length of the text.
    ///
    /// The text outlives the connection, which a view of it would not. It is made once for a
    /// connection, so that a request costs seven loads and stores.
    ///
    /// - Shape: `203.0.113.7:49152`, `[2001:db8::1]:49152` or `unix`; `room` has
    ///   `remoteEndpointBytesMax` bytes, all of which may be written.
    public func copyRemoteEndpoint(to room: UnsafeMutableRawPointer) -> Int {
        guard let connection = state.connection, connection.state.peer.endpointCount != 0 else {
            return unsafe makeRemoteEndpoint(in: room)
        }
        return unsafe connection.state.peer.copyEndpoint(to: room)
    }

    @inline(never)
    private func makeRemoteEndpoint(in room: UnsafeMutableRawPointer) -> Int {
        guard let connection = state.connection else {
            state.peer.writeEndpoint()
            return unsafe state.peer.copyEndpoint(to: room)
        }
        connection.state.peer.writeEndpoint()
        return unsafe connection.state.peer.copyEndpoint(to: room)
    }
}

extension PeerAddress {
    @inline(__always)
    fileprivate func copyEndpoint(to room: UnsafeMutableRawPointer) -> Int {
        unsafe room.storeBytes(of: endpoint, as: InlineArray<56, UInt8>.self)
        return Int(endpointCount)
    }

    @inline(never)
    fileprivate mutating func writeEndpoint() {
        if endpointCount != 0 { return }
        var at = 0
        let isV6 = text.firstIndex(of: UInt8(ascii: ":")) != nil
        func put(_ byte: UInt8, _ endpoint: inout InlineArray<56, UInt8>) {
            endpoint[at] = byte
            at += 1
        }
        if isV6 { put(UInt8(ascii: "["), &endpoint) }
        for index in 0..<Int(count) { put(UInt8(bitPattern: characters[index]), &endpoint) }
        if isV6 { put(UInt8(ascii: "]"), &endpoint) }
        if port != 0 {
            for byte in ":\(port)".utf8 { put(byte, &endpoint) }
        }
        endpointCount = UInt8(at)
    }
}
