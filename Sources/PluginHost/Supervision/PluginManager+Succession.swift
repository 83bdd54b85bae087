package import HostModel

/// Handing the root over to another process, which serves the same listeners.
extension PluginManager {
    /// Returns when the manager has its turn.
    package func answer() {}

    /// Stops changing anything: what is being done is finished, and nothing else is begun.
    ///
    /// From now on nothing is written to the journal, and operators are refused. Plugins serve on.
    package func freeze() async {
        isFrozen = true
        watcher = nil
        watched = [:]
        for slot in slots.values {
            while slot.isBusy {
                await withCheckedContinuation { waiter in
                    if slot.isBusy { slot.waiters.append(waiter) } else { waiter.resume() }
                }
            }
            // Whoever waits behind is refused as well.
            if !slot.waiters.isEmpty { slot.waiters.removeFirst().resume() }
        }
        while isWriting { await Deadline.pause(for: .milliseconds(2)) }
    }

    /// Goes on after all, because the other process did not come up.
    ///
    /// What that one has written is taken in, but for what it said of its own generations.
    ///
    /// - Parameter survivors: the processes that the other one had gone on with.
    package func thaw(_ survivors: [Survivor]) async throws(HostError) {
        let journal = journal
        let replayed = try await Blocking.run { () throws(HostError) in try journal.replay() }
        registry = replayed.registry
        heads = replayed.heads
        isFrozen = false
        for (name, lost) in registry.lostGenerations() { try await record([lost], on: name) }
        // Whatever it has been told of them before this has been taken in.
        await ChildKeeper.shared.settle()
        for slot in slots.values {
            // Files of the other process may bear the next numbers.
            slot.lastNumber += Self.numbersSkipped
            guard let loaded = slot.current?.loaded else { continue }
            await loaded.takeBack(
                survivors.filter {
                    $0.isOrphan && $0.plugin == slot.name
                        && $0.number("generation") == loaded.number
                })
            await note(
                .loaded(
                    generation: loaded.number, libraryDigest: loaded.digest, milliseconds: 0),
                on: slot.name)
        }
        end(survivors)
        try makeWatcher()
        followEverything()
    }

    private static var numbersSkipped: Int { 16 }

    /// Says that the root is no longer this process's to change.
    func refuseWhenFrozen() throws(HostError) {
        guard isFrozen, !isStopping else { return }
        throw HostError(
            "being_replaced", what: "the host takes no orders just now",
            why: "another process is about to take its place", fix: "try again")
    }
}
