internal import CLinux
internal import HostModel

/// A child that an engine has wanted, as its supervisor keeps it: it outlives that engine.
final class KeptChild {
    /// What engines know it by; never given twice by one supervisor.
    let id: Int32
    let pid: Int32
    /// Readable when it has ended.
    let pidfd: Int32
    /// What it prints to, as two ends to read from, and what engines want kept for them.
    let descriptors: [Int32]
    /// What engines want to know of it, of which the supervisor understands nothing.
    let description: JSONValue
    /// Monotonic, in milliseconds.
    let startedAt: Int64
    /// Whose it is; nil while there is no engine.
    var owner: EngineProcess?
    /// Whose it was until its owner, which does not serve yet, has claimed it.
    var lender: EngineProcess?

    init(
        id: Int32, pid: Int32, pidfd: Int32, descriptors: [Int32], description: JSONValue,
        startedAt: Int64, owner: EngineProcess?
    ) {
        self.id = id
        self.pid = pid
        self.pidfd = pidfd
        self.descriptors = descriptors
        self.description = description
        self.startedAt = startedAt
        self.owner = owner
    }

    /// Ends it, waits for it, and gives everything back; its exit status, or minus the signal.
    func reap() -> Int32 {
        var status: Int32 = 0
        let result = unsafe linux_reap(pid, &status)
        for descriptor in [pidfd] + descriptors { linux_close(descriptor) }
        return result < 0 ? 0 : status
    }

    /// What is left of it for the next program of this process.
    ///
    /// - Parameter owner: which of the engines it belongs to; -1: none.
    func json(owner: Int) -> JSONValue {
        [
            "id": .number(JSONNumber(id)), "pid": .number(JSONNumber(pid)),
            "pidfd": .number(JSONNumber(pidfd)), "owner": .number(JSONNumber(owner)),
            "descriptors": .array(descriptors.map { .number(JSONNumber($0)) }),
            "description": description, "started": .number(JSONNumber(startedAt)),
        ]
    }

    init?(json: JSONValue, engines: [EngineProcess]) {
        func number(_ name: String) -> Int32? {
            json[name]?.integer.flatMap { Int32(exactly: $0) }
        }
        guard let id = number("id"), let pid = number("pid"), let pidfd = number("pidfd"),
            let owner = number("owner"), let started = json["started"]?.integer
        else { return nil }
        self.id = id
        self.pid = pid
        self.pidfd = pidfd
        descriptors = (json["descriptors"]?.array ?? []).compactMap {
            $0.integer.flatMap { Int32(exactly: $0) }
        }
        description = json["description"] ?? .null
        startedAt = started
        self.owner = engines.indices.contains(Int(owner)) ? engines[Int(owner)] : nil
    }
}
