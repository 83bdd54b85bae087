import HostModel

/// New generations that a share of the connections gets first.
///
/// The former generation goes on as the one that serves: what it registered with the services
/// stays, and only requests reach the new one. If that does well until its time is over, it takes
/// the former one's place as after any reload; if not, it is taken down, and the release of the
/// former one is in force again. A host that ends meanwhile, however that comes, has not promoted
/// it.
extension PluginManager {
    // MARK: - Beginning

    /// How a new generation is to be tried; nil: it gets every request at once.
    ///
    /// - Parameter wish: what the operator asked for, which counts more than the manifest.
    /// - Throws: `canary_refused` when the operator asked for what cannot be.
    func canary(
        _ wish: CanaryWish, _ manifest: Manifest, _ slot: PluginSlot
    ) throws(HostError) -> CanaryPolicy? {
        let policy: CanaryPolicy?
        switch wish {
        case .none: return nil
        case .byManifest: policy = manifest.canary
        case .wanted(let text): policy = CanaryPolicy(text, rest: manifest.canary)
        }
        guard let policy, let former = slot.current, !isStopping else { return nil }
        guard former.loaded.savesState else { return policy }
        guard case .wanted = wish else {
            say(
                .warning, "it hands its state over, so it is not tried on a share first",
                slot.name)
            return nil
        }
        throw HostError(
            "canary_refused", what: "plugin \"\(slot.name)\" was not changed",
            why: "it hands its state over to the next generation, so two cannot serve at once",
            fix: "do it without --canary")
    }

    /// Begins to send a share of the connections to a generation that is up.
    func tryOut(_ trial: CanaryTrial, _ slot: PluginSlot) async {
        let (image, policy) = (trial.image, trial.policy)
        image.use = .canary
        slot.lastError = nil
        slot.canary = trial
        await publish(slot)
        say(
            .info, "gets \(policy.percent) of 100 connections for \(policy.seconds) s", slot.name,
            image.loaded)
        await note(
            .canaryStarted(
                generation: image.loaded.number, from: trial.former.release, policy: policy),
            on: slot.name)
        lookLater(trial, slot.name)
    }

    // MARK: - Judging

    private func lookLater(_ trial: CanaryTrial, _ name: PluginName) {
        let number = trial.image.loaded.number
        trial.look = Deadline(after: trial.interval) { [weak self] in
            guard let self else { return }
            Task(executorPreference: control) { await self.lookAtCanary(name, number) }
        }
    }

    private func lookAtCanary(_ name: PluginName, _ number: Int) async {
        guard let trial = slots[name]?.canary, trial.image.loaded.number == number else { return }
        let health = await trial.image.loaded.checkHealth()
        trial.image.health = health
        let illness = health.flatMap { $0.state == .unhealthy ? $0.reason : nil }
        let verdict = trial.policy.verdict(
            elapsedSeconds: trial.elapsedSeconds(at: clock.now), canary: trial.figures,
            former: trial.formerFigures, illness: illness)
        guard verdict != .goOn else { return lookLater(trial, name) }
        do throws(HostError) {
            try await exclusively(name) { slot throws(HostError) in
                // Something else may have ended it meanwhile.
                guard slot.canary === trial else { return }
                switch verdict {
                case .goOn: break
                case .promote: try await promote(trial, slot)
                case .fail(let reason): try await fail(trial, slot, reason: reason)
                }
            }
        } catch {
            slots[name]?.lastError = error
            say(.error, error.description, name)
        }
    }

    // MARK: - Ending

    private func promote(_ trial: CanaryTrial, _ slot: PluginSlot) async throws(HostError) {
        let figures = trial.figures
        slot.canary = nil
        trial.image.use = .serving
        try await enter(
            trial.image, slot, since: clock.now - trial.bringingUp, policy: trial.drain,
            facts: trial.facts)
        await note(
            .canaryPromoted(
                generation: trial.image.loaded.number, requests: figures.requests,
                errors: figures.errors), on: slot.name)
        settled(slot)
    }

    /// Sends everything back to the former generation, and puts its release back in force.
    private func fail(
        _ trial: CanaryTrial, _ slot: PluginSlot, reason: String
    ) async throws(HostError) {
        let number = trial.image.loaded.number
        let error = HostError(
            "canary_failed", what: "plugin \"\(slot.name)\": generation \(number) was sent back",
            why: reason,
            fix: "generation \(trial.former.loaded.number) goes on serving; mend what is wrong"
                + " and install it again")
        slot.lastError = error
        say(.error, error.description, slot.name, trial.image.loaded)
        if let image = await endCanary(slot, reason: reason) {
            Task { _ = await self.retire(image, slot, trial.drain.patient) }
        }
    }

    /// Ends a trial without promotion, if there is one, and puts the release of the former
    /// generation back in force, unless another one is by now.
    ///
    /// - Parameter putsBack: false when what is in force is about to serve.
    /// - Returns: the generation that was tried, which is to be retired.
    func endCanary(
        _ slot: PluginSlot, reason: String, putsBack: Bool = true
    ) async -> HostedImage? {
        guard let trial = slot.canary else { return nil }
        let (image, figures) = (trial.image, trial.figures)
        slot.canary = nil
        trial.look = nil
        slot.leaving.append(image)
        image.use = .draining
        await publish(slot)
        switchboard.withdraw(image.loaded.member)
        await note(
            .canaryFailed(
                generation: image.loaded.number, reason: reason, requests: figures.requests,
                errors: figures.errors), on: slot.name)
        if putsBack {
            await tryToPutBack(trial, slot, reason: reason)
            settled(slot)
        }
        return image
    }

    private func tryToPutBack(_ trial: CanaryTrial, _ slot: PluginSlot, reason: String) async {
        do throws(HostError) {
            try await putBack(
                trial.former.release, from: trial.image.release, slot, reason: reason)
        } catch {
            slot.lastError = error
            say(.error, error.description, slot.name)
        }
    }

    /// Ends a trial because something else begins to be done to the plugin.
    ///
    /// - Parameter putsBack: as for `endCanary`.
    func supersedeCanary(_ slot: PluginSlot, putsBack: Bool = true) async {
        let reason = "another change came before its time was over"
        guard let drain = slot.canary?.drain.patient,
            let image = await endCanary(slot, reason: reason, putsBack: putsBack)
        else { return }
        Task { _ = await self.retire(image, slot, drain) }
    }

    /// Puts a release back in force that another one has superseded, and retires that one.
    private func putBack(
        _ directory: String, from other: String, _ slot: PluginSlot, reason: String
    ) async throws(HostError) {
        let name = slot.name
        guard directory != other, !directory.isEmpty, let record = registry[name],
            record.directory == other, registry.changes[name] == nil
        else { return }
        let installer = installer
        let target = try await Blocking.run { () throws(HostError) in
            try installer.release(named: directory, of: name)
        }
        let release = LifecycleEvent.Release(
            version: target.manifest.version, bundleDigest: target.bundleDigest,
            libraryDigest: target.installedLibraryDigest, mode: record.release.mode,
            isInsisted: record.release.isInsisted)
        _ = try await carryOut(
            .rollback(release, directory: directory, from: other), slot,
            apply: { () throws(HostError) in
                try installer.enforce(target)
                return target
            })
        try await execute(.signal(.retire, directory: other, reason: reason), on: name)
        dependencies[name] = DependencyGraph.Node(target.manifest)
        follow(name)
    }

    /// A trial that the end of the host has interrupted has not been won.
    func settleInterruptedCanary(_ name: PluginName) async throws(HostError) {
        guard let record = registry[name], let former = record.canaryFormer else { return }
        let reason = "the host ended while it was tried"
        say(.warning, "its new release was being tried when the host ended: taken back", name)
        await note(
            .canaryFailed(
                generation: record.canaryGeneration, reason: reason, requests: 0, errors: 0),
            on: name)
        try await putBack(former, from: record.directory, slot(name), reason: reason)
    }
}

/// What an operator says about trying a new generation.
package enum CanaryWish: Sendable {
    case byManifest
    /// Every request at once.
    case none
    /// `PERCENT` or `PERCENT:SECONDS`.
    case wanted(String)

    /// - Throws: nothing; nil when the text is neither of these nor `0`.
    init?(_ text: String) {
        if text == "0" {
            self = .none
        } else if CanaryPolicy(text) != nil {
            self = .wanted(text)
        } else {
            return nil
        }
    }
}
