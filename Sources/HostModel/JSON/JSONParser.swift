/// Reads JSON strictly.
///
/// Written here because Foundation's decoder does not serve: it takes duplicate names silently (the
/// last one wins, so a manifest could say two things), rounds numbers, and its errors carry no
/// line.
///
/// - Shape: one value with white space around it, in UTF-8 without a byte order mark; at most
///   `depthMax` arrays and objects inside each other; no lone surrogates; names unique within an
///   object, unless the caller lets the last one count.
/// - Source: RFC 8259.
public enum JSON {
    /// How many arrays and objects may be inside each other.
    public static let depthMax = 128

    /// What an object means in which a name appears twice.
    public enum RepeatedNames: Sendable {
        /// An error: a person wrote two things, and one of them would be lost.
        case refused
        /// What other readers of RFC 8259 make of it: of several values the last one counts.
        case lastCounts
    }

    /// Reads the one value that the bytes hold.
    ///
    /// - Throws: `HostError` with code `json_invalid`, the subject `source`, and as reason the line
    ///   and column (both from 1; columns count characters) with what was found there.
    public static func parse(
        _ bytes: some Sequence<UInt8>, source: String = "JSON text",
        repeatedNames: RepeatedNames = .refused
    ) throws(HostError) -> JSONValue {
        var parser = JSONParser(bytes: Array(bytes), repeatedNames: repeatedNames)
        do {
            return try parser.document()
        } catch {
            let (line, column) = parser.position(of: error.offset)
            throw HostError(
                "json_invalid", what: "JSON was not understood", subject: source,
                why: "line \(line), column \(column): \(error.message)",
                fix: "correct that place; comments and trailing commas are not JSON")
        }
    }

    /// Reads the one value that the text holds.
    ///
    /// - Throws: as `parse(_:source:)` for bytes.
    public static func parse(
        _ text: String, source: String = "JSON text", repeatedNames: RepeatedNames = .refused
    ) throws(HostError) -> JSONValue {
        try parse(text.utf8, source: source, repeatedNames: repeatedNames)
    }
}

/// A recursive-descent parser; the depth limit bounds its recursion.
struct JSONParser {
    struct Failure: Error {
        let offset: Int
        let message: String
    }

    let bytes: [UInt8]
    private let repeatedNames: JSON.RepeatedNames
    private var index = 0
    private var depth = 0

    init(bytes: [UInt8], repeatedNames: JSON.RepeatedNames) {
        self.bytes = bytes
        self.repeatedNames = repeatedNames
    }

    mutating func document() throws(Failure) -> JSONValue {
        if let offset = UTF8Check.firstInvalidByte(in: bytes) {
            throw Failure(offset: offset, message: "this byte is not UTF-8")
        }
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            throw failure("a byte order mark is not allowed here")
        }
        skipWhitespace()
        let result = try value()
        skipWhitespace()
        guard index == bytes.count else {
            throw failure("expected the end of the text, found \(found)")
        }
        return result
    }

    /// Tells line and column of a byte, both from 1.
    func position(of offset: Int) -> (line: Int, column: Int) {
        let before = bytes.prefix(offset)
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        // Continuation bytes are not characters of their own.
        let column = before[start...].count { $0 & 0xC0 != 0x80 } + 1
        return (line, column)
    }

    private var found: String {
        guard index < bytes.count else { return "the end of the text" }
        guard let scalar = String(decoding: bytes[index...].prefix(4), as: UTF8.self).first else {
            return "nothing"
        }
        return Escaping.quoted(String(scalar))
    }

    private func failure(_ message: String) -> Failure { Failure(offset: index, message: message) }

    private var current: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipWhitespace() {
        while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            index += 1
        }
    }

    private mutating func value() throws(Failure) -> JSONValue {
        switch current {
        case UInt8(ascii: "{"): return .object(try nested { p throws(Failure) in try p.object() })
        case UInt8(ascii: "["): return .array(try nested { p throws(Failure) in try p.array() })
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), .some(0x30...0x39): return .number(try number())
        default: throw failure("expected a value, found \(found)")
        }
    }

    private mutating func nested<T>(_ body: (inout JSONParser) throws(Failure) -> T) throws(Failure)
        -> T
    {
        guard depth < JSON.depthMax else {
            throw failure("more than \(JSON.depthMax) arrays and objects inside each other")
        }
        depth += 1
        let result = try body(&self)
        depth -= 1
        return result
    }

    private mutating func word(_ text: String, _ value: JSONValue) throws(Failure) -> JSONValue {
        guard bytes[index...].starts(with: text.utf8) else {
            throw failure("expected a value, found \(found)")
        }
        index += text.utf8.count
        return value
    }

    private mutating func object() throws(Failure) -> JSONObject {
        index += 1
        var result = JSONObject()
        skipWhitespace()
        if take(UInt8(ascii: "}")) { return result }
        while true {
            guard current == UInt8(ascii: "\"") else {
                throw failure("expected a name in double quotes, found \(found)")
            }
            let start = index
            let key = try string()
            guard result[key] == nil || repeatedNames == .lastCounts else {
                throw Failure(
                    offset: start, message: "the name \(Escaping.quoted(key)) appears twice")
            }
            skipWhitespace()
            guard take(UInt8(ascii: ":")) else { throw failure("expected a colon, found \(found)") }
            skipWhitespace()
            result[key] = try value()
            skipWhitespace()
            if take(UInt8(ascii: "}")) { return result }
            guard take(UInt8(ascii: ",")) else {
                throw failure("expected a comma or \"}\", found \(found)")
            }
            skipWhitespace()
        }
    }

    private mutating func array() throws(Failure) -> [JSONValue] {
        index += 1
        var result: [JSONValue] = []
        skipWhitespace()
        if take(UInt8(ascii: "]")) { return result }
        while true {
            result.append(try value())
            skipWhitespace()
            if take(UInt8(ascii: "]")) { return result }
            guard take(UInt8(ascii: ",")) else {
                throw failure("expected a comma or \"]\", found \(found)")
            }
            skipWhitespace()
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard current == byte else { return false }
        index += 1
        return true
    }

    private mutating func number() throws(Failure) -> JSONNumber {
        let start = index
        _ = take(UInt8(ascii: "-"))
        if take(UInt8(ascii: "0")) {
            if case .some(0x30...0x39) = current { throw failure("a number has no leading zeros") }
        } else {
            try digits()
        }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        return JSONNumber(validated: String(decoding: bytes[start..<index], as: UTF8.self))
    }

    private mutating func digits() throws(Failure) {
        guard case .some(0x30...0x39) = current else {
            throw failure("expected a digit, found \(found)")
        }
        while case .some(0x30...0x39) = current { index += 1 }
    }

    private mutating func string() throws(Failure) -> String {
        index += 1
        var result: [UInt8] = []
        while true {
            let start = index
            while let byte = current, byte >= 0x20, byte != UInt8(ascii: "\""),
                byte != UInt8(ascii: "\\")
            {
                index += 1
            }
            result.append(contentsOf: bytes[start..<index])
            switch current {
            case UInt8(ascii: "\""):
                index += 1
                return String(decoding: result, as: UTF8.self)
            case UInt8(ascii: "\\"):
                result.append(contentsOf: String(try escape()).utf8)
            case nil:
                throw failure("the string does not end")
            default:
                throw failure("a control character in a string must be written as an escape")
            }
        }
    }

    private mutating func escape() throws(Failure) -> Unicode.Scalar {
        let start = index
        index += 1
        guard let byte = current else { throw failure("the string does not end") }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let unit = try hex()
            if let scalar = Unicode.Scalar(UInt32(unit)) { return scalar }
            // Section 7: a character outside the basic plane is a pair of surrogates.
            if unit < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
                let low = try hex()
                if (0xDC00...0xDFFF).contains(low),
                    let scalar = Unicode.Scalar(
                        0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(low) - 0xDC00))
                {
                    return scalar
                }
            }
            throw Failure(offset: start, message: "half a surrogate pair is not a character")
        default:
            throw Failure(offset: start, message: "there is no such escape")
        }
    }

    private mutating func hex() throws(Failure) -> UInt16 {
        var result: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = current.flatMap(HexDigit.value) else {
                throw failure("expected four hex digits, found \(found)")
            }
            result = result << 4 | UInt16(digit)
            index += 1
        }
        return result
    }
}
