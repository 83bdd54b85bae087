/// What a plugin's configuration may be: a JSON Schema out of its manifest.
///
/// - Shape: a subset of JSON Schema 2020-12, `keywords`; everything else is refused, so that no
///   rule is written that nobody checks. Two extensions of meaning: `default` is applied, also
///   inside objects that are not there, and what is `writeOnly` is never shown.
/// - Source: JSON Schema 2020-12 core and validation.
public struct ConfigurationSchema: Hashable, Sendable {
    /// The schema as it was written.
    public let json: JSONValue
    let root: SchemaNode

    public static func == (left: ConfigurationSchema, right: ConfigurationSchema) -> Bool {
        left.json == right.json
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(json) }

    /// Every keyword that is known.
    public static let keywords = [
        "type", "enum", "const", "properties", "required", "additionalProperties",
        "minProperties", "maxProperties", "items", "minItems", "maxItems", "uniqueItems",
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
        "maxLength", "pattern", "format", "anyOf", "oneOf", "allOf", "not", "default",
        "writeOnly", "title", "description", "examples", "$schema", "$comment",
    ]

    /// Reads a schema, with every objection; nil when there is one.
    ///
    /// - Parameter path: where the schema stands in its document, as a JSON pointer.
    public static func read(
        _ json: JSONValue, at path: String = ""
    ) -> (schema: ConfigurationSchema?, objections: [ManifestObjection]) {
        var reader = SchemaReader()
        let root = reader.schema(json, at: path)
        guard reader.objections.isEmpty, let root else { return (nil, reader.objections) }
        return (ConfigurationSchema(json: json, root: root), [])
    }

    /// The values that it gives where nothing else does.
    public var defaults: JSONValue? { root.defaults }

    /// What is asked of the value that a pointer points to; nil when nothing is.
    func node(at pointer: JSONPointer) -> SchemaNode? {
        var node = root
        for step in pointer.steps {
            guard let next = node.child(step) else { return nil }
            node = next
        }
        return node
    }

    /// Whether the value there, or one around it, is never shown.
    public func isSecret(_ pointer: JSONPointer) -> Bool {
        (0...pointer.steps.count).contains { count in
            node(at: JSONPointer(Array(pointer.steps.prefix(count))))?.isSecret == true
        }
    }

    /// Whether a text is possible there; nil when nothing is said about it.
    public func takesText(_ pointer: JSONPointer) -> Bool? {
        node(at: pointer)?.types.map { $0.contains(.string) }
    }

    /// The names that it gives to members of the object there.
    func names(in pointer: JSONPointer) -> [String] {
        node(at: pointer)?.properties.map(\.name) ?? []
    }
}

/// A schema or a part of one: all of its rules hold.
struct SchemaNode: Sendable {
    struct Property: Sendable {
        let name: String
        let node: SchemaNode
    }

    var rules: [SchemaRule] = []
    var properties: [Property] = []
    var defaultValue: JSONValue?
    var isSecret = false

    /// The types that are possible, if any are named.
    var types: [SchemaType]? {
        for rule in rules {
            if case .types(let types) = rule { return types }
        }
        return nil
    }

    /// What is asked of a member or an element, as far as it does not depend on the value.
    func child(_ step: String) -> SchemaNode? {
        if let property = properties.first(where: { $0.name == step }) { return property.node }
        for rule in rules {
            switch rule {
            case .additional(let node): return node
            case .items(let node) where Int(step) != nil: return node
            default: break
            }
        }
        return nil
    }

    var defaults: JSONValue? {
        var result = JSONObject()
        for property in properties {
            if let value = property.node.defaults { result[property.name] = value }
        }
        guard let own = defaultValue else { return result.count > 0 ? .object(result) : nil }
        guard let members = own.object else { return own }
        for (key, value) in members.members { result[key] = value }
        return .object(result)
    }
}

/// One thing that a schema asks for.
indirect enum SchemaRule: Sendable {
    case never
    case types([SchemaType])
    case choices([JSONValue])
    case required([String])
    /// What members that are not named have to be.
    case additional(SchemaNode)
    case items(SchemaNode)
    case uniqueItems
    /// How many characters, elements or members there are.
    case size(SchemaSize, least: Int?, most: Int?)
    case range(SchemaBound, ExactNumber, text: String)
    case multiple(ExactNumber, text: String)
    case pattern(SchemaPattern, text: String)
    case format(SchemaFormat)
    case all([SchemaNode])
    case any([SchemaNode])
    case one([SchemaNode])
    case not(SchemaNode)
}

enum SchemaType: String, CaseIterable, Sendable {
    case null, boolean, object, array, number, string, integer

    /// In words for an error message.
    var noun: String {
        switch self {
        case .null: "null"
        case .boolean: "true or false"
        case .object: "an object"
        case .array: "an array"
        case .number: "a number"
        case .string: "a string"
        case .integer: "a whole number"
        }
    }

    func includes(_ value: JSONValue) -> Bool {
        switch (self, value) {
        case (.null, .null), (.boolean, .bool), (.object, .object), (.array, .array),
            (.number, .number), (.string, .string):
            true
        case (.integer, .number(let number)): ExactNumber(number).isInteger
        default: false
        }
    }
}

enum SchemaSize: Sendable {
    case characters, elements, members

    func count(_ value: JSONValue) -> Int? {
        switch (self, value) {
        case (.characters, .string(let text)): text.unicodeScalars.count
        case (.elements, .array(let elements)): elements.count
        case (.members, .object(let members)): members.count
        default: nil
        }
    }

    var noun: String {
        switch self {
        case .characters: "character"
        case .elements: "element"
        case .members: "member"
        }
    }
}

enum SchemaBound: Sendable {
    case atLeast, atMost, moreThan, lessThan

    func holds(_ value: ExactNumber, _ bound: ExactNumber) -> Bool {
        switch self {
        case .atLeast: value >= bound
        case .atMost: value <= bound
        case .moreThan: value > bound
        case .lessThan: value < bound
        }
    }

    var words: String {
        switch self {
        case .atLeast: "at least"
        case .atMost: "at most"
        case .moreThan: "more than"
        case .lessThan: "less than"
        }
    }
}
