import HTTPServer
import HostModel

/// Handing the state of one generation to the next.
extension PluginManager {
    /// Gives what the generation in force saves to one that has been initialized and not started.
    ///
    /// If the former asks for it, its requests wait from here on until `letRequestsGo`.
    /// - Returns: when the whole reload has to be done; nil if there is nothing to hand over.
    /// - Throws: `hand_over_late` when requests of the former do not end; what the plugins refuse.
    func handOver(
        to loaded: any PluginInstance, _ slot: PluginSlot
    ) async throws(HostError) -> ContinuousClock.Instant? {
        guard let former = slot.current, former.loaded.savesState else { return nil }
        guard loaded.restoresState else {
            say(
                .warning, "it takes no state over: what its predecessor knew is lost", slot.name,
                loaded)
            return nil
        }
        let begin = clock.now
        let limit = loaded.manifest.limits.handOverSeconds ?? options.handOverSeconds
        let deadline = begin + .seconds(limit)
        if former.loaded.savesQuietly { try await quieten(former, slot, limit) }
        let saved = try await former.loaded.save(seconds: secondsLeft(until: deadline))
        try await loaded.restore(saved, seconds: secondsLeft(until: deadline))
        let milliseconds = (clock.now - begin) / .milliseconds(1)
        await note(
            .stateHandedOver(
                from: former.loaded.number, to: loaded.number, schemaVersion: saved.schemaVersion,
                bytes: saved.bytes.count, milliseconds: milliseconds), on: slot.name)
        return deadline
    }

    /// Whole seconds until a moment, at least one.
    func secondsLeft(until deadline: ContinuousClock.Instant) -> Int {
        max(1, Int(((deadline - clock.now) / .seconds(1)).rounded(.up)))
    }

    /// Lets new requests wait, and waits for those that run.
    private func quieten(
        _ image: HostedImage, _ slot: PluginSlot, _ seconds: Int
    ) async throws(HostError) {
        guard let server, let generation = image.generation else { return }
        slot.held = Generation(
            holding: generation, overrides: image.loaded.manifest.routes ?? [])
        await publish(slot)
        let latch = DrainLatch(parties: server.reactors.count)
        await server.forEachReactor { reactor in
            generation.beginDraining(reactor: reactor.index, mayHaveSockets: true) {
                latch.arrive()
            }
        }
        if await latch.wait(deadline: .seconds(seconds)) { return }
        await server.forEachReactor { generation.endDraining(reactor: $0.index) }
        if latch.isOpen { return }
        throw HostError(
            "hand_over_late", what: "plugin \"\(slot.name)\" did not hand its state over",
            why: "\(image.work) after \(seconds) s",
            fix: "try again when they have ended, or raise limits.handOverSeconds in"
                + " manifest.json")
    }

    /// Has the requests that waited answered by what serves now.
    func letRequestsGo(_ slot: PluginSlot) async {
        guard let held = slot.held else { return }
        slot.held = nil
        await publish(slot)
        held.hold?.end()
        // Requests whose bodies are still coming are counted on it.
        Task { await self.keep(held) }
    }

    private func keep(_ held: Generation) async {
        guard let server else { return }
        let latch = DrainLatch(parties: server.reactors.count)
        await server.forEachReactor { reactor in
            held.beginDraining(reactor: reactor.index) { latch.arrive() }
        }
        _ = await latch.wait(deadline: nil)
        withExtendedLifetime(held) {}
    }
}
