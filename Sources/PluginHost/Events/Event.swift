import HostModel

/// One event, which all who are handed it share; nobody changes it.
final class Event: Sendable {
    static let contentTypeOfJSON = "application/json"

    let topic: String
    let type: String
    /// What it is about; empty if nothing was said.
    let subject: String
    let contentType: String
    let data: [UInt8]
    let isRetained: Bool
    /// `notes@1.2.0`, `host`, or what an outsider has called itself.
    let source: String
    /// Counts the events of its publisher, from 1.
    let sequence: UInt64
    let time: Timestamp
    /// Further attributes that an outsider has given it.
    let attributes: JSONObject?
    /// Its place in the journal, if it is one of the host's that is kept there.
    let journalSequence: Int64?
    /// What an outsider has called it, or its place in the journal, which outlives the host.
    private let givenID: String?

    init(_ draft: EventDraft, sequence: UInt64) {
        topic = draft.topic
        type = draft.type.isEmpty ? draft.topic : draft.type
        subject = draft.subject
        contentType = draft.contentType.isEmpty ? Self.contentTypeOfJSON : draft.contentType
        data = draft.data
        isRetained = draft.isRetained
        source = draft.source
        self.sequence = sequence
        time = draft.time
        attributes = draft.attributes
        journalSequence = draft.journalSequence
        givenID = draft.id ?? draft.journalSequence.map { "journal-\($0)" }
    }

    /// Unique among the events of its source: the moment at which the host began to count, and the
    /// sequence.
    var id: String { givenID ?? Self.idPrefix + String(sequence) }

    /// Which run of the host an event is of: two runs do not begin in the same millisecond.
    static let run = String(Timestamp.now.milliseconds, radix: 36)
    private static let idPrefix = run + "-"
}

/// What somebody wants to publish.
struct EventDraft: Sendable {
    var topic: String
    /// Empty: the topic.
    var type = ""
    var subject = ""
    /// Empty: JSON.
    var contentType = ""
    var data: [UInt8] = []
    var isRetained = false
    var source: String
    /// nil: one is made.
    var id: String?
    var time = Timestamp.now
    var attributes: JSONObject?
    var journalSequence: Int64?

    init(topic: String, source: String) {
        self.topic = topic
        self.source = source
    }
}

/// What became of an event that somebody published.
enum EventOutcome: Sendable {
    case accepted
    /// As `accepted`, and a subscription that holds publishers up has no more room.
    case full
    /// A subscription that holds publishers up has no room; nobody got it.
    case heldUp
    /// No more values can be retained; nobody got it.
    case retainsTooMuch
}
