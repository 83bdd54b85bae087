import HostModel
import Synchronization

/// The processes in which a generation runs, and whoever sees to it that they live.
///
/// 1. Its source makes the first processes and puts them into their seats.
/// 2. With `keep` they are the pool's to keep. One that ends is replaced: the first time at once,
///    then after pauses that grow.
/// 3. One that misses too many pings in a row is killed, and so it has ended.
/// 4. A seat in which too many ended within a while has failed. With the last one, the generation
///    has.
/// 5. Processes that another engine goes on with are left to it, until that is gone.
/// 6. After `leave`, ends are nobody's business any more.
final class WorkerPool<Source: WorkerSource>: Sendable {
    /// A place for a process.
    private struct Seat: Sendable {
        var worker: Source.Worker?
        var record: RestartRecord
        var pings: PingRecord?
        var restarts = 0
        var hasFailed = false
    }

    private enum Stage { case filling, keeping, leaving }

    private struct State: Sendable {
        weak var source: Source?
        var stage = Stage.filling
        var seats: [Seat]
        var turn = 0
        var pinger: Deadline?
        var isElsewhere = false

        /// Whether what ends is replaced.
        var replaces: Bool { stage == .keeping && !isElsewhere }
    }

    let terms: WorkerTerms
    private let state: Mutex<State>
    private let clockStart = ContinuousClock.now

    init(_ terms: WorkerTerms) {
        self.terms = terms
        let seat = Seat(record: RestartRecord(terms.restarts))
        state = Mutex(State(seats: Array(repeating: seat, count: max(1, terms.instances))))
    }

    /// Says who makes the processes.
    func serve(_ source: Source) { state.withLock { $0.source = source } }

    /// The time as the records have it.
    private var elapsed: Duration { clockStart.duration(to: .now) }

    // MARK: - Who is there

    /// How many processes there are to be.
    var count: Int { max(1, terms.instances) }

    /// The processes that live.
    var workers: [Source.Worker] { state.withLock { $0.seats.compactMap(\.worker) } }

    /// The seats without a process.
    var emptySeats: [Int] {
        state.withLock { state in state.seats.indices.filter { state.seats[$0].worker == nil } }
    }

    /// One of the processes that serve; each has its turn.
    func next() -> Source.Worker? {
        state.withLock { state in
            for offset in 1...state.seats.count {
                let index = (state.turn + offset) % state.seats.count
                guard let worker = state.seats[index].worker else { continue }
                state.turn = index
                return worker
            }
            return nil
        }
    }

    /// How they are.
    var statuses: [WorkerStatus] {
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

    // MARK: - Beginning and end

    /// Puts a process into its seat.
    func put(_ worker: Source.Worker, in seat: Int) {
        let isWanted = state.withLock { state in
            guard state.stage != .leaving else { return false }
            state.seats[seat].worker = worker
            return true
        }
        if !isWanted { worker.kill("it is not wanted any more") }
        watch(worker, in: seat)
    }

    /// Keeps the processes from now on, those included that have ended since they were put here.
    func keep() {
        let now = elapsed
        let seated = state.withLock { state in
            state.stage = .keeping
            for index in state.seats.indices {
                state.seats[index].record.started(at: now)
                state.seats[index].pings = pings(from: now)
            }
            return state.seats.enumerated().compactMap { seat, place in
                place.worker.map { (seat, $0) }
            }
        }
        schedulePings()
        for (seat, worker) in seated {
            if let end = worker.process.end { ended(worker, end, in: seat) }
        }
    }

    /// Keeps them no longer.
    ///
    /// - Returns: whether it did so far.
    @discardableResult
    func leave() -> Bool {
        state.withLock { state in
            defer { (state.stage, state.pinger) = (.leaving, nil) }
            return state.stage == .keeping
        }
    }

    /// Forgets the processes, which have ended.
    func clear() {
        state.withLock { state in
            for index in state.seats.indices { state.seats[index].worker = nil }
        }
    }

    // MARK: - Other engines

    /// Whether another engine has its processes: that one goes on with them, or has had them all
    /// along.
    var isElsewhere: Bool {
        get { state.withLock { $0.isElsewhere } }
        set { state.withLock { $0.isElsewhere = newValue } }
    }

    /// Has processes again after another engine had taken them, and is gone: those that are left
    /// of them, and new ones for the rest.
    nonisolated(nonsending) func takeBack(_ survivors: [Survivor]) async {
        let source = state.withLock { state -> Source? in
            guard state.stage == .keeping, state.isElsewhere else { return nil }
            state.isElsewhere = false
            return state.source
        }
        guard let source else { return }
        await source.recover(survivors)
        for seat in emptySeats {
            do throws(HostError) {
                _ = try await fill(seat)
            } catch {
                let reason = Self.words(error)
                Task { await self.replace(seat, pid: 0, reason) }
            }
        }
    }

    // MARK: - Ends

    private func watch(_ worker: Source.Worker, in seat: Int) {
        worker.process.whenEnded { [weak self] end in self?.ended(worker, end, in: seat) }
    }

    /// Takes in that a process has ended, and has it replaced if it was one of those that are kept.
    private func ended(_ worker: Source.Worker, _ end: ChildProcess.End, in seat: Int) {
        let (source, isMissed) = state.withLock { state -> (Source?, Bool) in
            guard state.seats[seat].worker === worker else { return (state.source, false) }
            if end == .handedOver { state.isElsewhere = true }
            // Before it is kept, a step that fails tells of it, and afterwards nobody minds.
            guard state.stage == .keeping || end == .handedOver else {
                return (state.source, false)
            }
            state.seats[seat].worker = nil
            state.seats[seat].pings = nil
            return (state.source, state.replaces)
        }
        guard let source else { return }
        // It may be put into its seat again soon.
        if end == .handedOver { return source.lost(worker, end) }
        Task {
            source.lost(worker, end)
            guard isMissed else { return }
            await self.replace(seat, pid: worker.pid, worker.account(of: end))
        }
    }

    /// Makes processes for a seat until one stays, or until that has been tried often enough.
    private func replace(_ seat: Int, pid: Int32, _ reason: String) async {
        var (pid, reason) = (pid, reason)
        while true {
            let now = elapsed
            let decision = state.withLock { state -> RestartPolicy.Decision? in
                guard state.replaces else { return nil }
                return state.seats[seat].record.ended(at: now, chance: .random(in: 0...1))
            }
            guard let decision else { return }
            guard case .restart(let pause) = decision else {
                terms.occurred(.ended(pid: pid, reason: reason, pause: nil))
                return fail(seat, reason)
            }
            terms.occurred(.ended(pid: pid, reason: reason, pause: pause))
            if pause > .zero { await Deadline.pause(for: pause) }
            guard state.withLock({ $0.replaces }) else { return }
            let begin = ContinuousClock.now
            do throws(HostError) {
                guard let worker = try await fill(seat) else { return }
                let milliseconds = begin.duration(to: .now) / .milliseconds(1)
                return terms.occurred(.restarted(pid: worker.pid, milliseconds: milliseconds))
            } catch {
                (pid, reason) = (0, Self.words(error))
            }
        }
    }

    private static func words(_ error: HostError) -> String {
        ([error.what] + error.reasons).joined(separator: "; ")
    }

    /// Makes a process for a seat; nil when none is wanted any more.
    private nonisolated(nonsending) func fill(
        _ seat: Int
    ) async throws(HostError) -> Source.Worker? {
        guard let source = state.withLock({ $0.source }) else { return nil }
        let worker = try await source.makeWorker(seat, seconds: terms.startSeconds)
        let now = elapsed
        let isWanted = state.withLock { state in
            guard state.replaces else { return false }
            state.seats[seat].worker = worker
            state.seats[seat].record.started(at: now)
            state.seats[seat].pings = pings(from: now)
            state.seats[seat].restarts += 1
            return true
        }
        if !isWanted { worker.kill("it is not wanted any more") }
        watch(worker, in: seat)
        return isWanted ? worker : nil
    }

    private func fail(_ seat: Int, _ reason: String) {
        let (source, isLast) = state.withLock { state in
            state.seats[seat].hasFailed = true
            return (state.source, state.seats.allSatisfy(\.hasFailed))
        }
        source?.gaveUp(seat)
        guard isLast else { return }
        let (name, policy) = (terms.name, terms.restarts)
        terms.occurred(
            .failed(
                HostError(
                    "worker_failed", what: "plugin \"\(name)\" does not serve any more",
                    why: "its process ended more than \(policy.restartsMax) times within "
                        + "\(policy.window.components.seconds) s; the last time: \(reason)",
                    fix: "see: host logs \(name); try again with: host reload \(name) --force")))
    }

    // MARK: - Pings

    private func pings(from now: Duration) -> PingRecord? {
        terms.pingInterval.map {
            PingRecord(interval: $0, missesMax: terms.pingMissesMax, from: now)
        }
    }

    /// Looks after the processes once more in a while.
    private func schedulePings() {
        guard let interval = terms.pingInterval else { return }
        let deadline = Deadline(after: interval) { [weak self] in
            self?.ping()
            self?.schedulePings()
        }
        state.withLock { $0.pinger = $0.stage == .keeping ? deadline : nil }
    }

    private func ping() {
        let now = elapsed
        let (source, asked) = state.withLock { state in
            let asked = state.seats.indices.compactMap {
                seat -> (Int, Source.Worker, PingRecord.Action)? in
                guard let worker = state.seats[seat].worker,
                    let action = state.seats[seat].pings?.look(at: now)
                else { return nil }
                return (seat, worker, action)
            }
            return (state.source, asked)
        }
        for (seat, worker, action) in asked {
            switch action {
            case .wait: break
            case .giveUp(let misses): worker.kill("it did not answer \(misses) pings in a row")
            case .ask(let number):
                source?.ping(worker) { [weak self] in
                    self?.answered(number, by: worker, in: seat)
                }
            }
        }
    }

    private func answered(_ number: UInt64, by worker: Source.Worker, in seat: Int) {
        let now = elapsed
        state.withLock { state in
            guard state.seats[seat].worker === worker else { return }
            state.seats[seat].pings?.answered(number, at: now)
        }
    }
}
