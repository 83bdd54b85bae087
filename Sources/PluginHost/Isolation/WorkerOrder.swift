import HostModel

/// What a worker has to know before it can load its plugin.
struct WorkerOrder: Sendable {
    var plugin: InstanceOrder
    var root: String
    var work: WorkLimits
    var reactors = 1
    var inlineBudgetMilliseconds = 10
    var bodyBytesMax = 1 << 20
    var logLevel = HostLog.Level.info
    /// What `Member.party` is in the engine.
    var party: UInt32 = 0

    var json: JSONObject {
        var json = plugin.json
        let own: JSONObject = [
            "root": .string(root),
            "pool_threads": .number(JSONNumber(work.poolThreadsMax)),
            "pool_queue": .number(JSONNumber(work.poolQueueMax)),
            "request_seconds": .number(JSONNumber(work.requestSeconds)),
            "reactors": .number(JSONNumber(reactors)),
            "inline_budget": .number(JSONNumber(inlineBudgetMilliseconds)),
            "body_bytes_max": .number(JSONNumber(bodyBytesMax)),
            "log_level": .number(JSONNumber(logLevel.rawValue)),
            "party": .number(JSONNumber(party)),
        ]
        for (key, value) in own.members { json[key] = value }
        return json
    }

    /// The version of what a worker and the engine say to each other.
    static let protocolVersion = 1

    /// What has to be the same for a process to be taken over, of an order as JSON.
    static func essence(_ json: JSONValue) -> JSONObject {
        var object = json.object ?? [:]
        for name in ["library", "revision", "seconds", "topic", "party"] { object[name] = nil }
        return object
    }

    init(_ plugin: InstanceOrder, root: String, work: WorkLimits) {
        self.plugin = plugin
        self.root = root
        self.work = work
    }

    /// - Throws: `record_unreadable` when a member is missing or of another kind.
    init(json: JSONValue) throws(HostError) {
        let fields = OrderFields(json: json, reader: "a worker")
        var work = WorkLimits()
        work.poolThreadsMax = try fields.number("pool_threads")
        work.poolQueueMax = try fields.number("pool_queue")
        work.requestSeconds = try fields.number("request_seconds")
        self.init(
            try InstanceOrder(fields), root: try fields.value("root", \.string), work: work)
        reactors = try fields.number("reactors")
        inlineBudgetMilliseconds = try fields.number("inline_budget")
        bodyBytesMax = try fields.number("body_bytes_max")
        let level = try fields.number("log_level")
        logLevel = try fields.value("log_level") { _ in HostLog.Level(rawValue: level) }
        party = UInt32(truncatingIfNeeded: try fields.number("party"))
    }
}
