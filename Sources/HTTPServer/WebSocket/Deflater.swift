import CZlib

/// Writes raw deflate data, a message at a time.
///
/// - Source: RFC 7692, section 7.2.1.
@safe
final class Deflater {
    /// How much memory the search for repetitions takes: with 15 window bits 256 KB, with 13 64 KB.
    private static let memoryLevel: Int32 = 6
    private static let level: Int32 = 3
    private static let chunkBytes = 16 << 10

    private let stream: UnsafeMutablePointer<z_stream>
    private let chunk: UnsafeMutableRawBufferPointer

    /// - Parameter windowBits: 9 to 15.
    /// - Returns: nil when there is no memory.
    init?(windowBits: Int) {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        unsafe chunk = .allocate(byteCount: Deflater.chunkBytes, alignment: 16)
        let result = unsafe deflateInit2_(
            stream, Deflater.level, Z_DEFLATED, Int32(-windowBits), Deflater.memoryLevel,
            Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard result == Z_OK else { return nil }
    }

    deinit {
        _ = unsafe deflateEnd(stream)
        unsafe chunk.deallocate()
        unsafe stream.deallocate()
    }

    /// Forgets what was written so far.
    func reset() { _ = unsafe deflateReset(stream) }

    /// Deflates a message and hands the result to `body` in pieces, without the four bytes that
    /// every message ends with; false when zlib fails.
    func deflate(
        _ message: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
    ) -> Bool {
        unsafe stream.pointee.next_in = UnsafeMutablePointer(
            mutating: message.baseAddress?.assumingMemoryBound(to: Bytef.self))
        unsafe stream.pointee.avail_in = UInt32(message.count)
        // The last four bytes are held back until it is known that they are the last.
        var held = 0
        while true {
            guard let base = unsafe chunk.baseAddress else { return false }
            unsafe stream.pointee.next_out = base.assumingMemoryBound(to: Bytef.self) + held
            unsafe stream.pointee.avail_out = UInt32(chunk.count - held)
            let result = unsafe CZlib.deflate(stream, Z_SYNC_FLUSH)
            guard result == Z_OK || result == Z_BUF_ERROR else { return false }
            let count = unsafe chunk.count - Int(stream.pointee.avail_out)
            guard count >= 4 else { return false }
            unsafe body(UnsafeRawBufferPointer(rebasing: chunk[..<(count - 4)]))
            if unsafe stream.pointee.avail_out > 0 { return true }
            unsafe base.copyMemory(from: base + (count - 4), byteCount: 4)
            held = 4
        }
    }
}
