import CLinux
import Glibc
import HostModel
import Synchronization

/// Going on with processes that another engine has had started.
///
/// 1. A new channel is sent to the process, and it is asked what it runs and how; its answer says
///    that its loops turn.
/// 2. That has to be what it would be told now.
/// 3. With `start` it is told that this is its engine from now on. It has everything put to this
///    one that it had asked the other one for, and hangs up on that one.
extension IsolatedPlugin {
    var isReattached: Bool { state.withLock { $0.isReattached } }

    /// Finds the processes that go on as they are; nil: none does, and those that belong to nobody
    /// are ended.
    nonisolated(nonsending) static func reattach(
        _ parts: Parts, _ survivors: [Survivor]
    ) async -> IsolatedPlugin? {
        guard let first = survivors.first, first.kept(1) >= 0, first.kept(2) >= 0 else {
            return nil
        }
        let listener = PrivateListener(copying: first.kept(1), handle: first.kept(2))
        let plugin = IsolatedPlugin(parts, listener)
        for survivor in survivors { await plugin.find(survivor) }
        return plugin.isReattached ? plugin : nil
    }

    private nonisolated(nonsending) func find(_ survivor: Survivor) async {
        let (log, subject) = (parts.terms.log, member.subject)
        do throws(HostError) {
            let worker = try IsolatedWorker.connect(survivor, name, log, subject) {
                [weak self] worker, request in
                self?.answer(request, of: worker)
            }
            do throws(HostError) {
                let seconds = parts.terms.startSeconds
                let json = try await worker.channel.ask(
                    RemoteTopic.attach, ["seconds": .number(JSONNumber(seconds))], within: seconds
                ).json
                try take(survivor, worker, json)
            } catch {
                log.write(
                    .info,
                    "process \(survivor.pid) does not go on: "
                        + error.reasons.joined(separator: "; "), about: subject)
                worker.letGo(survivor, seconds: parts.terms.startSeconds)
            }
        } catch {
            log.write(.warning, error.description, about: subject)
            if survivor.isOrphan { survivor.kill() }
        }
    }

    /// Notes a process that is as it is to be.
    private func take(
        _ survivor: Survivor, _ worker: IsolatedWorker, _ json: JSONValue
    ) throws(HostError) {
        func unfit(_ why: String) -> HostError {
            HostError("worker_unfit", what: "a process does not go on", why: why)
        }
        guard json["protocol"]?.integer == Int64(WorkerOrder.protocolVersion) else {
            throw unfit("it speaks another version")
        }
        guard json["stage"]?.string == WorkerStage.serving.rawValue else {
            throw unfit("it does not serve")
        }
        let wanted = WorkerOrder.essence(.object(order(state.withLock { $0.configuration }).json))
        let isConfined = survivor.description["confinement"] ?? .null == parts.terms.told
        guard WorkerOrder.essence(json["order"] ?? .null) == wanted, isConfined else {
            throw unfit("it would be told something else today")
        }
        let routes = try Self.routes(json)
        let isEmpty = pool.emptySeats.contains(worker.seat)
        let isFree = state.withLock { state in
            guard isEmpty, !state.found.contains(where: { $0.worker.seat == worker.seat }) else {
                return false
            }
            state.routes = routes
            state.noteOffers(json)
            state.noteHabits(json)
            state.lastSerial = max(state.lastSerial, worker.serial)
            state.found.append((survivor, worker))
            state.isReattached = true
            return true
        }
        guard isFree else { throw unfit("there is another one in its place") }
        // Until it is taken over.
        if !survivor.isOrphan { pool.isElsewhere = true }
    }

    /// Has the processes go on for this engine, and starts those that are missing.
    nonisolated(nonsending) func takeOver(seconds: Int) async throws(HostError) {
        pool.isElsewhere = false
        await takeFound(seconds: seconds)
        for seat in pool.emptySeats {
            pool.put(try await makeWorker(seat, seconds: seconds), in: seat)
        }
    }

    /// Has the processes go on for this engine that have been found.
    private nonisolated(nonsending) func takeFound(seconds: Int) async {
        let found = state.withLock { state in
            defer { state.found = [] }
            return state.found
        }
        for (survivor, worker) in found {
            parts.terms.claim(survivor.id)
            do throws(HostError) {
                try await worker.step(
                    RemoteTopic.take, ["party": .number(JSONNumber(member.party))],
                    seconds: seconds)
                pool.put(worker, in: worker.seat)
            } catch {
                parts.terms.log.write(.warning, error.description, about: member.subject)
                worker.kill("it could not be taken over")
                forget(worker)
            }
        }
    }

    /// Has those go on for this engine that were its before another one had them.
    nonisolated(nonsending) func recover(_ survivors: [Survivor]) async {
        for survivor in survivors { await find(survivor) }
        await takeFound(seconds: parts.terms.startSeconds)
    }

    /// Lets processes go that were found and not taken over.
    func letFoundGo() {
        let found = state.withLock { state in
            defer { state.found = [] }
            return state.found
        }
        for (survivor, worker) in found { worker.letGo(survivor, seconds: 1) }
    }
}

extension IsolatedWorker {
    /// Opens a channel to a process that another engine has had started.
    static func connect(
        _ survivor: Survivor, _ name: PluginName, _ log: HostLog, _ subject: HostLog.Subject,
        take: @escaping @Sendable (IsolatedWorker, ControlChannel.Request) -> Void
    ) throws(HostError) -> IsolatedWorker {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw .system("a worker's channel could not be made", subject: "", errno: errno)
        }
        defer { _ = linux_close(ends[1]) }
        let channel = try ControlChannel(owning: ends[0])
        let failure = WorkerLeash.send(ends[1], over: survivor.kept(0))
        guard failure == 0 else {
            throw .system("a worker could not be reached", subject: "", errno: failure)
        }
        let worker = IsolatedWorker(
            serial: survivor.number("serial") ?? 0, seat: survivor.number("seat") ?? -1,
            process: survivor.adopt(log: log, subject: subject), channel: channel, name: name,
            startedAt: survivor.startedAt)
        do throws(HostError) {
            try worker.listen(take)
        } catch {
            worker.letGo(survivor, seconds: 1)
            throw error
        }
        return worker
    }

    /// Leaves a process to the engine that it belongs to, or ends it in good order if there is
    /// none.
    func letGo(_ survivor: Survivor, seconds: Int) {
        guard survivor.isOrphan else {
            channel.end()
            return ChildKeeper.shared.ended(survivor.id, .handedOver)
        }
        Task {
            let patience = Deadline(after: .seconds(seconds)) {
                self.kill("nobody goes on with it")
            }
            defer { patience.cancel() }
            for topic in [RemoteTopic.take, RemoteTopic.stop, RemoteTopic.close] {
                _ = try? await channel.ask(
                    topic, ["seconds": .number(JSONNumber(seconds))], within: seconds)
            }
            channel.end()
            _ = await process.waitForEnd()
        }
    }
}
