internal import HTTPServer
internal import HTTPWire
internal import HostModel

/// One entry of the host's log, kept for those who read it from outside.
struct LogEntry: Sendable {
    var level: HostLog.Level
    var message: String
    var subject: HostLog.Subject?
    var time: Timestamp

    /// - Shape: `{"time","level","plugin"?,"version"?,"generation"?,"request"?,"message"}`.
    var json: JSONValue {
        var object: JSONObject = [
            "time": .string(time.description), "level": .string(level.name.lowercased()),
        ]
        object["plugin"] = subject.map { .string($0.plugin) }
        object["version"] = subject?.version.map { .string($0) }
        object["generation"] = subject?.generation.map { .number(JSONNumber($0)) }
        object["request"] = subject?.request.map { .string($0) }
        object["message"] = .string(message)
        return .object(object)
    }
}

/// Which entries of the log somebody wants to see.
struct LogWish: Sendable {
    static let levels: [String: HostLog.Level] = [
        "debug": .debug, "info": .info, "warning": .warning, "error": .error,
    ]
    static let countMax: Int64 = 10_000

    var plugin: PluginName?
    var minimum = HostLog.Level.debug
    /// How many of the last ones.
    var last: Int?

    /// - Throws: `request_invalid`.
    init(_ query: inout QueryForm) throws(HostError) {
        plugin = query.name("plugin")
        minimum = query.choice("level", Self.levels) ?? .debug
        last = query.number("last", in: 0...Self.countMax).map { Int($0) }
        try query.end()
    }

    func includes(_ entry: LogEntry) -> Bool {
        entry.level >= minimum && (plugin == nil || entry.subject?.plugin == plugin?.text)
    }

    /// The last entries of a log that are wanted.
    func entries(of feed: Feed<LogEntry>) -> [Feed<LogEntry>.Entry] {
        let page = feed.page(after: 0, limit: .max)
        return page.entries.filter { includes($0.item) }.suffix(last ?? .max)
    }
}

/// The log as a stream of server-sent events, each entry as JSON.
struct LogEndpoint: LiveEndpoint {
    let log: HostLog

    func answer(_ exchange: Exchange) -> Bool {
        guard exchange.head.method == .get, LiveResponse.isWanted(exchange) else { return false }
        do throws(HostError) {
            var query = try QueryForm(String(decoding: exchange.query))
            let wish = try LogWish(&query)
            guard let response = LiveResponse.begin(exchange) else { return true }
            log.feed.attach(response, LogCursor(wish, log.feed))
        } catch {
            HostPages.problem(
                exchange, 400, "\(error.what): \(error.reasons.joined(separator: "; ")).")
        }
        return true
    }
}

/// Where a client that follows the log is.
struct LogCursor: FeedCursor {
    let wish: LogWish
    let feed: Feed<LogEntry>
    private var position: UInt64
    private(set) var greeting = ":\n\n"

    init(_ wish: LogWish, _ feed: Feed<LogEntry>) {
        self.wish = wish
        self.feed = feed
        position = feed.newest
        let entries = wish.last == nil ? [] : wish.entries(of: feed)
        for entry in entries where entry.position <= position { greeting += Self.written(entry) }
    }

    mutating func next() -> String {
        var text = ""
        while text.isEmpty {
            let page = feed.page(after: position, limit: Self.pageCount)
            guard let last = page.entries.last else { break }
            if page.missed > 0 { text += Self.gap("\(page.missed) entries are gone") }
            for entry in page.entries where wish.includes(entry.item) {
                text += Self.written(entry)
            }
            position = last.position
        }
        return text
    }

    private static func written(_ entry: Feed<LogEntry>.Entry) -> String {
        "id: \(entry.position)\ndata: \(entry.item.json.text())\n\n"
    }
}
