import CZlib

/// Reads raw deflate data as it comes.
///
/// - Source: RFC 7692, section 7.2.2.
@safe
final class Inflater {
    /// The most bytes that come out at once.
    static let chunkBytes = 16 << 10

    /// What has been made of some input.
    enum Outcome: Equatable {
        /// All of it has been read.
        case consumed
        /// The receiver wants no more.
        case stopped
        case damaged
    }

    private let stream: UnsafeMutablePointer<z_stream>

    /// - Returns: nil when there is no memory.
    init?() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let result = unsafe inflateInit2_(
            stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard result == Z_OK else { return nil }
    }

    deinit {
        _ = unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// Forgets what was read so far.
    func reset() { _ = unsafe inflateReset(stream) }

    /// Inflates a run of a message and hands the result to `body` in pieces, until it returns
    /// false.
    ///
    /// - Parameters:
    ///   - isLast: whether the message ends here: what every message ends with is added, and the
    ///     last piece, perhaps empty, is marked.
    ///   - room: where the pieces are put.
    func inflate(
        _ input: UnsafeRawBufferPointer, isLast: Bool, room: UnsafeMutableRawBufferPointer,
        _ body: (UnsafeRawBufferPointer, _ isLast: Bool) -> Bool
    ) -> Outcome {
        let outcome = unsafe run(input, room, endsMessage: false, body)
        guard isLast, outcome == .consumed else { return outcome }
        let tail: (UInt8, UInt8, UInt8, UInt8) = (0x00, 0x00, 0xFF, 0xFF)
        return unsafe withUnsafeBytes(of: tail) { tail in
            unsafe run(tail, room, endsMessage: true, body)
        }
    }

    private func run(
        _ input: UnsafeRawBufferPointer, _ room: UnsafeMutableRawBufferPointer,
        endsMessage: Bool, _ body: (UnsafeRawBufferPointer, _ isLast: Bool) -> Bool
    ) -> Outcome {
        unsafe stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: Bytef.self))
        unsafe stream.pointee.avail_in = UInt32(input.count)
        while true {
            unsafe stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(
                to: Bytef.self)
            unsafe stream.pointee.avail_out = UInt32(room.count)
            let result = unsafe CZlib.inflate(stream, Z_SYNC_FLUSH)
            switch result {
            case Z_OK, Z_BUF_ERROR: break
            // A block that calls itself the last one ends no message; what it can be referred to
            // stays.
            case Z_STREAM_END: _ = unsafe inflateResetKeep(stream)
            default: return .damaged
            }
            let count = unsafe room.count - Int(stream.pointee.avail_out)
            let isFull = unsafe stream.pointee.avail_out == 0
            let isRead = unsafe stream.pointee.avail_in == 0
            let isLast = endsMessage && isRead && !isFull
            if count > 0 || isLast {
                let piece = unsafe UnsafeRawBufferPointer(rebasing: room[..<count])
                guard unsafe body(piece, isLast) else { return .stopped }
            }
            if isRead && !isFull { return .consumed }
            if result == Z_BUF_ERROR, count == 0 { return .damaged }
        }
    }
}

/// What a reactor keeps ready for sockets that compress without keeping anything between messages.
struct CompressionPool {
    private var inflaters: [Inflater] = []
    private var deflaters: [Int: Deflater] = [:]
    private static let inflatersMax = 4

    /// Lends an inflater that knows nothing.
    mutating func takeInflater() -> Inflater? { inflaters.popLast() ?? Inflater() }

    mutating func giveBack(_ inflater: Inflater) {
        guard inflaters.count < CompressionPool.inflatersMax else { return }
        inflater.reset()
        inflaters.append(inflater)
    }

    /// The reactor's deflater for that window; nobody keeps it beyond one message.
    mutating func deflater(windowBits: Int) -> Deflater? {
        if let deflater = deflaters[windowBits] { return deflater }
        let deflater = Deflater(windowBits: windowBits)
        deflaters[windowBits] = deflater
        return deflater
    }
}
