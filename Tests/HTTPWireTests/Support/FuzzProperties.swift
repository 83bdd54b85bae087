import CaseSupport
import FuzzSupport
import HTTPWire

/// What must hold for any bytes whatever; the checks share no code with the parser.
struct FuzzProperties {
    typealias Reader = ([UInt8], [Int]) -> [MessageStream.Outcome]

    /// A property that did not hold, with all that is needed to see it again.
    struct Finding: CustomStringConvertible {
        var property: String
        var seed: UInt64
        var round: Int
        var bytes: [UInt8]
        var cuts: [Int]

        var description: String {
            let text = bytes.withUnsafeBytes { "\(ByteSlice($0))" }
            return "\(property): seed \(seed), round \(round), cuts \(cuts), bytes \"\(text)\""
        }
    }

    let read: Reader

    /// Tries mutations and returns the first that breaks a property.
    func firstFinding(_ plan: FuzzPlan, corpus: [[UInt8]]) -> Finding? {
        var mutator = Mutator(seed: plan.seed, corpus: corpus)
        var round = 0
        while plan.includes(round) {
            let bytes = mutator.next()
            let cuts = mutator.cuts(bytes.count)
            if let property = broken(bytes, cuts) {
                return Finding(
                    property: property, seed: plan.seed, round: round, bytes: bytes, cuts: cuts)
            }
            round += 1
        }
        return nil
    }

    private func broken(_ bytes: [UInt8], _ cuts: [Int]) -> String? {
        let whole = read(bytes, [])
        if read(bytes, cuts) != whole { return "the outcome depends on the cuts" }
        // Where later messages begin cannot be told without decoding the bodies before them.
        if case .accepted(let head, _) = whole.first,
            let reason = objection(Array(bytes.prefix(head.length)))
        {
            return reason
        }
        for (index, outcome) in whole.enumerated() {
            guard case .accepted(let head, let body) = outcome,
                index + 1 == whole.count || isAccepted(whole[index + 1])
            else { continue }
            if let reason = objection(head, body) { return reason }
        }
        return nil
    }

    private func isAccepted(_ outcome: MessageStream.Outcome) -> Bool {
        if case .accepted = outcome { true } else { false }
    }

    /// Looks at an accepted head in the plainest way.
    private func objection(_ head: [UInt8]) -> String? {
        var text = head[...]
        while text.starts(with: [0x0D, 0x0A]) { text = text.dropFirst(2) }
        for (index, byte) in head.enumerated() {
            if byte == 0x0A, index == 0 || head[index - 1] != 0x0D { return "LF alone" }
            if byte == 0x0D, index + 1 == head.count || head[index + 1] != 0x0A {
                return "CR alone"
            }
            if byte < 0x20, ![0x09, 0x0A, 0x0D].contains(byte) { return "control byte" }
            if byte == 0x7F { return "DEL" }
        }
        let lines = text.split(separator: 0x0A, omittingEmptySubsequences: false)
            .map { String(decoding: $0.filter { $0 != 0x0D }, as: UTF8.self) }
        let parts = lines[0].split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2].hasPrefix("HTTP/1."), parts[2].utf8.count == 8 else {
            return "request line"
        }
        var counts: [String: Int] = [:]
        for line in lines.dropFirst().prefix(while: { !$0.isEmpty }) {
            guard let colon = line.firstIndex(of: ":") else { return "no colon" }
            let name = line[..<colon]
            let isToken = name.utf8.allSatisfy { byte in
                byte > 0x20 && byte < 0x7F && !"\"(),/:;<=>?@[\\]{}".utf8.contains(byte)
            }
            guard isToken, !name.isEmpty else { return "field name" }
            counts[name.lowercased(), default: 0] += 1
        }
        let hosts = counts["host", default: 0]
        if hosts > 1 || (parts[2] != "HTTP/1.0" && hosts == 0) { return "\(hosts) Host fields" }
        if counts["content-length", default: 0] + counts["transfer-encoding", default: 0] > 1 {
            return "two framings"
        }
        return nil
    }

    /// Writes an accepted message anew in the plainest way; it must read as the same message.
    private func objection(_ head: ParsedHead, _ body: [UInt8]) -> String? {
        var bytes = unescaped(
            "\(head.method) \(head.target) HTTP/1.\(head.minorVersion)\r\n")
        for field in head.fields { bytes += unescaped(field) + [0x0D, 0x0A] }
        bytes += [0x0D, 0x0A]
        let length = bytes.count
        switch head.framing {
        case .none: break
        case .length(let announced):
            // A body that the input cut short.
            if announced != UInt64(body.count) { return nil }
            bytes += body
        case .chunked:
            if !body.isEmpty {
                bytes += Array("\(String(body.count, radix: 16))\r\n".utf8) + body + [0x0D, 0x0A]
            }
            bytes += Array("0\r\n\r\n".utf8)
        }
        var expected = head
        expected.length = length
        let again = read(bytes, [])
        return again == [.accepted(expected, body: body)]
            ? nil : "written anew it reads as \(again)"
    }
}
