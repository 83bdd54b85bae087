import HostModel
import Synchronization

/// How a process of a plugin is, for its status.
struct WorkerStatus: Sendable {
    enum State: String, Sendable {
        case running, starting, failed
    }

    /// nil: there is none now.
    var pid: Int32?
    var state: State
    /// How often another process has taken the place of one that ended.
    var restarts: Int
    var uptime: Duration
}

/// Seeing to it that the processes of a generation live.
extension IsolatedPlugin {
    private static let clockStart = ContinuousClock.now

    /// The time as the records of restarts and pings have it.
    var elapsed: Duration { Self.clockStart.duration(to: .now) }

    /// How its processes are.
    var workerStatuses: [WorkerStatus] {
        state.withLock { state in
            state.seats.map { seat in
                WorkerStatus(
                    pid: seat.worker?.pid,
                    state: seat.worker != nil ? .running : seat.hasFailed ? .failed : .starting,
                    restarts: seat.restarts,
                    uptime: seat.worker.map { $0.startedAt.duration(to: .now) } ?? .zero)
            }
        }
    }

    // MARK: - Ends

    /// Has a process replaced when it ends.
    func watch(_ worker: IsolatedWorker) {
        worker.process.whenEnded { [weak self] end in
            guard let self else { return }
            Task { await self.ended(worker, end) }
        }
    }

    /// Replaces what has ended before anybody minded.
    func reviveMissing() {
        for worker in workers {
            guard let end = worker.process.end else { continue }
            Task { await self.ended(worker, end) }
        }
    }

    private func ended(_ worker: IsolatedWorker, _ end: ChildProcess.End) async {
        // Before the start a step that fails tells of it, and afterwards nobody minds.
        let isMissed = state.withLock { state in
            guard state.seats[worker.seat].worker === worker else { return false }
            if end == .handedOver { state.isHandedOver = true }
            guard state.stage == .started || end == .handedOver else { return false }
            state.seats[worker.seat].worker = nil
            state.seats[worker.seat].pings = nil
            return end != .handedOver
        }
        worker.channel.end()
        forget(worker)
        guard isMissed else { return }
        let reason = ([worker.reason(of: end)] + worker.lastWords).joined(separator: "; ")
        await replace(worker.seat, pid: worker.pid, reason)
    }

    /// Starts processes in a place until one stays, or until that has been tried often enough.
    private func replace(_ seat: Int, pid: Int32, _ reason: String) async {
        var (pid, reason) = (pid, reason)
        while true {
            let now = elapsed
            let decision = state.withLock { state in
                state.seats[seat].record.ended(at: now, chance: .random(in: 0...1))
            }
            guard case .restart(let pause) = decision else {
                parts.occurred(.ended(pid: pid, reason: reason, pause: nil))
                return fail(seat, reason)
            }
            parts.occurred(.ended(pid: pid, reason: reason, pause: pause))
            if pause > .zero { await Deadline.pause(for: pause) }
            guard state.withLock({ $0.stage == .started }) else { return }
            let begin = ContinuousClock.now
            do throws(HostError) {
                let worker = try await bringUp(seat)
                let milliseconds = begin.duration(to: .now) / .milliseconds(1)
                parts.occurred(.restarted(pid: worker.pid, milliseconds: milliseconds))
                return
            } catch {
                guard state.withLock({ $0.stage == .started }) else { return }
                pid = 0
                reason = ([error.what] + error.reasons).joined(separator: "; ")
            }
        }
    }

    /// Takes a new process through all steps and gives it the place.
    private func bringUp(_ seat: Int) async throws(HostError) -> IsolatedWorker {
        let worker = try await startWorker(seat)
        do throws(HostError) {
            let seconds = parts.launch.startSeconds
            try await worker.step(RemoteTopic.initialize, seconds: seconds)
            try await worker.step(RemoteTopic.start, seconds: seconds)
        } catch {
            worker.kill("it could not be started")
            forget(worker)
            throw error
        }
        let now = elapsed
        let isWanted = state.withLock { state in
            guard state.stage == .started else { return false }
            state.seats[seat].worker = worker
            state.seats[seat].record.started(at: now)
            state.seats[seat].pings = pings(from: now)
            state.seats[seat].restarts += 1
            return true
        }
        if !isWanted { worker.kill("it is not wanted any more") }
        watch(worker)
        reviveMissing()
        return worker
    }

    /// Starts processes in the place of those that another engine has taken and not kept.
    nonisolated(nonsending) func reviveHandedOver() async {
        let seats = state.withLock { state -> [Int] in
            guard state.stage == .started, state.isHandedOver else { return [] }
            state.isHandedOver = false
            return state.seats.indices.filter { state.seats[$0].worker == nil }
        }
        for seat in seats { await replace(seat, pid: 0, "another engine had taken it") }
    }

    private func fail(_ seat: Int, _ reason: String) {
        let isLast = state.withLock { state in
            state.seats[seat].hasFailed = true
            return state.seats.allSatisfy(\.hasFailed)
        }
        guard isLast else { return }
        let policy = parts.launch.restarts
        parts.occurred(
            .failed(
                HostError(
                    "worker_failed", what: "plugin \"\(name)\" does not serve any more",
                    why: "its process ended more than \(policy.restartsMax) times within "
                        + "\(policy.window.components.seconds) s; the last time: \(reason)",
                    fix: "see: host logs \(name); try again with: host reload \(name) --force")))
    }

    // MARK: - Pings

    func pings(from now: Duration) -> PingRecord? {
        parts.launch.pingInterval.map {
            PingRecord(interval: $0, missesMax: parts.launch.pingMissesMax, from: now)
        }
    }

    /// Looks after the processes once more in a while.
    func schedulePings() {
        guard let interval = parts.launch.pingInterval else { return }
        let deadline = Deadline(after: interval) { [weak self] in
            self?.ping()
            self?.schedulePings()
        }
        state.withLock { $0.pinger = $0.stage == .started ? deadline : nil }
    }

    private func ping() {
        let now = elapsed
        let asked = state.withLock { state -> [(IsolatedWorker, PingRecord.Action)] in
            state.seats.indices.compactMap { index in
                guard let worker = state.seats[index].worker,
                    let action = state.seats[index].pings?.look(at: now)
                else { return nil }
                return (worker, action)
            }
        }
        for (worker, action) in asked {
            switch action {
            case .wait: break
            case .giveUp(let misses): worker.kill("it did not answer \(misses) pings in a row")
            case .ask(let number):
                worker.channel.request(RemoteTopic.ping) { [weak self] answer in
                    guard let self, case .success(let content) = answer else { return }
                    endIfStuck(worker, content.json["stuck"]?.integer ?? 0)
                    let now = elapsed
                    state.withLock { state in
                        guard state.seats[worker.seat].worker === worker else { return }
                        state.seats[worker.seat].pings?.answered(number, at: now)
                    }
                }
            }
        }
    }

    /// Ends a process that the plugin's code keeps too many threads of: they cannot be had back.
    private func endIfStuck(_ worker: IsolatedWorker, _ count: Int64) {
        let most = parts.launch.stuckThreadsMax
        guard most > 0, count >= most else { return }
        worker.kill("\(count) of its threads did not come back")
    }
}
