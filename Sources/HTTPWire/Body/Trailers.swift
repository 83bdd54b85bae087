/// The rules for fields that follow a chunked body.
///
/// - Source: RFC 9110, section 6.5; RFC 9112, section 7.1.2.
public enum Trailers {
    /// Says whether a field may come so late: not if it frames the message, routes it, changes the
    /// request, says who asks, or tells how to read the content.
    ///
    /// - Source: RFC 9110, section 6.5.1.
    public static func mayHold(_ name: ByteSlice) -> Bool {
        guard Scan.isToken(name) else { return false }
        let refused: [StaticString] = [
            "age", "authorization", "cache-control", "connection", "content-encoding",
            "content-length", "content-location", "content-range", "content-type", "cookie",
            "date", "expect", "expires", "forwarded", "host", "if-match", "if-modified-since",
            "if-none-match", "if-range", "if-unmodified-since", "keep-alive", "location",
            "max-forwards", "pragma", "proxy-authenticate", "proxy-authorization",
            "proxy-connection", "range", "retry-after", "set-cookie", "te", "trailer",
            "transfer-encoding", "upgrade", "vary", "via", "warning", "www-authenticate",
            "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id",
            "traceparent", "tracestate",
        ]
        for other in refused where name.equalsIgnoringCase(other) { return false }
        return true
    }

    /// Says whether a `TE` field announces a client that keeps trailers.
    ///
    /// - Source: RFC 9110, section 10.1.4.
    public static func areWanted(_ te: ByteSlice) -> Bool {
        var list = ListElements(te)
        while let element = list.next() {
            let end = element.firstIndex(of: UInt8(ascii: ";")) ?? element.count
            if element[0..<end].trimmed.equalsIgnoringCase("trailers") { return true }
        }
        return false
    }

    /// Calls `body` with each field of a section that `ChunkedDecoder` has found well-formed, those
    /// left out that may not come so late.
    public static func forEach(_ section: ByteSlice, _ body: (HeaderField) -> Void) {
        var start = 0
        while start < section.count {
            var end = start
            while end < section.count, section[end] != 0x0D { end += 1 }
            let line = section[start..<end]
            start = end + 2
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let name = line[0..<colon]
            let value = line[(colon + 1)..<line.count].trimmed
            if mayHold(name) { body(HeaderField(name: name, value: value)) }
        }
    }
}
