/// The members of a JSON object, in the order in which they were written.
///
/// Order is kept so that a file that is read, changed and written again still looks like its
/// author's; it does not count when two objects are compared. Names that Unicode holds to be equal
/// (composed and decomposed accents) are one name here.
public struct JSONObject: Sendable, ExpressibleByDictionaryLiteral {
    /// The names, in order.
    public private(set) var keys: [String]
    private var values: [String: JSONValue]

    /// Makes an object without members.
    public init() {
        keys = []
        values = [:]
    }

    /// Makes an object from members in order; of several with the same name the last one counts.
    public init(_ members: some Sequence<(String, JSONValue)>) {
        self.init()
        for (key, value) in members { self[key] = value }
    }

    public init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }

    /// How many members there are.
    public var count: Int { keys.count }

    /// The members, in order.
    public var members: [(key: String, value: JSONValue)] {
        keys.compactMap { key in values[key].map { (key, $0) } }
    }

    /// The member of that name; setting a new one puts it at the end, setting nil removes it.
    public subscript(key: String) -> JSONValue? {
        get { values[key] }
        set {
            let old = values.updateValue(newValue, forKey: key)
            switch (old, newValue) {
            case (nil, .some): keys.append(key)
            case (.some, nil): keys.removeAll { $0 == key }
            default: break
            }
        }
    }
}

extension JSONObject: Hashable {
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.values == right.values
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(values) }
}

extension [String: JSONValue] {
    /// Sets or removes the value and returns the one before.
    fileprivate mutating func updateValue(_ value: JSONValue?, forKey key: String) -> JSONValue? {
        guard let value else { return removeValue(forKey: key) }
        return updateValue(value, forKey: key)
    }
}
