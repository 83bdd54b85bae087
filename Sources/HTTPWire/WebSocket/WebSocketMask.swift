/// The mask that a client lays over its payload, wherever the payload is cut.
///
/// - Source: RFC 6455, section 5.3.
public struct WebSocketMask: Equatable, Sendable {
    /// The mask's bytes in the order in which they are due, the first one lowest.
    private var bytes: UInt32

    /// Makes the mask of a frame's header.
    public init(_ bytes: UInt32) { self.bytes = bytes }

    /// Takes the mask off, in place, and moves on by as many bytes.
    ///
    /// 32 bytes at a time.
    public mutating func remove(from payload: UnsafeMutableRawBufferPointer) {
        guard let base = payload.baseAddress else { return }
        let pair = UInt64(bytes) | UInt64(bytes) << 32
        let wide = SIMD4<UInt64>(repeating: pair.littleEndian)
        var at = 0
        while at &+ 32 <= payload.count {
            let word = unsafe base.loadUnaligned(fromByteOffset: at, as: SIMD4<UInt64>.self)
            unsafe base.storeBytes(of: word ^ wide, toByteOffset: at, as: SIMD4<UInt64>.self)
            at &+= 32
        }
        while at &+ 8 <= payload.count {
            let word = unsafe base.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            unsafe base.storeBytes(of: word ^ wide[0], toByteOffset: at, as: UInt64.self)
            at &+= 8
        }
        let octets = unsafe base.assumingMemoryBound(to: UInt8.self)
        while at < payload.count {
            unsafe octets[at] ^= UInt8(truncatingIfNeeded: bytes)
            bytes = bytes >> 8 | bytes << 24
            at &+= 1
        }
    }
}
