import FuzzSupport
import HTTPWire
import Testing

/// A client's frames against a reader that has all bytes before it and copies what it reads.
@Suite struct WebSocketFuzzTests {
    private static let corpus = TextCase.read("websocket").map(\.bytes)

    private static let words = [
        "\u{1}", "\u{80}", "\0", "\0\0\0\0", "\u{7E}", "\u{7F}", "é", "\u{10FFFF}", "hello",
    ]

    /// Frames that are masked and of the kinds there are, so that random bytes get past the first
    /// checks.
    private static let frames: [[UInt8]] = {
        let mask: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
        let plain: [UInt8] = [0, 0, 0, 0]
        let firsts: [UInt8] = [0x81, 0x01, 0x00, 0x80, 0x82, 0x02, 0x88, 0x89, 0x8A]
        return firsts.flatMap { first -> [[UInt8]] in
            let long = [UInt8](repeating: 0x41, count: 126)
            return [
                [first, 0x80] + mask, [first, 0x83] + mask + [0x7F, 0x9F, 0x4D],
                [first, 0x84] + plain + [0x03, 0xE8, 0x61, 0x62],
                [first, 0xFE, 0, 126] + mask + long,
            ]
        }
    }()

    /// What the bytes come to, as `FrameStream` has it.
    private func readPlainly(_ bytes: [UInt8]) -> [String] {
        var outcomes: [String] = []
        var message: (kind: String, bytes: [UInt8])?
        var rest = bytes[...]
        while !rest.isEmpty {
            switch frame(rest) {
            case .unfinished(let opcode, let length):
                if let opcode, opcode < 8, refuses(opcode, length, message) {
                    return outcomes + ["refused"]
                }
                return outcomes + ["incomplete"]
            case .refused: return outcomes + ["refused"]
            case .whole(let opcode, let isFinal, let payload, let count):
                rest = rest.dropFirst(count)
                guard opcode < 8 else {
                    guard let line = control(opcode, payload) else { return outcomes + ["refused"] }
                    outcomes.append(line)
                    if opcode == 8 { return outcomes }
                    continue
                }
                if refuses(opcode, UInt64(payload.count), message) {
                    return outcomes + ["refused"]
                }
                let kind = message?.kind ?? (opcode == 1 ? "text" : "binary")
                let whole = (message?.bytes ?? []) + payload
                message = (kind, whole)
                if isFinal {
                    outcomes.append(line(kind, whole))
                    message = nil
                }
            }
        }
        return outcomes.isEmpty || message != nil ? outcomes + ["incomplete"] : outcomes
    }

    private enum Frame {
        /// The opcode and the length of the payload, if the header is whole.
        case unfinished(opcode: UInt8?, length: UInt64)
        case refused
        case whole(opcode: UInt8, isFinal: Bool, payload: [UInt8], count: Int)
    }

    private func frame(_ slice: ArraySlice<UInt8>) -> Frame {
        let bytes = Array(slice)
        let opcode = bytes[0] & 15
        let isControl = opcode >= 8
        guard [0, 1, 2, 8, 9, 10].contains(opcode), bytes[0] & 0x70 == 0,
            !isControl || bytes[0] >= 0x80
        else { return .refused }
        guard bytes.count > 1 else { return .unfinished(opcode: nil, length: 0) }
        guard bytes[1] >= 0x80, !isControl || bytes[1] & 0x7F <= 125 else { return .refused }
        let extra = [126: 2, 127: 8][Int(bytes[1] & 0x7F)] ?? 0
        guard bytes.count >= 2 + extra else { return .unfinished(opcode: nil, length: 0) }
        let written = bytes[2..<(2 + extra)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let length = extra == 0 ? UInt64(bytes[1] & 0x7F) : written
        if extra == 2 && length < 126 || extra == 8 && length < 65_536 || length >> 63 == 1 {
            return .refused
        }
        guard bytes.count >= 6 + extra else { return .unfinished(opcode: nil, length: 0) }
        guard UInt64(bytes.count - 6 - extra) >= length else {
            return .unfinished(opcode: opcode, length: length)
        }
        let mask = bytes[(2 + extra)..<(6 + extra)]
        let masked = bytes[(6 + extra)...].prefix(Int(length))
        let payload = masked.enumerated().map { $1 ^ mask[mask.startIndex + $0 % 4] }
        return .whole(
            opcode: opcode, isFinal: bytes[0] >= 0x80, payload: payload,
            count: 6 + extra + payload.count)
    }

    /// Whether a frame may not stand here, or makes its message too long.
    private func refuses(
        _ opcode: UInt8, _ length: UInt64, _ message: (kind: String, bytes: [UInt8])?
    ) -> Bool {
        (opcode == 0) != (message != nil)
            || length > UInt64(FrameStream.messageBytesMax - (message?.bytes.count ?? 0))
    }

    private func control(_ opcode: UInt8, _ payload: [UInt8]) -> String? {
        guard opcode == 8 else { return line(opcode == 9 ? "ping" : "pong", payload) }
        if payload.isEmpty { return "close 1005" }
        guard payload.count > 1, String(validating: payload[2...], as: UTF8.self) != nil else {
            return nil
        }
        let code = UInt16(payload[0]) * 256 + UInt16(payload[1])
        let isKnown = (1000...1014).contains(code) && ![1004, 1005, 1006].contains(code)
        guard isKnown || (3000...4999).contains(code) else { return nil }
        return line("close \(code)", Array(payload[2...]))
    }

    private func line(_ what: String, _ bytes: [UInt8]) -> String {
        bytes.isEmpty ? what : what + " " + bytes.withUnsafeBytes { "\(ByteSlice($0))" }
    }

    /// The first input on which the receiver, its cuts and the plain reader do not agree.
    private func firstFinding(
        _ plan: FuzzPlan, _ read: ([UInt8], [Int]) -> [String]
    ) -> (finding: String?, read: Int) {
        var mutator = ByteMutator(
            seed: plan.seed, corpus: Self.corpus + Self.frames, words: Self.words)
        var random = FuzzRandom(seed: plan.seed)
        var count = 0
        var round = 0
        while plan.includes(round) {
            let more = Self.frames.randomElement(using: &random) ?? []
            let bytes = round % 2 == 0 ? mutator.next() : mutator.next() + more
            let cuts = mutator.cuts(bytes.count)
            let whole = read(bytes, [])
            let text = bytes.withUnsafeBytes { "\(ByteSlice($0))" }
            let place = "seed \(plan.seed), round \(round), cuts \(cuts), bytes \"\(text)\""
            if read(bytes, cuts) != whole { return ("the cuts matter: \(place)", count) }
            let plain = readPlainly(bytes)
            let known = whole.map { $0.hasPrefix("refused ") ? "refused" : $0 }
            if known != plain { return ("\(known) is not \(plain): \(place)", count) }
            if known.last != "refused", known.last != "incomplete" { count += 1 }
            round += 1
        }
        return (nil, count)
    }

    @Test func receiver_agreesWithAPlainReader() {
        let plan = FuzzPlan(smokeRounds: 5_000, seed: 0x6455)
        let (finding, read) = firstFinding(plan) { FrameStream.read($0, cuts: $1) }
        #expect(finding == nil)
        #expect(read >= 200)
    }

    /// A receiver that does not mind a reserved bit.
    @Test func canary_isCaught() {
        let plan = FuzzPlan(smokeRounds: 5_000, seed: 0x6456)
        let (finding, _) = firstFinding(plan) { bytes, _ in
            FrameStream.read(bytes.prefix(1).map { $0 & 0xBF } + bytes.dropFirst())
        }
        #expect(finding != nil)
    }
}
