/// A configuration put together from its layers, with the origin of each value.
///
/// Objects merge member by member; every other value replaces what was there, arrays as well; null
/// takes the member away. A reference to a secret is one value.
/// - Source: RFC 7396 for the merging.
public struct ConfigurationDocument: Hashable, Sendable {
    /// A value that is no object with members, and where it comes from.
    public struct Entry: Hashable, Sendable {
        public var pointer: JSONPointer
        public var value: JSONValue
        public var origin: ConfigurationOrigin
    }

    /// The values, in the order in which they first appeared.
    public let entries: [Entry]
    /// All of it; always an object.
    public let json: JSONValue

    /// Merges layers; a later one goes before an earlier one.
    public init(_ layers: some Sequence<ConfigurationLayer>) {
        var root = Members()
        for layer in layers { root.merge(layer.values, layer.origin) }
        var entries: [Entry] = []
        root.list(at: JSONPointer(), into: &entries)
        self.entries = entries
        json = root.json
    }

    /// The references to secrets, and what is wrong with those that are none.
    public var secrets:
        (references: [(JSONPointer, SecretReference)], objections: [ManifestObjection])
    {
        var references: [(JSONPointer, SecretReference)] = []
        var objections: [ManifestObjection] = []
        for entry in entries where SecretReference.isMeant(by: entry.value) {
            if let reference = SecretReference(entry.value) {
                references.append((entry.pointer, reference))
            } else {
                objections.append(SecretReference.objection(at: entry.pointer))
            }
        }
        return (references, objections)
    }

    /// The document with other values in the places of some.
    public func replacing(_ values: [JSONPointer: JSONValue]) -> JSONValue {
        var root = Members()
        for entry in entries {
            root.set(
                values[entry.pointer] ?? entry.value, entry.origin, at: entry.pointer.steps[...])
        }
        return root.json
    }

    private indirect enum Node {
        case value(JSONValue, ConfigurationOrigin)
        case members(Members)
    }

    private struct Members {
        private var names: [String] = []
        private var nodes: [String: Node] = [:]
        /// Where the object itself comes from, for one without members.
        var origin = ConfigurationOrigin.schema

        private mutating func put(_ node: Node?, _ name: String) {
            if nodes.updateValue(node, for: name) == nil, node != nil { names.append(name) }
            if node == nil { names.removeAll { $0 == name } }
        }

        mutating func merge(_ values: JSONObject, _ origin: ConfigurationOrigin) {
            for (name, value) in values.members {
                switch value {
                case .null: put(nil, name)
                case .object(let inner) where !SecretReference.isMeant(by: value):
                    var members = Members()
                    members.origin = origin
                    if case .members(let former)? = nodes[name] { members = former }
                    members.merge(inner, origin)
                    put(.members(members), name)
                default: put(.value(value, origin), name)
                }
            }
        }

        mutating func set(
            _ value: JSONValue, _ origin: ConfigurationOrigin, at steps: ArraySlice<String>
        ) {
            guard let name = steps.first else { return }
            if steps.count == 1 { return put(.value(value, origin), name) }
            var members = Members()
            if case .members(let former)? = nodes[name] { members = former }
            members.set(value, origin, at: steps.dropFirst())
            put(.members(members), name)
        }

        func list(at pointer: JSONPointer, into entries: inout [Entry]) {
            for name in names {
                let pointer = pointer.appending(name)
                switch nodes[name] {
                case .value(let value, let origin):
                    entries.append(Entry(pointer: pointer, value: value, origin: origin))
                case .members(let members) where members.names.isEmpty:
                    entries.append(Entry(pointer: pointer, value: [:], origin: members.origin))
                case .members(let members): members.list(at: pointer, into: &entries)
                case nil: break
                }
            }
        }

        var json: JSONValue {
            .object(
                JSONObject(
                    names.compactMap { name -> (String, JSONValue)? in
                        switch nodes[name] {
                        case .value(let value, _): (name, value)
                        case .members(let members): (name, members.json)
                        case nil: nil
                        }
                    }))
        }
    }
}

extension Dictionary {
    /// Sets or removes a value, and returns the one before.
    fileprivate mutating func updateValue(_ value: Value?, for key: Key) -> Value? {
        guard let value else { return removeValue(forKey: key) }
        return updateValue(value, forKey: key)
    }
}
