extension JSONValue {
    /// How JSON is laid out when it is written.
    public enum Layout: Sendable {
        /// On one line, without spaces.
        case compact
        /// One member or element a line, indented by two spaces, ending in a newline.
        case pretty
    }

    /// Writes the value as text.
    ///
    /// Members come in the order in which they were added, or by name when `sortedKeys` is set;
    /// either way the same value gives the same text each time.
    public func text(_ layout: Layout = .compact, sortedKeys: Bool = false) -> String {
        var writer = JSONWriter(layout: layout, sortedKeys: sortedKeys)
        writer.write(self, depth: 0)
        if layout == .pretty { writer.output += "\n" }
        return writer.output
    }
}

/// Collects the text.
private struct JSONWriter {
    let layout: JSONValue.Layout
    let sortedKeys: Bool
    var output = ""

    init(layout: JSONValue.Layout, sortedKeys: Bool) {
        self.layout = layout
        self.sortedKeys = sortedKeys
    }

    mutating func write(_ value: JSONValue, depth: Int) {
        switch value {
        case .null: output += "null"
        case .bool(let value): output += value ? "true" : "false"
        case .number(let value): output += value.text
        case .string(let value): write(value)
        case .array(let elements):
            list("[", "]", elements, depth: depth) { writer, element in
                writer.write(element, depth: depth + 1)
            }
        case .object(let object):
            let members =
                sortedKeys ? object.members.sorted { $0.key < $1.key } : object.members
            list("{", "}", members, depth: depth) { writer, member in
                writer.write(member.key)
                writer.output += writer.layout == .pretty ? ": " : ":"
                writer.write(member.value, depth: depth + 1)
            }
        }
    }

    private mutating func list<Element>(
        _ open: String, _ close: String, _ elements: [Element], depth: Int,
        each: (inout JSONWriter, Element) -> Void
    ) {
        output += open
        for (index, element) in elements.enumerated() {
            if index > 0 { output += "," }
            breakLine(depth: depth + 1)
            each(&self, element)
        }
        if !elements.isEmpty { breakLine(depth: depth) }
        output += close
    }

    private mutating func breakLine(depth: Int) {
        guard layout == .pretty else { return }
        output += "\n" + String(repeating: "  ", count: depth)
    }

    private mutating func write(_ text: String) {
        output += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case "\r": output += "\\r"
            case "\t": output += "\\t"
            case "\u{0}"..."\u{1F}", "\u{7F}", "\u{2028}", "\u{2029}":
                let hex = String(scalar.value, radix: 16)
                output += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: output.unicodeScalars.append(scalar)
            }
        }
        output += "\""
    }
}
