import HTTPWire

/// The body of an error that the server answers by itself.
///
/// - Source: RFC 9457, section 3.
enum ProblemDocument {
    /// Returns the document as JSON.
    static func json(status: UInt16, detail: String) -> String {
        """
        {"type":"about:blank","title":"\(escaped(title(of: status)))","status":\(status),\
        "detail":"\(escaped(detail))"}
        """
    }

    /// The registered reason phrase of a status.
    static func title(of status: UInt16) -> String {
        String(decoding: StatusLine.reason(of: status))
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\":
                result += "\\"
                result.unicodeScalars.append(scalar)
            case "\u{0}"..<" ":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
