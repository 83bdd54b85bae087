/// Reads a schema and gathers objections; a rule that is wrong is left out and the walk goes on.
struct SchemaReader {
    var objections: [ManifestObjection] = []

    private mutating func refuse(_ path: String, _ what: String, _ cure: String) {
        objections.append(ManifestObjection(path: path, what: what, cure: cure))
    }

    mutating func schema(_ json: JSONValue, at path: String) -> SchemaNode? {
        if let truth = json.bool { return SchemaNode(rules: truth ? [] : [.never]) }
        guard let members = json.object else {
            refuse(path, "this is \(json.kind)", "a schema is an object, or true or false")
            return nil
        }
        var node = SchemaNode()
        // Properties first: what goes for the others depends on them.
        if let value = members["properties"] { properties(value, at: path + "/properties", &node) }
        for (key, value) in members.members where key != "properties" {
            rule(key, value, at: path + "/" + ManifestReader.pointer(key), &node)
        }
        return node
    }

    private mutating func properties(_ value: JSONValue, at path: String, _ node: inout SchemaNode)
    {
        guard let members = value.object else {
            return refuse(path, "this is \(value.kind)", "it must be an object of schemas")
        }
        for (name, value) in members.members {
            if let child = schema(value, at: path + "/" + ManifestReader.pointer(name)) {
                node.properties.append(SchemaNode.Property(name: name, node: child))
            }
        }
    }

    private mutating func rule(
        _ key: String, _ value: JSONValue, at path: String, _ node: inout SchemaNode
    ) {
        switch key {
        case "type": types(value, at: path).map { node.rules.append(.types($0)) }
        case "enum":
            array(value, at: path, "one or more values").map { node.rules.append(.choices($0)) }
        case "const": node.rules.append(.choices([value]))
        case "required": names(value, at: path).map { node.rules.append(.required($0)) }
        case "additionalProperties":
            schema(value, at: path).map { node.rules.append(.additional($0)) }
        case "items": schema(value, at: path).map { node.rules.append(.items($0)) }
        case "uniqueItems": if truth(value, at: path) { node.rules.append(.uniqueItems) }
        case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
            size(key, value, at: path).map { node.rules.append($0) }
        case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
            number(key, value, at: path).map { node.rules.append($0) }
        case "pattern": pattern(value, at: path).map { node.rules.append($0) }
        case "format": format(value, at: path).map { node.rules.append($0) }
        case "allOf": schemas(value, at: path).map { node.rules.append(.all($0)) }
        case "anyOf": schemas(value, at: path).map { node.rules.append(.any($0)) }
        case "oneOf": schemas(value, at: path).map { node.rules.append(.one($0)) }
        case "not": schema(value, at: path).map { node.rules.append(.not($0)) }
        case "default": node.defaultValue = value
        case "writeOnly": node.isSecret = truth(value, at: path)
        case "title", "description", "$schema", "$comment":
            if value.string == nil { refuse(path, "this is \(value.kind)", "write a text") }
        case "examples": _ = array(value, at: path, "an array of values")
        default: unknown(key, at: path)
        }
    }

    private mutating func unknown(_ key: String, at path: String) {
        let known = ConfigurationSchema.keywords
        refuse(
            path, "this keyword of JSON Schema is not known here",
            Spelling.nearest(to: key, among: known).map { "did you mean \"\($0)\"?" }
                ?? "known are: \(known.joined(separator: ", "))")
    }

    private mutating func types(_ value: JSONValue, at path: String) -> [SchemaType]? {
        let names = value.array ?? [value]
        let types = names.compactMap { $0.string.flatMap(SchemaType.init) }
        guard !types.isEmpty, types.count == names.count else {
            let all = SchemaType.allCases.map(\.rawValue).joined(separator: ", ")
            refuse(path, "this is no type", "write one of \(all), or several in an array")
            return nil
        }
        return types
    }

    private mutating func array(
        _ value: JSONValue, at path: String, _ shape: String
    ) -> [JSONValue]? {
        guard let elements = value.array, !elements.isEmpty else {
            refuse(path, value.array == nil ? "this is \(value.kind)" : "it is empty", shape)
            return nil
        }
        return elements
    }

    private mutating func names(_ value: JSONValue, at path: String) -> [String]? {
        guard let elements = value.array, elements.allSatisfy({ $0.string != nil }) else {
            refuse(path, "this is no list of names", "write an array of strings")
            return nil
        }
        return elements.compactMap(\.string)
    }

    private mutating func truth(_ value: JSONValue, at path: String) -> Bool {
        if value.bool == nil { refuse(path, "this is \(value.kind)", "write true or false") }
        return value.bool ?? false
    }

    private mutating func schemas(_ value: JSONValue, at path: String) -> [SchemaNode]? {
        guard let elements = array(value, at: path, "it must be an array of schemas") else {
            return nil
        }
        var result: [SchemaNode] = []
        for (index, element) in elements.enumerated() {
            if let node = schema(element, at: path + "/\(index)") { result.append(node) }
        }
        return result
    }

    private mutating func size(_ key: String, _ value: JSONValue, at path: String) -> SchemaRule? {
        guard let count = value.number.flatMap({ ExactNumber($0).count(max: 1 << 40) }) else {
            refuse(path, "this is no number of things", "write a whole number from 0")
            return nil
        }
        let size: SchemaSize =
            key.hasSuffix("Items") ? .elements : key.hasSuffix("Length") ? .characters : .members
        return key.hasPrefix("min")
            ? .size(size, least: count, most: nil) : .size(size, least: nil, most: count)
    }

    private mutating func number(
        _ key: String, _ value: JSONValue, at path: String
    ) -> SchemaRule? {
        guard let number = value.number else {
            refuse(path, "this is \(value.kind)", "write a number")
            return nil
        }
        let exact = ExactNumber(number)
        switch key {
        case "minimum": return .range(.atLeast, exact, text: number.text)
        case "maximum": return .range(.atMost, exact, text: number.text)
        case "exclusiveMinimum": return .range(.moreThan, exact, text: number.text)
        case "exclusiveMaximum": return .range(.lessThan, exact, text: number.text)
        default:
            guard exact.isDivisor else {
                refuse(
                    path, "\(number.text) cannot be divided by",
                    "write a number above 0 with at most 18 digits")
                return nil
            }
            return .multiple(exact, text: number.text)
        }
    }

    private mutating func pattern(_ value: JSONValue, at path: String) -> SchemaRule? {
        guard let text = value.string else {
            refuse(path, "this is \(value.kind)", "write a regular expression")
            return nil
        }
        do throws(SchemaPattern.Failure) {
            return .pattern(try SchemaPattern(text), text: text)
        } catch {
            refuse(
                path, "\(Escaping.quoted(text)) is not a regular expression that is known here",
                error.message)
            return nil
        }
    }

    private mutating func format(_ value: JSONValue, at path: String) -> SchemaRule? {
        if let format = value.string.flatMap(SchemaFormat.init) { return .format(format) }
        let known = SchemaFormat.allCases.map(\.rawValue).joined(separator: ", ")
        refuse(path, "this format is not known here", "known are: \(known)")
        return nil
    }
}
