import HTTPWire

/// The body of an error that the server answers by itself.
///
/// - Source: RFC 9457, section 3.
enum ProblemDocument {
    /// Returns the document as JSON.
    ///
    /// - Parameters:
    ///   - instance: the path that was asked for; nil when the request could not be read.
    ///   - requestID: what the request is called in the logs.
    static func json(
        status: UInt16, detail: String, instance: String?, requestID: String
    ) -> String {
        let path = instance.map { ",\"instance\":\"\(escaped($0))\"" } ?? ""
        return """
            {"type":"about:blank","title":"\(escaped(title(of: status)))","status":\(status),\
            "detail":"\(escaped(detail))"\(path),"request_id":"\(escaped(requestID))"}
            """
    }

    /// Returns the document about a request.
    static func json(status: UInt16, detail: String, about exchange: Exchange) -> String {
        json(
            status: status, detail: detail, instance: String(decoding: exchange.path),
            requestID: String(decoding: exchange.requestID))
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
