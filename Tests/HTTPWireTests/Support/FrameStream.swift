import HTTPWire

/// What a receiver makes of a client's bytes, as lines of the case files have it.
enum FrameStream {
    static let messageBytesMax = 4096

    /// Reads the bytes in pieces that end at the cuts.
    static func read(_ bytes: [UInt8], cuts: [Int] = []) -> [String] {
        var receiver = WebSocketReceiver(
            allowsCompression: false, messageBytesMax: messageBytesMax)
        var outcomes: [String] = []
        var message: [UInt8]?
        var waiting: [UInt8] = []
        var start = 0
        for end in cuts + [bytes.count] {
            waiting += bytes[start..<end]
            start = end
            while !waiting.isEmpty {
                let (outcome, consumed, isOver) = next(&receiver, &waiting, &message)
                waiting.removeFirst(consumed)
                if let outcome { outcomes.append(outcome) }
                if isOver { return outcomes }
                if outcome == nil, consumed == 0 { break }
            }
        }
        if outcomes.isEmpty || !waiting.isEmpty || message != nil {
            outcomes.append("incomplete")
        }
        return outcomes
    }

    private static func next(
        _ receiver: inout WebSocketReceiver, _ waiting: inout [UInt8], _ message: inout [UInt8]?
    ) -> (outcome: String?, consumed: Int, isOver: Bool) {
        waiting.withUnsafeMutableBytes { input in
            let (event, consumed) = receiver.next(input)
            switch event {
            case .needMore:
                if consumed > 0 { message = message ?? [] }
                return (nil, consumed, false)
            case .data(let bytes, let isLast):
                let whole = (message ?? []) + bytes
                message = isLast ? nil : whole
                let kind = receiver.kind == .text ? "text" : "binary"
                return (isLast ? line(kind, whole) : nil, consumed, false)
            case .ping(let bytes): return (line("ping", Array(bytes)), consumed, false)
            case .pong(let bytes): return (line("pong", Array(bytes)), consumed, false)
            case .close(let code, let reason):
                return (line("close \(code)", Array(reason)), consumed, true)
            case .invalid(let fault): return ("refused \(fault.rawValue)", consumed, true)
            }
        }
    }

    private static func line(_ what: String, _ bytes: [UInt8]) -> String {
        bytes.isEmpty ? what : what + " " + bytes.withUnsafeBytes { "\(ByteSlice($0))" }
    }
}
