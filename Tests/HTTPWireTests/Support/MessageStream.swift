import HTTPWire

/// Reads messages from a stream of reads as a server would: it keeps what is left over, tells the
/// parser what it has seen, takes bodies off, and stops at a refusal or a closing message.
struct MessageStream {
    /// One thing that was read from the stream.
    enum Outcome: Equatable {
        case accepted(ParsedHead, body: [UInt8])
        case refused(WireError.Code, at: Int)
        case incomplete
    }

    private enum Phase {
        case head
        case length(UInt64)
        case chunks(ChunkedDecoder)
        case ended
    }

    private let limits: WireLimits
    private var phase = Phase.head
    private var buffer: [UInt8] = []
    private var seen = 0
    private var taken = 0
    private var outcomes: [Outcome] = []

    /// Reads the stream in the pieces that the cuts make and returns what it held.
    static func read(
        _ bytes: [UInt8], cuts: [Int] = [], limits: WireLimits = WireLimits()
    ) -> [Outcome] {
        var stream = MessageStream(limits: limits)
        var start = 0
        for end in cuts + [bytes.count] {
            stream.feed(bytes[start..<end])
            start = end
        }
        return stream.finish()
    }

    init(limits: WireLimits) {
        self.limits = limits
    }

    mutating func feed(_ bytes: ArraySlice<UInt8>) {
        buffer += bytes
        while step() {}
    }

    func finish() -> [Outcome] {
        switch phase {
        case .head: buffer.isEmpty ? outcomes : outcomes + [.incomplete]
        case .length, .chunks: outcomes + [.incomplete]
        case .ended: outcomes
        }
    }

    /// Takes one step; false when more bytes are needed or nothing more is to be read.
    private mutating func step() -> Bool {
        switch phase {
        case .ended:
            return false
        case .head:
            if buffer.isEmpty { return false }
            switch parseHead(buffer, seen: seen, limits: limits) {
            case .incomplete:
                seen = buffer.count
                return false
            case .invalid(let error):
                refuse(error)
                return false
            case .complete(let head):
                take(head.length)
                seen = 0
                outcomes.append(.accepted(head, body: []))
                switch head.framing {
                case .none: endMessage()
                case .length(0): endMessage()
                case .length(let length): phase = .length(length)
                case .chunked: phase = .chunks(ChunkedDecoder(limits: limits))
                }
                return true
            }
        case .length(let rest):
            if buffer.isEmpty { return false }
            let length = Int(min(rest, UInt64(buffer.count)))
            append(buffer[0..<length])
            take(length)
            phase = .length(rest - UInt64(length))
            if rest == UInt64(length) { endMessage() }
            return true
        case .chunks(var decoder):
            if buffer.isEmpty { return false }
            let input = buffer
            let event = input.withUnsafeBytes { bytes -> ChunkedEvent in
                let event = decoder.decode(bytes)
                if case .data(let slice, _) = event { append(Array(slice.buffer)[...]) }
                return event
            }
            phase = .chunks(decoder)
            switch event {
            case .needMore(let consumed), .data(_, let consumed): take(consumed)
            case .end(let consumed):
                take(consumed)
                endMessage()
            case .invalid(let error):
                refuse(error)
                return false
            }
            return true
        }
    }

    private mutating func append(_ bytes: ArraySlice<UInt8>) {
        guard case .accepted(let head, let body) = outcomes.last else { return }
        outcomes[outcomes.count - 1] = .accepted(head, body: body + bytes)
    }

    private mutating func take(_ count: Int) {
        buffer.removeFirst(count)
        taken += count
    }

    private mutating func refuse(_ error: WireError) {
        outcomes.append(.refused(error.code, at: taken + error.offset))
        phase = .ended
    }

    private mutating func endMessage() {
        guard case .accepted(let head, _) = outcomes.last, head.keepAlive else {
            phase = .ended
            return
        }
        phase = .head
    }
}
