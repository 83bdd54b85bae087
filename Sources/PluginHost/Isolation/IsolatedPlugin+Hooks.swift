import CLinux
import CPluginABI
import HostModel
import Synchronization

/// What the processes of an isolated plugin ask about hooks and points.
extension IsolatedPlugin {
    /// The most points of one generation, and the most runs of points at a time.
    private static let pointsMax = 256
    private static let runsMax = 1_024

    func answerAboutHooks(_ request: ControlChannel.Request, _ worker: IsolatedWorker) {
        switch request.topic {
        case RemoteTopic.addHook: reply(request, addHook(request.json, worker))
        case RemoteTopic.point: reply(request, addPoint(request.json, worker))
        case RemoteTopic.enterPoint: worker.asHook(request.json) { enterPoint(request, worker) }
        default: leavePoint(request, worker)
        }
    }

    // MARK: - Hooks

    private func addHook(_ json: JSONValue, _ worker: IsolatedWorker) -> ph_status {
        guard let number = json["number"]?.number64,
            let point = json["point"]?.string.flatMap({ PointName($0) }),
            let options = HookOptions(json: json), options.fits(point)
        else { return ph_status(PH_INVALID) }
        // What other processes have added alike is the same hook.
        let added = state.withLock { state -> RemoteHook? in
            let isKnown = state.hooks.contains {
                $0.point == point && $0.options == options && $0.add(worker, as: number)
            }
            guard !isKnown else { return nil }
            let hook = RemoteHook(point, options)
            _ = hook.add(worker, as: number)
            state.hooks.append(hook)
            return hook
        }
        guard let added else { return ph_status(PH_OK) }
        let hook = unsafe RegisteredHook(
            point, options, added.functions, of: member, log: parts.terms.log, remote: added)
        if door.switchboard.hooks.add(hook) { return ph_status(PH_OK) }
        state.withLock { $0.hooks.removeAll { $0 === added } }
        return ph_status(PH_LIMIT)
    }

    // MARK: - Points

    private func addPoint(_ json: JSONValue, _ worker: IsolatedWorker) -> ph_status {
        guard let text = json["point"]?.string, text.hasPrefix(manifest.name.text + "/"),
            let name = PointName(text)
        else { return ph_status(PH_INVALID) }
        let isTaken = state.withLock { state in
            guard state.points[name] != nil || state.points.count < Self.pointsMax else {
                return false
            }
            state.points[name, default: []].append(worker)
            return true
        }
        guard isTaken else { return ph_status(PH_LIMIT) }
        let point = door.switchboard.hooks.point(name)
        point.whenFilledOrEmptied(for: self) { [weak self, weak point] in
            if let point { self?.tell(of: point) }
        }
        tell(of: point)
        return ph_status(PH_OK)
    }

    /// Tells the processes whether something hangs on a point; what is told last is what is so.
    private func tell(of point: HookPoint) {
        telling.withLock { _ in
            let workers = state.withLock { $0.points[point.name] ?? [] }
            let json: JSONObject = [
                "point": .string(point.name.description), "hooked": .bool(!point.isEmpty),
            ]
            for worker in workers {
                worker.channel.request(RemoteTopic.pointState, json) { _ in }
            }
        }
    }

    /// Has the hooks of a point enter, or one of them do the work.
    private func enterPoint(_ request: ControlChannel.Request, _ worker: IsolatedWorker) {
        guard let name = request.json["point"]?.string.flatMap({ PointName($0) }),
            state.withLock({ $0.points[name] != nil })
        else { return reply(request, PH_INVALID) }
        let point = door.switchboard.hooks.point(name)
        let run = unsafe PointRun(
            point, point.hooks ?? PointChain([]), plugin: manifest.name.text,
            payload: UnsafeRawBufferPointer(start: nil, count: 0))
        unsafe request.bytes.withUnsafeBytes { unsafe run.settle($0) }
        let given = run.payloadsGiven
        let depth = request.json["depth"]?.integer.flatMap { Int(exactly: $0) } ?? 0
        let (entered, replaced) = PointDepth.with(depth) {
            let entered = run.enter()
            return (entered, entered >= PH_OK ? run.replace() : nil)
        }
        var json: JSONObject = ["status": .status(replaced ?? entered)]
        if entered < PH_OK || replaced != nil {
            _ = PointDepth.with(depth) { run.leave(replaced ?? entered) }
            json["reason"] = run.refusal.map { .string($0.reason) }
        } else {
            let kept = RemoteRun(run, serial: worker.serial, depth: depth)
            let number = state.withLock { state -> UInt64? in
                guard state.runs.count < Self.runsMax else { return nil }
                state.lastRun += 1
                state.runs[state.lastRun] = kept
                return state.lastRun
            }
            guard let number else {
                _ = run.leave(ph_status(PH_LIMIT))
                return reply(request, PH_LIMIT)
            }
            json["run"] = .number64(number)
        }
        answer(request, json, run, since: given)
    }

    /// Has the hooks leave that have entered.
    private func leavePoint(_ request: ControlChannel.Request, _ worker: IsolatedWorker) {
        let number = request.json["run"]?.number64 ?? 0
        let kept = state.withLock { state in
            state.runs[number]?.serial == worker.serial
                ? state.runs.removeValue(forKey: number) : nil
        }
        guard let kept else { return reply(request, PH_WRONG_STATE) }
        let status = request.json["status"]?.integer.flatMap { ph_status(exactly: $0) } ?? 0
        if request.json["gives"]?.bool == true {
            unsafe request.bytes.withUnsafeBytes { unsafe kept.run.settle($0) }
        }
        let given = kept.run.payloadsGiven
        _ = PointDepth.with(kept.depth) { kept.run.leave(status) }
        answer(request, ["status": .status(status)], kept.run, since: given)
    }

    private func answer(
        _ request: ControlChannel.Request, _ json: JSONObject, _ run: PointRun, since given: Int
    ) {
        var json = json
        let gives = run.payloadsGiven > given
        json["gives"] = .bool(gives)
        request.reply(.object(json), gives ? unsafe Array(run.payload) : [])
    }

    // MARK: - Ends

    /// Takes a process that has ended out of its hooks and points, and has the hooks leave that
    /// have entered for it.
    func forgetHooks(of worker: IsolatedWorker) {
        let (hooks, orphans, runs) = state.withLock { state in
            let orphans = state.points.compactMap { name, workers in
                workers.allSatisfy { $0 === worker } ? name : nil
            }
            for name in state.points.keys { state.points[name]?.removeAll { $0 === worker } }
            for name in orphans { state.points[name] = nil }
            let runs = state.runs.filter { $0.value.serial == worker.serial }
            for number in runs.keys { state.runs[number] = nil }
            return (state.hooks, orphans, Array(runs.values))
        }
        for hook in hooks { hook.remove(worker) }
        for name in orphans { door.switchboard.hooks.point(name).ignore(self) }
        for kept in runs {
            worker.threads.run {
                _ = PointDepth.with(kept.depth) { kept.run.leave(ph_status(PH_GONE)) }
            }
        }
    }
}

/// A run of a point of an isolated plugin: its hooks have entered, and the work is done in one of
/// the plugin's processes.
///
/// `@unchecked Sendable` because one after the other has it: the thread on which the hooks enter,
/// and the one that takes it out of the plugin's book for them to leave.
final class RemoteRun: @unchecked Sendable {
    let run: PointRun
    /// Which process does the work.
    let serial: Int
    let depth: Int

    init(_ run: PointRun, serial: Int, depth: Int) {
        self.run = run
        self.serial = serial
        self.depth = depth
    }
}

extension IsolatedWorker {
    /// Does something that the process asks for; if a hook asks for it, it passes no hooks. That is
    /// believed only of one in which a hook is being called.
    func asHook<Result>(_ json: JSONValue, _ body: () -> Result) -> Result {
        guard json["in_hook"]?.bool == true, hooksCalled.load(ordering: .relaxed) > 0 else {
            return body()
        }
        linux_enter_hook()
        defer { linux_leave_hook() }
        return body()
    }
}
