/// The way to a value inside a JSON document.
///
/// - Shape: empty for the whole document, else `/` and a name or an index for each step; `~` and
///   `/` inside a name are written `~0` and `~1`.
/// - Source: RFC 6901.
public struct JSONPointer: Hashable, Sendable, CustomStringConvertible {
    /// The names on the way, from the outside.
    public var steps: [String]

    public init(_ steps: [String] = []) { self.steps = steps }

    /// Reads a pointer; nil when it neither is empty nor begins with a slash, or has a `~` that
    /// stands for nothing.
    public init?(parsing text: String) {
        steps = []
        if text.isEmpty { return }
        guard text.hasPrefix("/") else { return nil }
        for part in text.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            guard let step = Self.unescape(part) else { return nil }
            steps.append(step)
        }
    }

    private static func unescape(_ part: Substring) -> String? {
        var result = ""
        var isEscape = false
        for scalar in part.unicodeScalars {
            switch (isEscape, scalar) {
            case (true, "0"): result += "~"
            case (true, "1"): result += "/"
            case (true, _): return nil
            case (false, "~"): break
            case (false, _): result.unicodeScalars.append(scalar)
            }
            isEscape = !isEscape && scalar == "~"
        }
        return isEscape ? nil : result
    }

    /// The pointer to a member or an element of what this one points to.
    public func appending(_ step: String) -> JSONPointer { JSONPointer(steps + [step]) }

    /// Whether what this points to is `other`'s value or lies inside it.
    public func isWithin(_ other: JSONPointer) -> Bool { steps.starts(with: other.steps) }

    public var description: String {
        steps.map { "/" + ManifestReader.pointer($0) }.joined()
    }
}

extension JSONValue {
    /// What the pointer points to; nil when there is nothing.
    public subscript(pointer: JSONPointer) -> JSONValue? {
        var value = self
        for step in pointer.steps {
            switch value {
            case .object(let members):
                guard let member = members[step] else { return nil }
                value = member
            case .array(let elements):
                guard let index = Int(step), String(index) == step, elements.indices.contains(index)
                else { return nil }
                value = elements[index]
            default: return nil
            }
        }
        return value
    }
}
