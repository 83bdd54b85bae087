/// Why a plugin cannot serve yet: one of its requirements, and what is there instead.
public enum Obstacle: Hashable, Sendable {
    /// How a plugin is that would do and does not serve.
    public enum Condition: String, Sendable {
        case inactive = "is inactive"
        case blocked = "is blocked"
        case failed = "has failed"
        case starting = "is starting"
        case leaving = "is being taken out of service"
    }

    /// A plugin that would do.
    public struct Provider: Hashable, Sendable {
        public var name: PluginName
        public var condition: Condition

        public init(_ name: PluginName, _ condition: Condition) {
            self.name = name
            self.condition = condition
        }
    }

    /// There is nothing of that name; perhaps that one was meant.
    case missing(Requirement, nearest: String?)
    /// There are only other versions: `1.2.0`, or `1.2.0 (of "markdown")` for a capability.
    case otherVersion(Requirement, found: [String])
    /// Whoever would do does not serve.
    case notServing(Requirement, [Provider])
    /// It waits for itself; the way leads back to its first name.
    case circle(Requirement, [PluginName])
}

extension Obstacle: CustomStringConvertible {
    /// - Shape: a clause about the plugin, such as `it requires plugin "notes" ^1.2, which is not
    ///   installed`.
    public var description: String {
        switch self {
        case .missing(let requirement, let nearest):
            let hint = nearest.map { " (did you mean \"\($0)\"?)" } ?? ""
            switch requirement.target {
            case .plugin: return "it requires \(requirement), which is not installed" + hint
            case .capability:
                return "it requires \(requirement), which no other plugin provides" + hint
            }
        case .otherVersion(let requirement, let found):
            return "it requires \(requirement), and there is \(found.joined(separator: ", "))"
        case .notServing(let requirement, let providers):
            if case .plugin = requirement.target, let condition = providers.first?.condition {
                return "it requires \(requirement), which \(condition.rawValue)"
            }
            let told = providers.map { "\"\($0.name)\" \($0.condition.rawValue)" }
            return "it requires \(requirement), and \(told.joined(separator: ", "))"
        case .circle(_, let way):
            let told = way.map(\.text).joined(separator: " -> ")
            return "it requires itself in a circle: \(told)"
        }
    }

    /// What somebody can do about it.
    public var remedy: String {
        switch self {
        case .missing(let requirement, _):
            switch requirement.target {
            case .plugin(let name): "install plugin \"\(name)\""
            case .capability(let name): "install a plugin that provides \"\(name)\""
            }
        case .otherVersion(let requirement, _):
            "install \"\(requirement.name)\" in a version in \(requirement.range)"
        case .notServing(_, let providers):
            providers.first.map { provider in
                switch provider.condition {
                case .inactive: "activate it: host activate \(provider.name)"
                case .starting, .leaving: "wait until that is done"
                case .blocked, .failed: "see: host status \(provider.name)"
                }
            } ?? ""
        case .circle: "leave out one of these requirements, or make it optional"
        }
    }
}

extension DependencyGraph {
    /// What keeps a plugin from serving; nothing when all that it requires serves.
    ///
    /// - Parameters:
    ///   - wanted: the plugins that are meant to serve.
    ///   - condition: how a plugin is; nil when it serves.
    public func obstacles(
        of name: PluginName, wanted: @autoclosure () -> Set<PluginName>,
        condition: (PluginName) -> Obstacle.Condition?
    ) -> [Obstacle] {
        var obstacles: [Obstacle] = []
        for requirement in nodes[name]?.requires ?? [] where !requirement.isOptional {
            let providers = providers(of: requirement, for: name)
            if providers.contains(where: { condition($0) == nil }) { continue }
            obstacles.append(
                providers.isEmpty
                    ? absence(of: requirement, for: name)
                    : .notServing(
                        requirement,
                        providers.map { Obstacle.Provider($0, condition($0) ?? .starting) }))
        }
        guard !obstacles.isEmpty else { return [] }
        return explained(obstacles, of: name, wanted().union([name]))
    }

    private func absence(of requirement: Requirement, for name: PluginName) -> Obstacle {
        let candidates = candidates(for: requirement, of: name)
        guard candidates.isEmpty else {
            return .otherVersion(
                requirement,
                found: candidates.map { candidate in
                    switch requirement.target {
                    case .plugin: "\(candidate.version)"
                    case .capability: "\(candidate.version) (of \"\(candidate.name)\")"
                    }
                })
        }
        let names =
            switch requirement.target {
            case .plugin: nodes.keys.map(\.text)
            case .capability: capabilities.map(\.text)
            }
        let others = names.filter { $0 != requirement.name && $0 != name.text }
        return .missing(
            requirement, nearest: Spelling.nearest(to: requirement.name, among: others))
    }

    /// Where a plugin waits for what waits for it, the circle is the reason.
    private func explained(
        _ obstacles: [Obstacle], of name: PluginName, _ pool: Set<PluginName>
    ) -> [Obstacle] {
        let runnable = runnable(among: pool)
        guard runnable[name] == nil, let way = circle(through: name, runnable, pool),
            way.count > 1
        else { return obstacles }
        return obstacles.map { obstacle in
            guard case .notServing(let requirement, let providers) = obstacle,
                providers.contains(where: { $0.name == way[1] })
            else { return obstacle }
            return .circle(requirement, way)
        }
    }
}
