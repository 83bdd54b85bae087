import CaseSupport
import HTTPWire
import Testing

@Suite struct WebSocketFrameTests {
    private static let cases = TextCase.read("websocket")

    private static func expectation(_ textCase: TextCase) -> [String] {
        textCase.expectations.map { expected in
            guard expected.outcome.contains("\\") else { return expected.outcome }
            let words = expected.outcome.split(separator: " ", maxSplits: 2)
            let payload = unescaped(words[words.count - 1])
            return words.dropLast().joined(separator: " ") + " "
                + payload.withUnsafeBytes { "\(ByteSlice($0))" }
        }
    }

    @Test func thereAreCases() {
        #expect(Self.cases.count >= 50)
        #expect(Self.cases.allSatisfy { !$0.bytes.isEmpty && !$0.expectations.isEmpty })
    }

    @Test(arguments: cases)
    func case_hasItsOutcome_whereverItIsCut(_ textCase: TextCase) {
        let expected = Self.expectation(textCase)
        #expect(FrameStream.read(textCase.bytes) == expected)
        for cut in 1..<max(2, textCase.bytes.count) {
            #expect(FrameStream.read(textCase.bytes, cuts: [cut]) == expected, "cut at \(cut)")
        }
        let everywhere = Array(1..<max(1, textCase.bytes.count))
        #expect(FrameStream.read(textCase.bytes, cuts: everywhere) == expected, "byte by byte")
    }

    @Test func compressedBit_isTaken_onTheFirstFrameOfAMessageOnly() {
        func outcome(_ first: UInt8) -> WebSocketFrameHeader.Outcome {
            [first, 0x80, 0, 0, 0, 0].withUnsafeBytes {
                WebSocketFrameHeader.parse($0, allowsCompression: true)
            }
        }
        guard case .complete(let header, length: 6) = outcome(0xC1) else {
            Issue.record("\(outcome(0xC1))")
            return
        }
        #expect(header.isCompressed && header.isFinal && header.opcode == .text)
        for first: UInt8 in [0xC0, 0xC8, 0xC9, 0xCA] {
            #expect(outcome(first) == .invalid(.reservedBit), "\(first)")
        }
    }

    @Test func reasons_fitIntoACloseFrame() {
        for fault in WebSocketFault.allCases {
            #expect(fault.reason.utf8CodeUnitCount <= 123, "\(fault)")
            #expect(WebSocketCloseCode.isSendable(fault.closeCode), "\(fault)")
        }
    }

    @Test(arguments: [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 33])
    func header_thatIsWritten_hasTheShortestLength(_ length: Int) {
        var room = [UInt8](repeating: 0, count: 10)
        let count = WebSocketServerFrame.writeHeader(
            opcode: .binary, payloadLength: length, to: &room)
        #expect(count == (length < 126 ? 2 : length < 65_536 ? 4 : 10))
        // The same header with a mask is what a client would send.
        room[1] |= 0x80
        let masked = Array(room[..<count]) + [0, 0, 0, 0]
        let outcome = masked.withUnsafeBytes {
            WebSocketFrameHeader.parse($0, allowsCompression: false)
        }
        guard case .complete(let header, count + 4) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(header.payloadLength == UInt64(length))
        #expect(header.isFinal && header.opcode == .binary)
    }

    @Test func mask_isTheSame_howeverThePayloadIsCut() {
        var random = SplitMix(seed: 6455)
        for _ in 0..<300 {
            let key = UInt32.random(in: .min ... .max, using: &random)
            let plain = (0..<Int.random(in: 0...200, using: &random)).map { _ in
                UInt8.random(in: .min ... .max, using: &random)
            }
            let masked = plain.enumerated().map { index, byte in
                byte ^ UInt8(truncatingIfNeeded: key >> UInt32(8 * (index % 4)))
            }
            var mask = WebSocketMask(key)
            var result: [UInt8] = []
            var rest = masked[...]
            while !rest.isEmpty {
                var piece = Array(rest.prefix(Int.random(in: 1...70, using: &random)))
                rest = rest.dropFirst(piece.count)
                piece.withUnsafeMutableBytes { mask.remove(from: $0) }
                result += piece
            }
            #expect(result == plain)
        }
    }
}
