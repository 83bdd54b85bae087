internal import HostModel

/// What has happened, as lists; `EventsEndpoint` and `LogEndpoint` tell what happens.
extension AdminAPI {
    private static let eventsMax: Int64 = 10_000
    private static let eventsCount = 100

    /// `{"events": [ENTRY, ...]}`: the journal's events after one, or the last of them.
    func events(_ members: [String: String]) async throws(HostError) -> JSONValue {
        var query = QueryForm(members)
        var wishes = EventWishes()
        wishes.pattern = query.pattern("topic") ?? .everything
        wishes.plugin = query.name("plugin")
        wishes.since = query.number("since", in: 0...Int64.max)
        let limit = query.number("limit", in: 1...Self.eventsMax).map { Int($0) }
        try query.end()
        let (journal, chosen) = (manager.journal, wishes)
        let entries = try await Blocking.run { () throws(HostError) in
            if let since = chosen.since {
                return try Self.entries(journal, chosen, after: since, limit ?? .max)
            }
            return try Self.last(limit ?? Self.eventsCount, journal, chosen)
        }
        return ["events": .array(entries.map(\.json))]
    }

    private static func entries(
        _ journal: Journal, _ wishes: EventWishes, after sequence: Int64, _ limit: Int
    ) throws(HostError) -> [Journal.Entry] {
        var found: [Journal.Entry] = []
        var last = sequence
        while found.count < limit {
            let page = try journal.entries(after: last)
            guard let newest = page.last else { break }
            last = newest.sequence
            found += page.filter { wishes.include(Event(journaled: $0)) }
        }
        return Array(found.prefix(limit))
    }

    /// Reads backwards, in steps that grow, until there are enough.
    private static func last(
        _ count: Int, _ journal: Journal, _ wishes: EventWishes
    ) throws(HostError) -> [Journal.Entry] {
        let newest = try journal.lastSequence()
        var step = Int64(count) * 2
        while true {
            let start = max(0, newest - step)
            let found = try entries(journal, wishes, after: start, .max)
            if found.count >= count || start == 0 { return found.suffix(count) }
            step *= 4
        }
    }

    /// `{"subscriptions": [...]}`: who has subscribed to what, and how each of them gets on.
    func subscriptions(_ members: [String: String]) throws(HostError) -> JSONValue {
        var query = QueryForm(members)
        let plugin = query.name("plugin")
        try query.end()
        let accounts = manager.switchboard.events.accounts.filter {
            plugin == nil || $0.plugin == plugin
        }
        return ["subscriptions": .array(accounts.map(\.json))]
    }

    /// `{"entries": [...], "missed": N}`: the last entries of the log.
    func logs(_ members: [String: String]) throws(HostError) -> JSONValue {
        guard manager.server != nil else {
            throw HostError(
                "daemon_not_running", what: "there is no log to be shown",
                why: "no daemon runs on this root",
                fix: "start one with: host serve; its log goes to its standard error")
        }
        var query = QueryForm(members)
        let wish = try LogWish(&query)
        let entries = wish.entries(of: manager.log.feed).map(\.item.json)
        return ["entries": .array(entries)]
    }
}

extension EventBus.Account {
    /// - Shape: `{"plugin","generation","pattern","name"?,"policy","queue","waiting","delivered",
    ///   "dropped","failed","state"}`.
    fileprivate var json: JSONValue {
        func number(_ value: some BinaryInteger) -> JSONValue { .number(JSONNumber(value)) }
        var object: JSONObject = [
            "plugin": .string(plugin.text), "generation": number(generation),
            "pattern": .string(subscription.pattern.text),
        ]
        if !subscription.name.isEmpty { object["name"] = .string(subscription.name) }
        object["policy"] = .string(subscription.shape.policy.name)
        object["queue"] = number(subscription.shape.countMax)
        object["waiting"] = number(figures.waiting)
        object["delivered"] = number(figures.delivered)
        object["dropped"] = number(figures.dropped)
        object["failed"] = number(figures.failed)
        object["state"] = figures.isSuspended ? "suspended" : "active"
        return .object(object)
    }
}

extension EventQueue.Policy {
    fileprivate var name: String {
        switch self {
        case .dropOldest: "drop-oldest"
        case .dropNewest: "drop-newest"
        case .disconnect: "disconnect"
        case .holdUp: "hold-up"
        }
    }
}
