/// One element of a list with weights: a name, perhaps parameters, and `q`.
///
/// - Source: RFC 9110, section 12.4.2.
struct Weighted {
    /// What stands before the first semicolon.
    let name: ByteSlice
    /// Whether parameters other than `q` stand before it.
    let hasParameters: Bool
    /// The weight in thousandths, 0 to 1000; 1000 when none is given.
    let weight: Int

    /// Takes an element apart; `nil` when its weight is malformed.
    init?(_ element: ByteSlice) {
        var rest = element
        var found = 1_000
        var others = false
        var isFirst = true
        var head = element
        while true {
            let semicolon = Weighted.semicolon(in: rest)
            let part = rest[0..<semicolon].trimmed
            if isFirst {
                head = part
                isFirst = false
            } else if part.count >= 2, part[0] | 0x20 == UInt8(ascii: "q"),
                part[1] == UInt8(ascii: "=")
            {
                guard let value = Weighted.thousandths(part[2..<part.count]) else { return nil }
                found = value
                break
            } else if !part.isEmpty {
                others = true
            }
            if semicolon == rest.count { break }
            rest = rest[(semicolon + 1)..<rest.count]
        }
        name = head
        hasParameters = others
        weight = found
    }

    /// The position of the first semicolon outside quotes, or the length.
    private static func semicolon(in text: ByteSlice) -> Int {
        var isQuoted = false
        var at = 0
        while at < text.count, isQuoted || text[at] != UInt8(ascii: ";") {
            if text[at] == UInt8(ascii: "\"") {
                isQuoted.toggle()
            } else if isQuoted, text[at] == UInt8(ascii: "\\") {
                at += 1
            }
            at += 1
        }
        return min(at, text.count)
    }

    /// Reads `0`, `1`, `0.ddd` or `1.000` with at most three decimals.
    private static func thousandths(_ text: ByteSlice) -> Int? {
        guard text.count >= 1, text.count <= 5,
            text[0] == UInt8(ascii: "0") || text[0] == UInt8(ascii: "1")
        else { return nil }
        var value = text[0] == UInt8(ascii: "1") ? 1_000 : 0
        guard text.count == 1 || text[1] == UInt8(ascii: ".") else { return nil }
        var place = 100
        for index in 2..<max(2, text.count) {
            guard CharacterClass.isDigit(text[index]) else { return nil }
            value += Int(text[index] - UInt8(ascii: "0")) * place
            place /= 10
        }
        return value <= 1_000 ? value : nil
    }
}
