package import HostModel

/// Plugins that need each other.
///
/// A plugin begins after what it requires, and ends before it. What lacks something is blocked: it
/// is not loaded, says so in its status, and comes up by itself when what it lacks does. A provider
/// is not taken away under those who require it, unless the operator says that they may go too;
/// they come back with it.
extension PluginManager {
    // MARK: - Asking

    /// The plugins that serve now; without a server, those that are meant to.
    var running: Set<PluginName> {
        Set(registry.plugins.keys.filter { condition(of: $0) == nil })
    }

    /// The plugins that are meant to serve.
    var wanted: Set<PluginName> {
        Set(registry.plugins.values.lazy.filter { $0.isActive && !$0.isDisabled }.map(\.name))
    }

    /// What keeps a plugin from being of use to others; nil: nothing.
    func condition(of name: PluginName) -> Obstacle.Condition? {
        if dependencies.departing.contains(name) { return .leaving }
        let slot = slots[name]
        if slot?.current != nil { return nil }
        guard let record = registry[name], record.isActive, !record.isDisabled else {
            return .inactive
        }
        guard server != nil else { return nil }
        if slot?.isBlocked == true { return .blocked }
        return slot?.isLoading == true || slot?.lastError == nil ? .starting : .failed
    }

    /// What a plugin would lack with this manifest.
    private func obstacles(_ node: DependencyGraph.Node) -> [Obstacle] {
        guard node.requires.contains(where: { !$0.isOptional }) else { return [] }
        var graph = dependencies.graph
        if dependencies[node.name] != node { graph = graph.replacing(node.name, with: node) }
        return graph.obstacles(of: node.name, wanted: wanted, condition: condition)
    }

    func dependencies(of name: PluginName) -> PluginStatus.Dependencies {
        var result = PluginStatus.Dependencies()
        let graph = dependencies.graph
        result.users = graph.users(of: name)
        guard let node = graph.nodes[name], !node.requires.isEmpty else { return result }
        result.needs = node.requires.map { requirement in
            let providers = graph.providers(of: requirement, for: name)
            return PluginStatus.Dependencies.Need(
                requirement: requirement, providers: providers,
                isMet: providers.contains { condition(of: $0) == nil })
        }
        if slots[name]?.current == nil, registry[name]?.isActive == true {
            result.reasons = obstacles(node).map(\.description)
        }
        return result
    }

    /// Who requires whom, in which order they begin, and what is in a circle.
    package func graphReport() -> JSONValue {
        let graph = dependencies.graph
        let plugins = registry.sorted.map { record -> JSONValue in
            var object: JSONObject = [
                "name": .string(record.name.text),
                "version": .string(record.release.version.description),
                "state": .string(state(of: slot(record.name), record).rawValue),
            ]
            dependencies(of: record.name).write(to: &object)
            return .object(object)
        }
        let steps = graph.startPlan(among: wanted).steps
        return [
            "plugins": .array(plugins),
            "order": .array(steps.map { .strings($0.map(\.text)) }),
            "circles": .array(graph.circles(among: wanted).map { .strings($0.map(\.text)) }),
        ]
    }

    // MARK: - Before a plugin begins

    /// Judges whether a plugin with this manifest may begin, or take the place of the release that
    /// serves.
    ///
    /// - Returns: false if it has to wait for what it requires, which has been noted.
    /// - Throws: `requirement_unmet` when it serves already and would have to stop for that;
    ///   `plugin_required` when others could not use it any more and may not be stopped.
    func admit(
        _ manifest: Manifest, _ slot: PluginSlot, cascades: Bool = false
    ) async throws(HostError) -> Bool {
        let node = DependencyGraph.Node(manifest)
        if slot.current != nil, dependencies[slot.name] != node {
            let others = dependencies.graph.dependents(
                of: slot.name, among: running, replacedBy: node)
            if !others.isEmpty {
                guard cascades else { throw required(slot.name, by: others, becoming: node) }
                // From now on nobody relies on the version that goes.
                dependencies[slot.name] = node
                try await rest(others, options.drain)
            }
        }
        let obstacles = obstacles(node)
        if slot.current != nil, !obstacles.isEmpty {
            throw HostError(
                "requirement_unmet",
                what: "plugin \"\(slot.name)\" stays as it is: \(manifest.version) cannot serve",
                why: obstacles.map(\.description), fix: obstacles[0].remedy)
        }
        guard !obstacles.isEmpty else {
            slot.isBlocked = false
            return true
        }
        await block(slot, obstacles.map(\.description))
        return false
    }

    /// Says that a plugin waits for what it requires.
    private func block(_ slot: PluginSlot, _ reasons: [String]) async {
        guard !slot.isBlocked else { return }
        slot.isBlocked = true
        slot.lastError = nil
        say(.warning, "is blocked: " + reasons.joined(separator: "; "), slot.name)
        if registry[slot.name] != nil { await note(.blocked(reasons: reasons), on: slot.name) }
    }

    /// Takes in that a plugin has begun, has been replaced, or goes on as it was.
    func settled(_ slot: PluginSlot) {
        if let manifest = slot.current?.loaded.manifest {
            dependencies[slot.name] = DependencyGraph.Node(manifest)
        }
        settleDependencies()
    }

    // MARK: - Before a plugin ends

    /// Sees to it that nobody relies on a plugin that is about to end; until `left` is called
    /// nobody begins to.
    ///
    /// - Parameter cascades: whether those who do may be stopped.
    /// - Throws: `plugin_required`, naming them; `drain_refused` by one of them.
    func leave(
        _ name: PluginName, cascades: Bool, _ policy: DrainPolicy
    ) async throws(HostError) {
        _ = try registry.installed(name)
        let others = dependencies.graph.dependents(of: name, among: running)
        guard others.isEmpty || cascades else { throw required(name, by: others) }
        dependencies.departing.insert(name)
        do throws(HostError) {
            try await rest(others, policy)
        } catch {
            left(name)
            throw error
        }
    }

    /// Says that a plugin has ended, or goes on after all.
    func left(_ name: PluginName) {
        dependencies.departing.remove(name)
        settleDependencies()
    }

    /// Takes plugins out of service one after the other, until what they require is there again.
    private func rest(_ names: [PluginName], _ policy: DrainPolicy) async throws(HostError) {
        for name in names {
            try await exclusively(name) { slot throws(HostError) in
                guard slot.current != nil, let node = dependencies[name] else { return }
                try await withdraw(slot, policy)
                let reasons = obstacles(node).map(\.description)
                await block(slot, reasons.isEmpty ? ["what it requires is replaced"] : reasons)
                await publish(slot)
            }
        }
    }

    private func required(
        _ name: PluginName, by others: [PluginName], becoming node: DependencyGraph.Node? = nil
    ) -> HostError {
        let graph = dependencies.graph.replacing(name, with: node)
        let rest = running.subtracting(others).subtracting(node == nil ? [name] : [])
        let reasons = others.reversed().map { other -> String in
            let requirement = (graph.nodes[other]?.requires ?? []).first { requirement in
                !requirement.isOptional
                    && !graph.providers(of: requirement, for: other).contains(where: rest.contains)
            }
            return "plugin \"\(other)\" requires \(requirement.map(\.description) ?? "it")"
        }
        let isGoing = node == nil
        return HostError(
            "plugin_required",
            what: isGoing
                ? "plugin \"\(name)\" goes on serving"
                : "plugin \"\(name)\" stays as it is: \(node.map { "\($0.version)" } ?? "")"
                    + " does not do for others",
            why: reasons,
            fix: isGoing
                ? "deactivate those first, or let them go with it: --cascade"
                : "upgrade those first, or have them stopped until they are: --cascade")
    }

    // MARK: - By itself

    /// Stops what has lost what it requires, and starts what has got it, in the background.
    func settleDependencies() {
        guard server != nil, !isStopping, batch == nil else { return }
        dependencies.isUnsettled = true
        guard !dependencies.isSettling else { return }
        dependencies.isSettling = true
        Task { await self.settle() }
    }

    private func settle() async {
        while dependencies.isUnsettled, !isStopping {
            dependencies.isUnsettled = false
            let running = running
            let supported = dependencies.graph.runnable(among: running)
            if supported.count < running.count {
                let names = dependencies.graph.startPlan(among: running).blocked
                // Whoever cannot be stopped now is told of by its drain, and goes on.
                try? await rest(names, options.drain)
            }
            await startUnblocked()
        }
        dependencies.isSettling = false
    }

    private func startUnblocked() async {
        let names = slots.values.filter { slot in
            slot.isBlocked && registry[slot.name]?.isActive == true
                && dependencies[slot.name].map { obstacles($0).isEmpty } ?? false
        }.map(\.name)
        let plan = dependencies.graph.startPlan(among: Set(names).union(running))
        let queue = StartQueue(plan.only(names))
        await inTurn(queue, atOnce: options.concurrentLoadsMax) { await self.loadIfWanted($0) }
    }

    private func loadIfWanted(_ name: PluginName) async {
        // A failure has been kept for `status` and logged.
        try? await exclusively(name) { slot throws(HostError) in
            guard slot.current == nil, let record = registry[name], record.isActive,
                !record.isDisabled, !isStopping
            else { return }
            try await load(slot)
        }
    }

    /// Does something with each plugin of a queue, with several at a time.
    func inTurn(
        _ queue: StartQueue, atOnce: Int, _ body: @escaping @Sendable (PluginName) async -> Void
    ) async {
        var queue = queue
        await withTaskGroup(of: PluginName.self) { group in
            var count = 0
            while true {
                while count < atOnce, let name = queue.next() {
                    count += 1
                    group.addTask {
                        await body(name)
                        return name
                    }
                }
                guard let name = await group.next() else { return }
                count -= 1
                queue.finish(name)
            }
        }
    }
}
