/// Reads the fields of an object that this product wrote itself, and names the one that is not
/// there.
struct FieldReader {
    private let value: JSONValue
    private let subject: String

    init(_ value: JSONValue, of subject: String) {
        self.value = value
        self.subject = subject
    }

    func text(_ key: String) throws(HostError) -> String {
        guard let text = value[key]?.string else { throw missing(key, "a text") }
        return text
    }

    func textOrNull(_ key: String) throws(HostError) -> String? {
        if case .null? = value[key] { return nil }
        return try text(key)
    }

    func integer(_ key: String) throws(HostError) -> Int {
        guard let integer = value[key]?.integer, let result = Int(exactly: integer) else {
            throw missing(key, "a whole number")
        }
        return result
    }

    func truth(_ key: String) throws(HostError) -> Bool {
        guard let truth = value[key]?.bool else { throw missing(key, "true or false") }
        return truth
    }

    func texts(_ key: String) throws(HostError) -> [String] {
        guard let elements = value[key]?.array else { throw missing(key, "an array of texts") }
        let texts = elements.compactMap(\.string)
        guard texts.count == elements.count else { throw missing(key, "an array of texts") }
        return texts
    }

    func integers(_ key: String) throws(HostError) -> [Int] {
        guard let elements = value[key]?.array else {
            throw missing(key, "an array of whole numbers")
        }
        let numbers = elements.compactMap { $0.integer.flatMap { Int(exactly: $0) } }
        guard numbers.count == elements.count else {
            throw missing(key, "an array of whole numbers")
        }
        return numbers
    }

    func choice<Choice: RawRepresentable<String>>(_ key: String) throws(HostError) -> Choice {
        guard let choice = Choice(rawValue: try text(key)) else {
            throw missing(key, "one of the known values")
        }
        return choice
    }

    func version(_ key: String) throws(HostError) -> SemanticVersion {
        guard let version = SemanticVersion(try text(key)) else { throw missing(key, "a version") }
        return version
    }

    func digest(_ key: String) throws(HostError) -> Digest {
        guard let digest = Digest(hex: try text(key)) else { throw missing(key, "a SHA-256") }
        return digest
    }

    private func missing(_ key: String, _ shape: String) -> HostError {
        HostError(
            "record_unreadable", what: "a stored record was not understood", subject: subject,
            why: "\"\(key)\" is not \(shape)",
            fix: "it was written by another version of this host, or the file is damaged")
    }
}
