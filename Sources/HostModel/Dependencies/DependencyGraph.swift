/// Which plugins need which, from their manifests alone.
///
/// A requirement is met by any one plugin that fits. So what can run is not found along paths but
/// by growing: first what requires nothing, then what those suffice for, and so on. What is never
/// reached lacks something, or is in a circle.
public struct DependencyGraph: Sendable {
    /// One plugin, as far as others depend on it and it on them.
    public struct Node: Hashable, Sendable {
        public var name: PluginName
        public var version: SemanticVersion
        public var requires: [Requirement]
        public var provides: [Provision]

        public init(
            _ name: PluginName, _ version: SemanticVersion, requires: [Requirement] = [],
            provides: [Provision] = []
        ) {
            self.name = name
            self.version = version
            self.requires = requires
            self.provides = provides
        }

        public init(_ manifest: Manifest) {
            self.init(
                manifest.name, manifest.version, requires: manifest.requires,
                provides: manifest.provides)
        }
    }

    /// A plugin that a requirement may mean, in the version that counts for it.
    struct Candidate {
        var name: PluginName
        var version: SemanticVersion
    }

    public private(set) var nodes: [PluginName: Node] = [:]
    private var providers: [CapabilityName: [Candidate]] = [:]
    private var users: [PluginName: [PluginName]] = [:]

    public init(_ nodes: some Sequence<Node>) {
        for node in nodes { self.nodes[node.name] = node }
        for node in self.nodes.values {
            for provision in node.provides {
                providers[provision.capability, default: []].append(
                    Candidate(name: node.name, version: provision.version))
            }
        }
        for capability in providers.keys {
            providers[capability]?.sort { $0.name < $1.name }
        }
        for node in self.nodes.values {
            let used = Set(node.requires.flatMap { providers(of: $0, for: node.name) })
            for name in used { users[name, default: []].append(node.name) }
        }
    }

    /// The plugins that have a use for a plugin, by name.
    public func users(of name: PluginName) -> [PluginName] { users[name, default: []].sorted() }

    /// The same graph with another version of a plugin, or without it.
    public func replacing(_ name: PluginName, with node: Node?) -> DependencyGraph {
        DependencyGraph(nodes.values.filter { $0.name != name } + (node.map { [$0] } ?? []))
    }

    /// The names of all capabilities that are provided.
    var capabilities: some Sequence<CapabilityName> { providers.keys }

    /// Whoever has the name that a requirement asks for, in whatever version.
    ///
    /// What a plugin provides itself does not count for it.
    func candidates(for requirement: Requirement, of name: PluginName) -> [Candidate] {
        switch requirement.target {
        case .plugin(let other):
            nodes[other].map { [Candidate(name: other, version: $0.version)] } ?? []
        case .capability(let capability):
            providers[capability, default: []].filter { $0.name != name }
        }
    }

    /// The plugins that meet a requirement, by name.
    public func providers(of requirement: Requirement, for name: PluginName) -> [PluginName] {
        candidates(for: requirement, of: name).filter { requirement.range.contains($0.version) }
            .map(\.name)
    }

    /// Whether the plugins that are there suffice for a plugin.
    public func isMet(_ name: PluginName, where isThere: (PluginName) -> Bool) -> Bool {
        (nodes[name]?.requires ?? []).allSatisfy { requirement in
            requirement.isOptional || providers(of: requirement, for: name).contains(where: isThere)
        }
    }

    /// Those of some plugins that can run with no others than these, each with the number of
    /// plugins that must come before it, one after the other.
    public func runnable(among pool: Set<PluginName>) -> [PluginName: Int] {
        var missing: [PluginName: Int] = [:]
        var waiting: [PluginName: [(dependent: PluginName, requirement: Int)]] = [:]
        var result: [PluginName: Int] = [:]
        var grown: [PluginName] = []
        for name in pool {
            guard let node = nodes[name] else { continue }
            let mandatory = node.requires.filter { !$0.isOptional }
            missing[name] = mandatory.count
            for (index, requirement) in mandatory.enumerated() {
                for provider in providers(of: requirement, for: name) where pool.contains(provider)
                {
                    waiting[provider, default: []].append((name, index))
                }
            }
            if mandatory.isEmpty { grown.append(name) }
        }
        var met: [PluginName: Set<Int>] = [:]
        var depth = 0
        while !grown.isEmpty {
            var next: [PluginName] = []
            for name in grown { result[name] = depth }
            for name in grown {
                for (dependent, requirement) in waiting[name] ?? [] {
                    guard met[dependent, default: []].insert(requirement).inserted else { continue }
                    missing[dependent, default: 0] -= 1
                    if missing[dependent] == 0 { next.append(dependent) }
                }
            }
            grown = next
            depth += 1
        }
        return result
    }

    /// Who could not go on if a plugin were another, or not there at all; in the order in which
    /// they are to be stopped.
    ///
    /// - Parameters:
    ///   - running: who is there now.
    ///   - node: what the plugin becomes; nil: it goes.
    public func dependents(
        of name: PluginName, among running: Set<PluginName>, replacedBy node: Node? = nil
    ) -> [PluginName] {
        let before = runnable(among: running)
        let rest = node == nil ? running.subtracting([name]) : running
        let after = replacing(name, with: node).runnable(among: rest)
        let affected = Set(before.keys).subtracting(after.keys).subtracting([name])
        guard !affected.isEmpty else { return [] }
        return startPlan(among: running).names.reversed().filter(affected.contains)
    }
}
