import HostModel

/// Releases side by side.
///
/// For the overlap window after an upgrade the generation that was superseded stands by: it is up,
/// and nobody is sent to it. If the one in force dies within the window, the highest release that
/// stands by and is well takes its place. Whether a generation is well, its heartbeat tells: the
/// host asks each that says how it is, again and again.
extension PluginManager {
    // MARK: - Standing by

    /// How long a generation is to stand by that another release supersedes; nil: not at all.
    func overlap(_ former: HostedImage, _ image: HostedImage) -> Duration? {
        let seconds = image.loaded.manifest.limits.overlapSeconds ?? options.overlapSeconds
        guard seconds > 0, !isStopping, former.release != image.release, !former.release.isEmpty
        else { return nil }
        return .seconds(seconds)
    }

    /// Keeps a generation that no longer serves up for a while.
    func standBy(_ image: HostedImage, _ slot: PluginSlot, for window: Duration) {
        slot.leaving.removeAll { $0 === image }
        slot.standbys.append(image)
        image.use = .standby
        say(.info, "stands by for \(window.components.seconds) s", slot.name, image.loaded)
        let (name, number) = (slot.name, image.loaded.number)
        image.windowEnd = Deadline(after: window) { [weak self] in
            guard let self else { return }
            Task(executorPreference: control) { await self.endWindow(name, number) }
        }
    }

    private func endWindow(_ name: PluginName, _ number: Int) async {
        guard let slot = slots[name],
            let image = slot.standbys.first(where: { $0.loaded.number == number })
        else { return }
        await dismiss(image, slot, options.drain)
    }

    /// Takes down everything that stands by, or is being tried.
    func dismissStandbys(_ slot: PluginSlot, _ policy: DrainPolicy) async {
        if let image = await endCanary(slot, reason: "the plugin was taken out of service") {
            _ = await retire(image, slot, policy.patient)
        }
        while let image = slot.standbys.first { await dismiss(image, slot, policy) }
    }

    func dismiss(_ image: HostedImage, _ slot: PluginSlot, _ policy: DrainPolicy) async {
        slot.standbys.removeAll { $0 === image }
        slot.leaving.append(image)
        // What stands by has been left by its requests long ago.
        _ = await retire(image, slot, policy.patient)
    }

    // MARK: - Heartbeats

    /// Begins to ask a generation how it is, if it says so at all.
    func listen(to image: HostedImage, of name: PluginName) {
        let seconds = image.loaded.manifest.limits.heartbeatSeconds ?? options.heartbeatSeconds
        guard seconds > 0, image.loaded.saysHowItIs, !isStopping else { return }
        let number = image.loaded.number
        image.heartbeat = Deadline(after: .seconds(seconds)) { [weak self] in
            guard let self else { return }
            Task(executorPreference: control) { await self.beat(name, number) }
        }
    }

    /// How often in a row an answer may be late: a busy machine is no reason to give a release up.
    private static var silencesMax: Int { 2 }

    private func beat(_ name: PluginName, _ number: Int) async {
        guard let slot = slots[name], let image = slot.upImage(number) else { return }
        let health = await image.loaded.checkHealth()
        // It may have been superseded or taken down while it was asked.
        guard slot.upImage(number) === image else { return }
        image.health = health
        tellReadiness()
        let silence = image.loaded.stuckReason
        image.silences = silence == nil ? 0 : image.silences + 1
        if let (state, reason) = health, state != .unhealthy {
            await signal(.heartbeat, image, name, reason)
        } else if silence == nil || image.silences >= Self.silencesMax {
            await signal(.miss, image, name, silence ?? health?.reason ?? "")
            if slot.current === image { await failOver(slot) }
        }
        if slot.upImage(number) === image { listen(to: image, of: name) }
    }

    /// Moves the release of a generation; a signal that comes too late moves nothing.
    private func signal(
        _ signal: VersionStatus.Signal, _ image: HostedImage, _ name: PluginName, _ reason: String
    ) async {
        guard registry[name]?.version(in: image.release) != nil else { return }
        let why = reason.isEmpty ? "it did not say why" : reason
        do throws(HostError) {
            let moved = try await execute(
                .signal(signal, directory: image.release, reason: reason), on: name)
            guard !moved.isEmpty else { return }
            if signal == .heartbeat {
                say(.info, "connected again", name, image.loaded)
            } else {
                say(.warning, "disconnected: \(why)", name, image.loaded)
            }
        } catch {
            say(.debug, error.description, name, image.loaded)
        }
    }

    // MARK: - Failing over

    /// Puts the highest release that stands by and is well in the place of one that has died.
    private func failOver(_ slot: PluginSlot) async {
        do throws(HostError) {
            try await exclusively(slot.name) { slot throws(HostError) in
                guard let failed = slot.current,
                    registry[slot.name]?.version(in: failed.release)?.status == .disconnected,
                    let image = candidate(slot)
                else { return }
                await supersedeCanary(slot)
                try await supersede(failed, by: image, slot)
            }
        } catch {
            slot.lastError = error
            say(.error, error.description, slot.name)
        }
    }

    private func candidate(_ slot: PluginSlot) -> HostedImage? {
        let record = registry[slot.name]
        return slot.standbys
            .filter { record?.version(in: $0.release)?.status == .connected }
            .max { ($0.loaded.version, $0.loaded.number) < ($1.loaded.version, $1.loaded.number) }
    }

    private func supersede(
        _ failed: HostedImage, by image: HostedImage, _ slot: PluginSlot
    ) async throws(HostError) {
        let name = slot.name
        let installer = installer
        let directory = image.release
        let target = try await Blocking.run { () throws(HostError) in
            try installer.release(named: directory, of: name)
        }
        let record = try registry.installed(name)
        let release = LifecycleEvent.Release(
            version: target.manifest.version, bundleDigest: target.bundleDigest,
            libraryDigest: image.loaded.digest, mode: record.release.mode,
            isInsisted: record.release.isInsisted)
        _ = try await carryOut(
            .rollback(release, directory: directory, from: failed.release), slot,
            apply: { () throws(HostError) in
                try installer.enforce(target)
                return target
            })
        try await execute(
            .signal(.retire, directory: failed.release, reason: "it died within its window"),
            on: name)
        slot.standbys.removeAll { $0 === image }
        image.windowEnd = nil
        image.use = .serving
        _ = await serve(image, slot)
        settled(slot)
        follow(name)
        say(
            .warning,
            "\(name)@\(failed.loaded.version) has died and is retired;"
                + " \(name)@\(image.loaded.version) serves again", name, image.loaded)
        Task { _ = await self.retire(failed, slot, self.options.drain) }
    }
}

extension PluginSlot {
    /// The generation of that number, if it serves or stands by.
    fileprivate func upImage(_ number: Int) -> HostedImage? {
        ((current.map { [$0] } ?? []) + standbys).first { $0.loaded.number == number }
    }
}
