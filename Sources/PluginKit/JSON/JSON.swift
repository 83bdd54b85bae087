/// A JSON value, for documents that are small enough to build in memory.
///
/// It can be written as Swift literals: `["id": 7, "tags": ["a", "b"], "done": false]`. Objects
/// keep the order of their members.
///
/// - Source: RFC 8259.
public enum JSON: Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    /// A member of an object.
    public struct Member: Sendable {
        /// The name.
        public let name: String
        /// The value.
        public let value: JSON

        /// Makes a member.
        public init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }

    /// The member of that name, the last one if there are several; nil when there is none.
    public subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        for member in members.reversed() where sameText(member.name, name) { return member.value }
        return nil
    }

    /// The element at that position; nil when there is none.
    public subscript(index: Int) -> JSON? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// The text; nil for everything else.
    public var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The whole number; nil for everything else.
    public var integer: Int? {
        switch self {
        case .integer(let number): number
        case .number(let number): Int(exactly: number)
        default: nil
        }
    }

    /// The number; nil for everything else.
    public var number: Double? {
        switch self {
        case .integer(let number): Double(number)
        case .number(let number): number
        default: nil
        }
    }

    /// The truth value; nil for everything else.
    public var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The elements; nil for everything else.
    public var array: [JSON]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The members; nil for everything else.
    public var object: [Member]? {
        if case .object(let members) = self { members } else { nil }
    }

    /// The document, as short as it can be.
    public var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.output.reserveCapacity(256)
        writer.write(self)
        return writer.output
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
    ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(nilLiteral: ()) { self = .null }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(elements.map { Member($0.0, $0.1) })
    }
}

extension JSON {
    /// Reads a document.
    ///
    /// - Throws: `JSONError` with what was expected, and at which byte.
    public init(parsing text: String) throws(JSONError) {
        var copy = text
        let result: Result<JSON, JSONError> = copy.withUTF8 { bytes in
            var parser = unsafe JSONParser(bytes)
            do throws(JSONError) {
                return .success(try parser.document())
            } catch {
                return .failure(error)
            }
        }
        self = try result.get()
    }
}

/// Whether two texts are the same, byte by byte: without the tables that comparing by canonical
/// equivalence needs, which Embedded Swift would have to link.
func sameText(_ left: String, _ right: String) -> Bool {
    left.utf8.count == right.utf8.count && left.utf8.elementsEqual(right.utf8)
}
