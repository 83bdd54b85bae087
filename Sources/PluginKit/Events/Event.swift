import CPluginABI

/// An event that was published under a topic, by a plugin or by the host.
public struct Event: Sendable {
    /// The topic: tokens with dots between, such as `orders.created`.
    public let topic: String
    /// What kind of event it is; the topic, if its publisher did not say.
    public let type: String
    /// What it is about; empty if its publisher did not say.
    public let subject: String
    /// What the data are: `application/json`, if its publisher did not say.
    public let contentType: String
    /// What its publisher had to say.
    public let data: [UInt8]
    /// Who published it: `notes@1.2.0`, or `host`.
    public let source: String
    /// What tells it from the other events of its source.
    public let id: String
    /// Counts the events of its publisher, from 1, without gaps.
    public let sequence: UInt64
    /// When it was published.
    ///
    /// - Units: milliseconds since 1970-01-01T00:00:00Z.
    public let time: Int64
    /// Whether it is the last value of its topic, from before the subscription, and not news.
    public let isRetained: Bool

    /// The data as text; bytes that are not UTF-8 become U+FFFD.
    public var text: String { String(decoding: data, as: UTF8.self) }

    init(unsafe event: UnsafePointer<ph_event>) {
        func copied(_ text: ph_text) -> String { unsafe String(BorrowedText(unsafe: text)) }
        unsafe topic = copied(event.pointee.topic)
        unsafe type = copied(event.pointee.type)
        unsafe subject = copied(event.pointee.subject)
        unsafe contentType = copied(event.pointee.content_type)
        unsafe source = copied(event.pointee.source)
        unsafe id = copied(event.pointee.id)
        unsafe data = Array(
            UnsafeBufferPointer(
                start: event.pointee.data.data, count: event.pointee.data.length))
        unsafe sequence = event.pointee.sequence
        unsafe time = event.pointee.time
        unsafe isRetained = event.pointee.flags & UInt32(PH_EVENT_RETAIN) != 0
    }
}

#if !hasFeature(Embedded)
    extension Event {
        /// The data as JSON.
        ///
        /// - Throws: `JSONError` where they are none.
        public func json() throws(JSONError) -> JSON { try JSON(parsing: text) }
    }
#endif
