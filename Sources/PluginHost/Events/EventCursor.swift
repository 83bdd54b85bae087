import HostModel

/// What a client that follows events wants to know.
struct EventWishes: Sendable {
    var pattern = TopicPattern.everything
    var plugin: PluginName?
    /// Where it was, as it was told.
    var lastID: LastEventID?
    /// The sequence in the journal that it wants everything after; nil: what comes now.
    var since: Int64?

    func include(_ event: Event) -> Bool {
        guard pattern.matches(event.topic) else { return false }
        guard let name = plugin?.text else { return true }
        return event.source == EventBus.hostName
            ? event.subject == name : event.source.hasPrefix(name + "@")
    }
}

/// What stands in the `id` of each event: where a client is that has it.
///
/// - Shape: `RUN.POSITION.SEQUENCE`: which run of the host, the place in what it keeps in memory,
///   and the last event of the journal before.
struct LastEventID: Sendable, CustomStringConvertible {
    var run: String
    var position: UInt64
    var sequence: Int64

    init(position: UInt64, sequence: Int64) {
        run = Event.run
        self.position = position
        self.sequence = sequence
    }

    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let position = UInt64(parts[1]), let sequence = Int64(parts[2])
        else { return nil }
        self.init(position: position, sequence: sequence)
        run = String(parts[0])
    }

    var description: String { "\(run).\(position).\(sequence)" }
}

/// Where a client that follows events is: in the journal, and then in what is kept in memory.
struct EventCursor: FeedCursor {
    private let wishes: EventWishes
    private let feed: Feed<Event>
    private let journal: Journal
    private var position: UInt64
    /// The last event of the journal that has been sent or passed over.
    private var sequence: Int64
    /// Whether it still reads the journal.
    private var isBehind = false

    /// - Parameter journaled: the last event of the journal.
    init(
        _ wishes: EventWishes, _ feed: Feed<Event>, _ journal: Journal, at journaled: Int64
    ) {
        self.wishes = wishes
        self.feed = feed
        self.journal = journal
        position = feed.newest
        sequence = journaled
        if let last = wishes.lastID {
            // Of another run there is the journal; of this one, what has gone is told of.
            let isOfThisRun = last.run == Event.run && last.position <= position
            position = isOfThisRun ? last.position : 0
            sequence = last.sequence
            isBehind = true
        } else if let since = wishes.since {
            sequence = since
            isBehind = true
        }
    }

    var greeting: String {
        "retry: 1000\nid: \(LastEventID(position: position, sequence: sequence))\n\n"
    }

    mutating func next() -> String {
        let text = isBehind ? fromJournal() : ""
        return text.isEmpty ? fromFeed() : text
    }

    /// The next part of the journal; empty when it has been read to its end.
    private mutating func fromJournal() -> String {
        var text = ""
        while text.isEmpty, isBehind {
            do throws(HostError) {
                let entries = try journal.entries(after: sequence, limit: Self.pageCount)
                isBehind = !entries.isEmpty
                for entry in entries {
                    sequence = entry.sequence
                    let event = Event(journaled: entry)
                    if wishes.include(event) { text += written(event) }
                }
            } catch {
                isBehind = false
                text = Self.gap("the journal cannot be read")
            }
        }
        return text
    }

    /// What is in memory and has not been sent.
    private mutating func fromFeed() -> String {
        var text = ""
        while text.isEmpty {
            let page = feed.page(after: position, limit: Self.pageCount)
            guard !page.entries.isEmpty else { break }
            if page.missed > 0 { text += Self.gap("\(page.missed) events are gone") }
            for entry in page.entries where text.utf8.count < Self.pageBytes {
                position = entry.position
                let event = entry.item
                if let place = event.journalSequence {
                    if place <= sequence { continue }
                    sequence = place
                }
                if wishes.include(event) { text += written(event) }
            }
        }
        return text
    }

    private func written(_ event: Event) -> String {
        let id = LastEventID(position: position, sequence: sequence)
        return "id: \(id)\ndata: \(CloudEvent.json(of: event).text())\n\n"
    }
}

extension Event {
    /// What the host has told, or would have told, of an entry of its journal.
    convenience init(journaled entry: Journal.Entry) {
        var draft = EventDraft(topic: entry.event.fact.topic, source: EventBus.hostName)
        draft.type = entry.event.fact.name
        draft.subject = entry.event.plugin.text
        draft.data = Array(entry.json.text().utf8)
        draft.time = entry.event.time
        draft.journalSequence = entry.sequence
        self.init(draft, sequence: 0)
    }
}
