import HostModel

/// Plugins that keep threads and do not give them back.
///
/// Code cannot be taken off a thread. A plugin that keeps many for much longer than it may is
/// quarantined, and the engine is replaced: the threads go with the old process, and nobody else
/// notices.
extension PluginManager {
    private static var lookPeriod: Duration { .seconds(1) }

    func lookForStuckThreadsAgainAndAgain() async {
        guard options.stuckThreadsMax > 0 else { return }
        while !isStopping {
            await Deadline.pause(for: Self.lookPeriod)
            for slot in slots.values where !isFrozen && !slot.isBusy { await lookAt(slot) }
        }
    }

    private func lookAt(_ slot: PluginSlot) async {
        guard let image = slot.current, let generation = image.generation,
            generation.limits.requestSeconds > 0
        else { return }
        let seconds = 2 * generation.limits.requestSeconds
        let count = generation.calls.running(longerThan: .seconds(seconds)).count
        guard count >= options.stuckThreadsMax else { return }
        let reason = "\(count) threads have been in it for more than \(seconds) s"
        do throws(HostError) {
            try await exclusively(slot.name) { slot throws(HostError) in
                guard slot.current === image else { return }
                let quarantine = Quarantine(
                    reason: reason, generation: image.loaded.number, digest: image.loaded.digest)
                try await execute(.quarantine(quarantine), on: slot.name)
                slot.lastError = quarantine.error(of: slot.name)
                say(.error, quarantine.error(of: slot.name).description, slot.name, image.loaded)
                slot.current = nil
                slot.leaving.append(image)
                switchboard.withdraw(image.loaded.member)
                await publish(slot)
            }
        } catch {
            return say(.error, error.description, slot.name)
        }
        Task {
            _ = await self.retire(image, slot, DrainPolicy(seconds: 0, outcome: .quarantine))
        }
        options.onStuckThreads?()
    }
}
