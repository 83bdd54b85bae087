/// One message of an event stream, as a browser's `EventSource` reads it.
///
/// - Source: WHATWG HTML, section 9.2.
public struct ServerEvent: Sendable {
    /// What it says; may have several lines.
    public var data: String
    /// What kind it is, which is what a page listens for; without it, `message`.
    public var name: String?
    /// What the client tells as `Request.lastEventID` when it comes back.
    public var id: String?
    /// How long the client shall wait before it comes back.
    ///
    /// - Units: milliseconds.
    public var retryMilliseconds: Int?

    /// Makes an event.
    public init(
        _ data: String, name: String? = nil, id: String? = nil, retryMilliseconds: Int? = nil
    ) {
        self.data = data
        self.name = name
        self.id = id
        self.retryMilliseconds = retryMilliseconds
    }

    /// The event on the wire.
    ///
    /// - Shape: lines `event:`, `id:`, `retry:` and one `data:` for each line of the data, then an
    ///   empty line. A line break or NUL in a name or id would make it another field, and is left
    ///   out.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        if let name { Self.add("event: ", name, to: &bytes) }
        if let id { Self.add("id: ", id, to: &bytes) }
        if let retryMilliseconds { Self.add("retry: ", "\(retryMilliseconds)", to: &bytes) }
        Self.addLines("data: ", data, to: &bytes)
        bytes.append(0x0A)
        return bytes
    }

    /// A line that clients skip, which keeps proxies from taking the connection for dead.
    public static func comment(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        addLines(": ", text, to: &bytes)
        bytes.append(0x0A)
        return bytes
    }

    private static func add(_ field: StaticString, _ value: String, to bytes: inout [UInt8]) {
        addText(field, to: &bytes)
        for byte in value.utf8 where byte != 0x0A && byte != 0x0D && byte != 0 {
            bytes.append(byte)
        }
        bytes.append(0x0A)
    }

    /// A line ends at CR LF, CR or LF.
    private static func addLines(_ field: StaticString, _ text: String, to bytes: inout [UInt8]) {
        addText(field, to: &bytes)
        var previous: UInt8 = 0
        for byte in text.utf8 {
            defer { previous = byte }
            if byte == 0x0A, previous == 0x0D { continue }
            if byte == 0x0A || byte == 0x0D {
                bytes.append(0x0A)
                addText(field, to: &bytes)
            } else {
                bytes.append(byte)
            }
        }
        bytes.append(0x0A)
    }

    private static func addText(_ text: StaticString, to bytes: inout [UInt8]) {
        unsafe bytes += unsafe UnsafeBufferPointer(
            start: text.utf8Start, count: text.utf8CodeUnitCount)
    }
}
