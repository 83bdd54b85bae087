internal import CZlib
internal import HostModel

/// Packs bytes into a gzip file.
///
/// The same bytes always give the same file: the header has no time and no name.
@safe
final class GzipWriter {
    private static let outputBytes = 1 << 16
    private static let gzipWindowBits: Int32 = 31
    private static let memoryLevel: Int32 = 9

    private let file: Descriptor
    private let output = ByteBuffer(count: outputBytes)
    private let stream: UnsafeMutablePointer<z_stream>

    init(_ file: consuming Descriptor) throws(HostError) {
        self.file = file
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let status = unsafe deflateInit2_(
            stream, Z_BEST_COMPRESSION, Z_DEFLATED, Self.gzipWindowBits, Self.memoryLevel,
            Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            throw HostError(
                "out_of_memory", what: "the bundle could not be packed", subject: self.file.path,
                why: "zlib could not start (\(status))", fix: "free some memory")
        }
    }

    deinit {
        unsafe deflateEnd(stream)
        unsafe stream.deallocate()
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(HostError) {
        // zlib does not write through this pointer; its type only lacks the const.
        unsafe stream.pointee.next_in = UnsafeMutablePointer(
            mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
        unsafe stream.pointee.avail_in = UInt32(bytes.count)
        try run(Z_NO_FLUSH)
    }

    func write(_ bytes: [UInt8]) throws(HostError) {
        let buffer = ByteBuffer(count: bytes.count)
        unsafe buffer.bytes.copyBytes(from: bytes)
        try unsafe write(UnsafeRawBufferPointer(buffer.bytes))
    }

    /// Ends the file and waits until it is on the disk.
    func finish() throws(HostError) {
        unsafe stream.pointee.avail_in = 0
        try run(Z_FINISH)
        try file.sync()
    }

    private func run(_ flush: Int32) throws(HostError) {
        while true {
            unsafe stream.pointee.next_out = output.bytes.baseAddress?.assumingMemoryBound(
                to: UInt8.self)
            unsafe stream.pointee.avail_out = UInt32(Self.outputBytes)
            let status = unsafe deflate(stream, flush)
            let count = unsafe Self.outputBytes - Int(stream.pointee.avail_out)
            try unsafe file.write(UnsafeRawBufferPointer(rebasing: output.bytes[..<count]))
            let isDone =
                unsafe flush == Z_FINISH
                ? status == Z_STREAM_END
                : stream.pointee.avail_in == 0 && stream.pointee.avail_out > 0
            if isDone { return }
        }
    }
}
