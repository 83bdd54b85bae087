internal import CZlib
internal import HostModel

/// Unpacks a gzip file while it is read.
///
/// Members that follow each other are one stream, as gzip defines; the length and check sum of each
/// are verified. Zeros after the last member are padding, as gzip(1) has it; anything else after a
/// member is refused, and so is a file that ends early.
/// - Source: RFC 1952.
@safe
final class GzipReader: ByteSource {
    private static let inputBytes = 1 << 16
    /// 15 bits of window, and 16 for "gzip and nothing else".
    private static let gzipWindowBits: Int32 = 31

    private let file: Descriptor
    private let limits: BundleLimits
    private let input = ByteBuffer(count: inputBytes)
    private let stream: UnsafeMutablePointer<z_stream>
    private var compressedBytes = 0
    private var unpackedBytes = 0
    /// Whether the next byte begins a member.
    private var atMemberStart = true
    private var memberCount = 0
    /// Whether zeros have come after a member; only more of them may follow.
    private var isPadded = false

    init(_ file: consuming Descriptor, limits: BundleLimits) throws(HostError) {
        self.file = file
        self.limits = limits
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let status = unsafe inflateInit2_(
            stream, Self.gzipWindowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            throw HostError(
                "out_of_memory", what: "the bundle could not be unpacked", subject: self.file.path,
                why: "zlib could not start (\(status))", fix: "free some memory")
        }
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(HostError) -> Int {
        guard unsafe !buffer.isEmpty else { return 0 }
        unsafe stream.pointee.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        unsafe stream.pointee.avail_out = UInt32(min(buffer.count, 1 << 30))
        let room = unsafe stream.pointee.avail_out
        while unsafe stream.pointee.avail_out == room {
            if unsafe stream.pointee.avail_in == 0, try !refill() { return 0 }
            if atMemberStart, try !startMember() { continue }
            let status = unsafe inflate(stream, Z_NO_FLUSH)
            switch status {
            case Z_OK, Z_BUF_ERROR: break
            case Z_STREAM_END:
                atMemberStart = true
                unsafe inflateReset(stream)
            default:
                let told = unsafe stream.pointee.msg.map { unsafe String(cString: $0) }
                throw damaged("the gzip data is damaged: \(told ?? "error \(status)")")
            }
        }
        let count = unsafe Int(room - stream.pointee.avail_out)
        unpackedBytes += count
        try checkBounds()
        return count
    }

    /// Reads more of the file; false at its end, when that is where it may end.
    private func refill() throws(HostError) -> Bool {
        let count = try unsafe file.read(into: input.bytes)
        guard count > 0 else {
            if memberCount == 0 { throw damaged("the file is empty") }
            if atMemberStart { return false }
            throw damaged("the gzip data ends early: the file is cut off")
        }
        compressedBytes += count
        unsafe stream.pointee.next_in = input.bytes.baseAddress?.assumingMemoryBound(
            to: UInt8.self)
        unsafe stream.pointee.avail_in = UInt32(count)
        return true
    }

    /// Begins the next member; false when what there was of the input is padding.
    private func startMember() throws(HostError) -> Bool {
        if memberCount > 0 {
            while unsafe stream.pointee.avail_in > 0, unsafe stream.pointee.next_in.pointee == 0 {
                unsafe stream.pointee.next_in += 1
                unsafe stream.pointee.avail_in -= 1
                isPadded = true
            }
            if unsafe stream.pointee.avail_in == 0 { return false }
        }
        // zlib itself would say "incorrect header check"; what the first bytes are tells more.
        guard !isPadded, unsafe stream.pointee.next_in.pointee == 0x1F else {
            throw damaged(
                memberCount == 0
                    ? "it is not a gzip file\(formatFound)"
                    : "there is something after the gzip data")
        }
        atMemberStart = false
        memberCount += 1
        return true
    }

    /// What the file is instead, if its first bytes tell.
    private var formatFound: String {
        let start = unsafe UnsafeRawBufferPointer(
            start: stream.pointee.next_in, count: Int(stream.pointee.avail_in))
        let known: [(name: String, offset: Int, mark: [UInt8])] = [
            ("a zip archive", 0, [0x50, 0x4B, 0x03, 0x04]),
            ("compressed with xz", 0, [0xFD, 0x37, 0x7A, 0x58, 0x5A]),
            ("compressed with bzip2", 0, [0x42, 0x5A, 0x68]),
            ("compressed with zstd", 0, [0x28, 0xB5, 0x2F, 0xFD]),
            ("a library, and no bundle of one", 0, [0x7F, 0x45, 0x4C, 0x46]),
            ("a tar archive that is not compressed", 257, [0x75, 0x73, 0x74, 0x61, 0x72]),
        ]
        for format in known {
            let end = format.offset + format.mark.count
            if end <= start.count,
                unsafe start[format.offset..<end].elementsEqual(format.mark)
            {
                return ": it is \(format.name)"
            }
        }
        return ""
    }

    private func checkBounds() throws(HostError) {
        if unpackedBytes > limits.totalBytesMax {
            throw .archiveTooLarge(
                "it unpacks to more than \(limits.totalBytesMax) bytes", subject: file.path)
        }
        if unpackedBytes > limits.ratioFreeBytes,
            unpackedBytes / limits.ratioMax > compressedBytes
        {
            throw .archiveTooLarge(
                "it unpacks to more than \(limits.ratioMax) times its size", subject: file.path)
        }
    }

    private func damaged(_ reason: String) -> HostError {
        .archiveDamaged(reason, subject: file.path)
    }
}
