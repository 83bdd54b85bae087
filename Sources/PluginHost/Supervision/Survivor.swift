internal import CLinux
internal import Glibc
internal import HostModel
internal import Synchronization

/// A child that was started for another engine and lives.
///
/// Its descriptors are closed with it, but for those that somebody has taken.
package final class Survivor: Sendable {
    let id: Int32
    let pid: Int32
    /// What its engine has said of it.
    let description: JSONValue
    /// Whether its engine is gone; else that one serves still.
    let isOrphan: Bool
    let startedAt: ContinuousClock.Instant
    let plugin: PluginName?
    private let descriptors: Mutex<[Int32]>

    init?(_ message: WireMessage) {
        guard message.descriptors.count >= 3,
            let pid = message.json["pid"]?.integer.flatMap({ Int32(exactly: $0) })
        else { return nil }
        id = message.number
        self.pid = pid
        description = message.json["description"] ?? .null
        isOrphan = message.json["orphan"]?.bool == true
        plugin = description["plugin"]?.string.flatMap { PluginName($0) }
        let now = Int64(linux_monotonic_milliseconds())
        startedAt = .now - .milliseconds(now - (message.json["started"]?.integer ?? now))
        descriptors = Mutex(message.descriptors)
    }

    deinit {
        for descriptor in descriptors.withLock({ $0 }) where descriptor >= 0 {
            linux_close(descriptor)
        }
    }

    /// Gives a descriptor away; -1 when there is none, or when somebody has it.
    private func take(_ index: Int) -> Int32 {
        descriptors.withLock { all in
            guard all.indices.contains(index) else { return -1 }
            defer { all[index] = -1 }
            return all[index]
        }
    }

    private func peek(_ index: Int) -> Int32 {
        descriptors.withLock { $0.indices.contains(index) ? $0[index] : -1 }
    }

    /// Goes on with it: what it prints goes to the log.
    func adopt(log: HostLog, subject: HostLog.Subject?) -> ChildProcess {
        var plan = ChildProcess.Plan(executable: "")
        if description["kind"]?.string == Self.program { plan.errorLevel = .info }
        let child = ChildKeeper.shared.adopt(
            self, pidfd: take(0), output: take(1), errors: take(2),
            ChildVoice(log, subject, plan))
        if let path = description["group"]?.string { ControlGroup(at: path).end(with: child) }
        return child
    }

    /// Whether it is somebody's already.
    var isAdopted: Bool { peek(0) < 0 }

    /// What was kept for engines to come, from 0; it stays this object's.
    func kept(_ index: Int) -> Int32 { peek(3 + index) }

    /// Ends it at once.
    func kill() { _ = linux_signal_child(peek(0), SIGKILL) }

    /// The kinds of children.
    static let worker = "worker"
    static let program = "program"

    func number(_ name: String) -> Int? {
        description[name]?.integer.flatMap { Int(exactly: $0) }
    }
}

/// What engines before this one have left, by plugin, until somebody takes it.
package final class Inheritance: Sendable {
    private let survivors: Mutex<[Survivor]>
    /// Tells the supervisor who goes on with a child.
    let claim: @Sendable (Int32) -> Void

    init(_ survivors: [Survivor], claim: @escaping @Sendable (Int32) -> Void) {
        self.survivors = Mutex(survivors)
        self.claim = claim
    }

    /// Takes what is left of a plugin.
    func take(_ plugin: PluginName) -> [Survivor] {
        survivors.withLock { survivors in
            defer { survivors.removeAll { $0.plugin == plugin } }
            return survivors.filter { $0.plugin == plugin }
        }
    }

    /// Takes what nobody has wanted.
    func takeRest() -> [Survivor] {
        survivors.withLock { survivors in
            defer { survivors = [] }
            return survivors
        }
    }

    /// The names in a plugin's directory for what runs that its processes go by.
    func files(of plugin: PluginName) -> Set<String> {
        survivors.withLock { survivors in
            Set(
                survivors.filter { $0.plugin == plugin }.compactMap {
                    $0.description["files"]?.string?.split(separator: "/").last.map(String.init)
                })
        }
    }
}
