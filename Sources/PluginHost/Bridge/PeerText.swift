internal import CPluginABI
internal import HTTPServer
internal import HTTPWire

/// The peer's address in the form that plugins are shown.
enum PeerText {
    /// Writes `203.0.113.7:49152`, `[2001:db8::1]:49152` or `unix`.
    ///
    /// It is a copy, because the connection may be gone before the response is complete.
    ///
    /// - Shape: `room` has `RequestRecord.addressBytesMax` bytes, enough for the longest address.
    @inline(__always)
    static func write(_ exchange: Exchange, to room: UnsafeMutableRawPointer) -> ph_text {
        let address = exchange.remoteAddress
        let port = exchange.remotePort
        guard let base = unsafe address.base,
            unsafe address.count <= RequestRecord.addressBytesMax - "[]:65535".utf8.count
        else { return unsafe ph_text() }
        let isV6 = address.firstIndex(of: UInt8(ascii: ":")) != nil
        var next = unsafe room.assumingMemoryBound(to: UInt8.self)
        func put(_ byte: UInt8) {
            unsafe next.pointee = byte
            unsafe next += 1
        }
        if isV6 { put(UInt8(ascii: "[")) }
        unsafe next.update(from: base, count: address.count)
        unsafe next += address.count
        if isV6 { put(UInt8(ascii: "]")) }
        if port != 0 {
            put(UInt8(ascii: ":"))
            var divisor: UInt16 = 1
            while port / divisor >= 10 { divisor &*= 10 }
            while divisor > 0 {
                put(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: port / divisor % 10))
                divisor /= 10
            }
        }
        return unsafe ph_text(
            data: UnsafePointer(room.assumingMemoryBound(to: CChar.self)),
            length: UnsafeMutableRawPointer(next) - room)
    }
}
