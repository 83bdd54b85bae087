/// In which order plugins begin; they end in the reverse one.
public struct StartPlan: Sendable {
    /// Plugins that may begin at the same time, once all of the steps before have begun; by name.
    public let steps: [[PluginName]]
    /// For each plugin, those that begin before it.
    public let predecessors: [PluginName: [PluginName]]
    /// Those that cannot begin: something is missing, or they are in a circle; by name.
    public let blocked: [PluginName]

    /// Every plugin that can begin, in an order in which they may begin one after the other.
    public var names: [PluginName] { steps.flatMap { $0 } }

    /// The plan for some of the plugins, when the others have begun already.
    public func only(_ names: some Sequence<PluginName>) -> StartPlan {
        let names = Set(names)
        return StartPlan(
            steps: steps.map { $0.filter(names.contains) },
            predecessors: predecessors.filter { names.contains($0.key) }
                .mapValues { $0.filter(names.contains) },
            blocked: blocked.filter(names.contains))
    }
}

extension DependencyGraph {
    /// Plans the start of some plugins, with no others than these.
    ///
    /// A plugin comes after everything that it may use. Where that is impossible, because plugins
    /// have a use for each other, it comes at least after what it cannot do without: for each
    /// requirement the provider that can begin earliest.
    public func startPlan(among pool: Set<PluginName>) -> StartPlan {
        let depths = runnable(among: pool)
        let names = depths.keys.sorted()
        let indices = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        var needed = [Set<Int>](repeating: [], count: names.count)
        var useful = [Set<Int>](repeating: [], count: names.count)
        for (index, name) in names.enumerated() {
            for requirement in nodes[name]?.requires ?? [] {
                let providers = providers(of: requirement, for: name).filter { depths[$0] != nil }
                let earliest = providers.min {
                    (depths[$0, default: 0], $0) < (depths[$1, default: 0], $1)
                }
                for provider in providers {
                    guard let other = indices[provider] else { continue }
                    if provider == earliest, !requirement.isOptional {
                        needed[index].insert(other)
                    } else {
                        useful[index].insert(other)
                    }
                }
            }
        }
        let circles = Circles.numbers(
            edges: names.indices.map { Array(needed[$0].union(useful[$0])) })
        let before = names.indices.map { index in
            needed[index].union(useful[index].filter { circles[$0] != circles[index] })
        }
        return StartPlan(
            steps: Self.steps(names, before),
            predecessors: Dictionary(
                uniqueKeysWithValues: names.indices.map { index in
                    (names[index], before[index].map { names[$0] }.sorted())
                }),
            blocked: pool.filter { depths[$0] == nil && nodes[$0] != nil }.sorted())
    }

    private static func steps(_ names: [PluginName], _ before: [Set<Int>]) -> [[PluginName]] {
        var after = [[Int]](repeating: [], count: names.count)
        var waits = before.map(\.count)
        for (index, others) in before.enumerated() {
            for other in others { after[other].append(index) }
        }
        var steps: [[PluginName]] = []
        var step = names.indices.filter { waits[$0] == 0 }
        while !step.isEmpty {
            steps.append(step.map { names[$0] })
            var next: [Int] = []
            for index in step {
                for other in after[index] {
                    waits[other] -= 1
                    if waits[other] == 0 { next.append(other) }
                }
            }
            step = next.sorted()
        }
        return steps
    }

    /// The circles among some plugins that keep them from beginning: each as a way that leads back
    /// to its first name, which is its smallest, and stands there twice.
    public func circles(among pool: Set<PluginName>) -> [[PluginName]] {
        let runnable = runnable(among: pool)
        let names = pool.filter { runnable[$0] == nil && nodes[$0] != nil }.sorted()
        let indices = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        let numbers = Circles.numbers(
            edges: names.map { unmet($0, runnable, pool).compactMap { indices[$0] } })
        var seen: Set<Int> = []
        return names.indices.compactMap { index in
            guard seen.insert(numbers[index]).inserted else { return nil }
            return circle(through: names[index], runnable, pool)
        }
    }

    /// The shortest way from a plugin along what it lacks and back to it; nil when there is none.
    func circle(
        through name: PluginName, _ runnable: [PluginName: Int], _ pool: Set<PluginName>
    ) -> [PluginName]? {
        var origins: [PluginName: PluginName] = [:]
        var reached = [name]
        while !reached.isEmpty {
            var next: [PluginName] = []
            for from in reached {
                for provider in unmet(from, runnable, pool) {
                    if provider == name {
                        var way = [from]
                        while let last = way.last, last != name, let origin = origins[last] {
                            way.append(origin)
                        }
                        return way.reversed() + [name]
                    }
                    guard origins[provider] == nil else { continue }
                    origins[provider] = from
                    next.append(provider)
                }
            }
            reached = next
        }
        return nil
    }

    /// Whom a plugin waits for in vain: the providers of each requirement that nobody runnable
    /// meets, by name.
    private func unmet(
        _ name: PluginName, _ runnable: [PluginName: Int], _ pool: Set<PluginName>
    ) -> [PluginName] {
        var result: Set<PluginName> = []
        for requirement in nodes[name]?.requires ?? [] where !requirement.isOptional {
            let providers = providers(of: requirement, for: name)
            guard !providers.contains(where: { runnable[$0] != nil }) else { continue }
            result.formUnion(providers.filter(pool.contains))
        }
        return result.sorted()
    }
}

/// Finds out which nodes of a graph lie in a circle with each other.
///
/// - Source: R. Tarjan, Depth-first search and linear graph algorithms, 1972; without recursion,
///   because chains may be long.
private struct Circles {
    private struct Visit {
        var node: Int
        var nextEdge = 0
    }

    private let edges: [[Int]]
    private var order: [Int?]
    private var low: [Int]
    private var number: [Int?]
    private var stack: [Int] = []
    private var count = 0
    private var circles = 0

    /// A number for each node; those that lie in a circle with each other have the same one.
    static func numbers(edges: [[Int]]) -> [Int] {
        var search = Circles(edges)
        for node in edges.indices where search.order[node] == nil { search.visit(node) }
        return search.number.map { $0 ?? 0 }
    }

    private init(_ edges: [[Int]]) {
        self.edges = edges
        order = Array(repeating: nil, count: edges.count)
        low = Array(repeating: 0, count: edges.count)
        number = Array(repeating: nil, count: edges.count)
    }

    private mutating func visit(_ first: Int) {
        var visits = [enter(first)]
        while var visit = visits.popLast() {
            let node = visit.node
            if visit.nextEdge < edges[node].count {
                let other = edges[node][visit.nextEdge]
                visit.nextEdge += 1
                visits.append(visit)
                if let seen = order[other] {
                    if number[other] == nil { low[node] = min(low[node], seen) }
                } else {
                    visits.append(enter(other))
                }
                continue
            }
            if low[node] == order[node] { close(node) }
            if let parent = visits.last?.node, number[node] == nil {
                low[parent] = min(low[parent], low[node])
            }
        }
    }

    private mutating func enter(_ node: Int) -> Visit {
        order[node] = count
        low[node] = count
        count += 1
        stack.append(node)
        return Visit(node: node)
    }

    /// Everything above a node on the stack is in a circle with it.
    private mutating func close(_ node: Int) {
        while let member = stack.popLast() {
            number[member] = circles
            if member == node { break }
        }
        circles += 1
    }
}
