/// Makes text from outside safe to print on one line of a terminal or a log.
public enum Escaping {
    /// Returns the text with control characters, and the marks that reorder a line, written as
    /// escapes.
    ///
    /// - Shape: `\n`, `\r`, `\t`; any other such character becomes `\u{HEX}`.
    public static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isUnprintable) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where isUnprintable(scalar):
                result += "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Returns the text printable, in quotes and at most `charactersMax` long.
    public static func quoted(_ text: String, charactersMax: Int = 64) -> String {
        let head = String(text.prefix(charactersMax))
        let tail = head.count < text.count ? "..." : ""
        return "\"" + printable(head) + tail + "\""
    }

    private static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
