/// Reads the `Accept-Encoding` field.
public enum AcceptEncoding {
    /// Says whether the client takes gzip.
    ///
    /// - Shape: `gzip` and `x-gzip` are the same; `*` stands for gzip when neither is named; a
    ///   weight of 0 forbids; an element with a malformed weight counts as not there. Whether the
    ///   client would like something else better is not asked.
    /// - Source: RFC 9110, sections 8.4.1.3 and 12.5.3.
    public static func allowsGzip(_ value: ByteSlice) -> Bool {
        var list = ListElements(value)
        var named: Bool?
        var any = false
        while let element = list.next() {
            guard let coding = Weighted(element) else { continue }
            if coding.name.equalsIgnoringCase("gzip") || coding.name.equalsIgnoringCase("x-gzip") {
                named = (named ?? true) && coding.weight > 0
            } else if coding.name == "*" {
                any = coding.weight > 0
            }
        }
        return named ?? any
    }
}
