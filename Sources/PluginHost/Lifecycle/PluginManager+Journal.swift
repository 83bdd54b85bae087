import HostModel

/// Events that wait to be written.
struct WaitingEvents {
    var group: Journal.Group
    var writer: CheckedContinuation<Result<Void, HostError>, Never>
}

/// Writing what happened, and taking it in.
///
/// The registry takes events in in the order of the journal, so that at each moment it is the fold
/// of what is written: events wait in one line, and those that came while the disk was busy are
/// written together.
extension PluginManager {
    /// Carries out a command that is nothing but its events.
    ///
    /// It is decided on what is known now, and written only if nothing else has happened to the
    /// plugin meanwhile; else it is decided again.
    ///
    /// - Returns: what has happened.
    /// - Throws: as `Registry.decide`, or `HostError` of the journal.
    @discardableResult
    func execute(
        _ command: LifecycleCommand, on name: PluginName
    ) async throws(HostError) -> [LifecycleEvent.Fact] {
        var tries = 1
        while true {
            let facts = try registry.decide(command, on: name)
            do throws(HostError) {
                try await record(facts, on: name, expecting: heads[name] ?? 0)
                return facts
            } catch {
                guard error.code == "journal_conflict", tries < Self.decisionsMax else {
                    throw error
                }
                tries += 1
            }
        }
    }

    /// How often a command is decided at most.
    private static var decisionsMax: Int { 8 }

    /// Writes what happened to the journal, then takes it in.
    ///
    /// - Parameter expected: the plugin's last event when this was decided; nil: whatever it is.
    func record(
        _ facts: [LifecycleEvent.Fact], on name: PluginName, expecting expected: Int64? = nil
    ) async throws(HostError) {
        guard !facts.isEmpty else { return }
        let events = facts.map { LifecycleEvent($0, plugin: name, time: .now) }
        // Whoever takes the root over writes down that these generations are gone.
        if isFrozen { return takeIn(events) }
        guard batch == nil else {
            batch?.append(Journal.Group(plugin: name, events: events))
            return takeIn(events)
        }
        let group = Journal.Group(plugin: name, events: events, expected: expected)
        let outcome = await withCheckedContinuation { writer in
            waitingEvents.append(WaitingEvents(group: group, writer: writer))
            guard !isWriting else { return }
            isWriting = true
            Task(executorPreference: control) { await self.writeWaiting() }
        }
        try outcome.get()
    }

    /// Writes what happened where a full disk must not undo it: the failure is logged.
    func note(_ fact: LifecycleEvent.Fact, on name: PluginName) async {
        do throws(HostError) {
            try await record([fact], on: name)
        } catch {
            let event = LifecycleEvent(fact, plugin: name, time: .now)
            takeIn([event])
            announce([event], upTo: nil)
            say(.error, "\(fact.name) could not be written to the journal: \(error)", name)
        }
    }

    /// Writes the events of the start in one go.
    func writeBatch() async throws(HostError) {
        let groups = batch ?? []
        batch = nil
        guard !groups.isEmpty else { return }
        let journal = journal
        let results = try await Blocking.run { () throws(HostError) in
            try journal.append(groups)
        }
        for (group, result) in zip(groups, results) {
            let sequence = try result.get()
            heads[group.plugin] = sequence
            announce(group.events, upTo: sequence)
        }
    }

    private func writeWaiting() async {
        let journal = journal
        while !waitingEvents.isEmpty {
            let waiting = waitingEvents
            waitingEvents = []
            let groups = waiting.map(\.group)
            do throws(HostError) {
                let results = try await Blocking.run { () throws(HostError) in
                    try journal.append(groups)
                }
                for (one, result) in zip(waiting, results) { settle(one, result) }
            } catch {
                for one in waiting { one.writer.resume(returning: .failure(error)) }
            }
        }
        isWriting = false
    }

    private func settle(_ waiting: WaitingEvents, _ result: Result<Int64, HostError>) {
        if case .success(let sequence) = result {
            heads[waiting.group.plugin] = sequence
            takeIn(waiting.group.events)
            announce(waiting.group.events, upTo: sequence)
        }
        waiting.writer.resume(returning: result.map { _ in })
    }

    private func takeIn(_ events: [LifecycleEvent]) {
        for event in events { registry.evolve(event) }
    }
}
