internal import CLinux
internal import Glibc
internal import HostModel

/// Children that outlive engines: those in which plugins run.
///
/// 1. An engine asks for one, and gives along what is to be kept for later.
/// 2. It belongs to that engine. Its end is told to the owner.
/// 3. When the engine has crashed, it belongs to nobody, and the next engine is offered it.
/// 4. When an engine takes over from one that still serves, it is offered what that one has, and
///    claims what it goes on with. If it dies before it serves, these belong to nobody, and that
///    one is offered them again.
/// 5. What still belongs to an engine that has ended well, or to nobody once the next one serves,
///    is ended; and so is everything with the supervisor.
extension Supervisor {
    /// Carries out what an engine asks for; false if it is about something else.
    func attend(_ message: WireMessage, _ process: EngineProcess) -> Bool {
        switch message.word {
        case .launch: launch(message, for: process)
        case .children: offerChildren(to: process)
        case .claim: claim(message.number, process)
        default: return false
        }
        return true
    }

    private func launch(_ message: WireMessage, for process: EngineProcess) {
        let json = message.json
        var given = message.descriptors[...]
        let passed = json["passed"]?.integer.flatMap { Int(exactly: $0) } ?? -1
        var pidfd: Int32 = -1
        var pid = -EINVAL
        // What it prints to, what it gets, and what is kept: at least two ends to read from.
        if var plan = ChildProcess.Plan(json: json), passed >= 0, given.count >= passed + 4 {
            let (output, errors) = (given.removeFirst(), given.removeFirst())
            plan.descriptors = Array(given.prefix(passed))
            given = given.dropFirst(passed)
            let null = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
            pid = ChildKeeper.launch(plan, null, output, errors, &pidfd)
            linux_close(null)
        }
        let kept = pid > 0 ? Array(given) : []
        for descriptor in message.descriptors where !kept.contains(descriptor) {
            linux_close(descriptor)
        }
        guard pid > 0 else {
            return process.tell(
                WireMessage(
                    word: .refused, number: message.number,
                    json: ["errno": .number(JSONNumber(-pid))]))
        }
        lastChild += 1
        let child = KeptChild(
            id: lastChild, pid: pid, pidfd: pidfd, descriptors: kept,
            description: json["description"] ?? .null,
            startedAt: Int64(linux_monotonic_milliseconds()), owner: process)
        children.append(child)
        process.tell(
            WireMessage(
                word: .launched, number: message.number,
                json: ["id": .number(JSONNumber(child.id)), "pid": .number(JSONNumber(pid))],
                descriptors: [pidfd]))
    }

    private func offerChildren(to process: EngineProcess) {
        for child in children where child.owner !== process {
            let isOrphan = child.owner == nil
            if isOrphan { child.owner = process }
            process.tell(
                WireMessage(
                    word: .child, number: child.id,
                    json: [
                        "pid": .number(JSONNumber(child.pid)),
                        "started": .number(JSONNumber(child.startedAt)),
                        "orphan": .bool(isOrphan), "description": child.description,
                    ], descriptors: [child.pidfd] + child.descriptors))
        }
        process.tell(.children)
    }

    private func claim(_ id: Int32, _ process: EngineProcess) {
        guard let child = children.first(where: { $0.id == id }) else {
            return process.tell(WireMessage.ended(id, -SIGKILL))
        }
        if let former = child.owner, former !== process {
            former.tell(WireMessage(word: .taken, number: id))
            if succession.successor === process { child.lender = former }
        }
        child.owner = process
    }

    func childEnded(_ child: KeptChild) {
        children.removeAll { $0 === child }
        let status = child.reap()
        endedSessions.insert(child.pid)
        sweepOrphans()
        child.owner?.tell(WireMessage.ended(child.id, status))
    }

    /// Leaves an engine's children to the next one.
    func orphanChildren(of process: EngineProcess) {
        for child in children where child.owner === process { child.owner = nil }
    }

    /// Leaves to the engine that goes on what its successor had claimed of it, and ends what that
    /// one had started itself.
    func giveBackChildren(of successor: EngineProcess) {
        for child in children where child.owner === successor && child.lender != nil {
            (child.owner, child.lender) = (nil, nil)
        }
        endChildren { $0.owner === successor }
    }

    /// Ends the children of an engine that is gone, those of nobody, or all.
    func endChildren(where isMeant: (KeptChild) -> Bool) {
        for child in children where isMeant(child) {
            _ = linux_signal_child(child.pidfd, SIGKILL)
            _ = child.reap()
            endedSessions.insert(child.pid)
            sweepsAt = EngineProcess.now
        }
        children.removeAll(where: isMeant)
    }
}

extension WireMessage {
    static func ended(_ child: Int32, _ status: Int32) -> WireMessage {
        WireMessage(
            word: .ended, number: child, json: ["status": .number(JSONNumber(status))])
    }
}
