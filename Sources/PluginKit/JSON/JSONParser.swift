import CPluginKit

/// Why a text is not JSON.
public struct JSONError: Error, Sendable {
    /// What was expected.
    public let expected: StaticString
    /// Where it was expected.
    ///
    /// - Units: bytes from the beginning of the text.
    public let offset: Int

    var message: String { "the body is not JSON: byte \(offset): expected \(expected)" }
}

/// Reads JSON from memory.
///
/// - Source: RFC 8259. Text that is not UTF-8, lone surrogates, more than 64 levels, and anything
///   after the document are refused.
@safe
struct JSONParser {
    static var depthMax: Int { 64 }

    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0
    private var depth = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        unsafe self.bytes = bytes
    }

    mutating func document() throws(JSONError) -> JSON {
        let value = try value()
        skipSpace()
        guard unsafe position == bytes.count else { throw expected("the end of the document") }
        return value
    }

    private func expected(_ what: StaticString) -> JSONError {
        JSONError(expected: what, offset: position)
    }

    private var current: UInt8? {
        unsafe position < bytes.count ? unsafe bytes[position] : nil
    }

    private mutating func skipSpace() {
        while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            position += 1
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard current == byte else { return false }
        position += 1
        return true
    }

    private mutating func value() throws(JSONError) -> JSON {
        skipSpace()
        guard let byte = current else { throw expected("a value") }
        switch byte {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"):
            try word("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try word("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try word("null")
            return .null
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw expected("a value")
        }
    }

    private mutating func word(_ word: StaticString) throws(JSONError) {
        let end = position + word.utf8CodeUnitCount
        guard unsafe end <= bytes.count else { throw expected(word) }
        let slice = unsafe UnsafeBufferPointer(rebasing: bytes[position..<end])
        guard unsafe equalBytes(slice, word.utf8Start, count: slice.count) else {
            throw expected(word)
        }
        position = end
    }

    private mutating func descend() throws(JSONError) {
        depth += 1
        guard depth <= Self.depthMax else { throw expected("at most 64 levels") }
        position += 1
        skipSpace()
    }

    private mutating func array() throws(JSONError) -> JSON {
        try descend()
        defer { depth -= 1 }
        var elements: [JSON] = []
        if take(UInt8(ascii: "]")) { return .array(elements) }
        while true {
            elements.append(try value())
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            guard take(UInt8(ascii: ",")) else { throw expected("\",\" or \"]\"") }
        }
    }

    private mutating func object() throws(JSONError) -> JSON {
        try descend()
        defer { depth -= 1 }
        var members: [JSON.Member] = []
        if take(UInt8(ascii: "}")) { return .object(members) }
        while true {
            skipSpace()
            guard current == UInt8(ascii: "\"") else { throw expected("a name in quotes") }
            let name = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw expected("\":\"") }
            members.append(JSON.Member(name, try value()))
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw expected("\",\" or \"}\"") }
        }
    }

    private mutating func digits() throws(JSONError) {
        let start = position
        while let byte = current, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
            position += 1
        }
        guard position > start else { throw expected("a digit") }
    }

    private mutating func number() throws(JSONError) -> JSON {
        let start = position
        var whole = true
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) {
            whole = false
            try digits()
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            whole = false
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        let text = unsafe UnsafeBufferPointer(rebasing: bytes[start..<position])
        if whole, let integer = unsafe decimal(text) { return .integer(integer) }
        let double = unsafe text.withMemoryRebound(to: CChar.self) { text in
            unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { copy in
                _ = unsafe copy.initialize(from: text)
                unsafe copy[text.count] = 0
                return unsafe copy.baseAddress.map { unsafe ph_kit_read_number($0) } ?? 0
            }
        }
        guard double.isFinite else { throw expected("a number that fits") }
        return .number(double)
    }

    private mutating func string() throws(JSONError) -> String {
        position += 1
        var output: [UInt8] = []
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                guard let text = String(validating: output, as: UTF8.self) else {
                    throw expected("text in UTF-8 before this")
                }
                return text
            case UInt8(ascii: "\\"):
                position += 1
                try escape(into: &output)
            case 0..<0x20: throw expected("no control character in text")
            default:
                output.append(byte)
                position += 1
            }
        }
        throw expected("a closing quote")
    }

    private mutating func escape(into output: inout [UInt8]) throws(JSONError) {
        guard let byte = current else { throw expected("an escape") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): output.append(byte)
        case UInt8(ascii: "b"): output.append(0x08)
        case UInt8(ascii: "f"): output.append(0x0C)
        case UInt8(ascii: "n"): output.append(0x0A)
        case UInt8(ascii: "r"): output.append(0x0D)
        case UInt8(ascii: "t"): output.append(0x09)
        case UInt8(ascii: "u"):
            let first = try codeUnit()
            var code = UInt32(first)
            if first >= 0xD800, first < 0xDC00 {
                guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
                    throw expected("the second half of a surrogate pair")
                }
                let second = try codeUnit()
                guard second >= 0xDC00, second < 0xE000 else {
                    throw expected("the second half of a surrogate pair")
                }
                code = 0x10000 + (UInt32(first - 0xD800) << 10) + UInt32(second - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else {
                throw expected("the first half of a surrogate pair")
            }
            output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        default: throw expected("an escape")
        }
    }

    private mutating func codeUnit() throws(JSONError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = current, let digit = hexDigit(byte) else {
                throw expected("four hexadecimal digits")
            }
            unit = unit << 4 | UInt16(digit)
            position += 1
        }
        return unit
    }
}
