import FuzzSupport
import Testing

@testable import PluginHost

/// Finds a route by trying each one: slow, but short enough to be right.
private struct NaiveMatcher {
    let routes: [(method: String, segments: [RoutePattern.Segment])]

    init(_ lines: [String]) {
        routes = lines.map { line in
            let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
            var objections: [String] = []
            return (parts[0], RoutePattern(parts[1], objections: &objections).segments)
        }
    }

    /// The parameters and, segment by segment, how good the match is: 0 literal, 1 parameter, 2
    /// rest.
    private func fit(_ segments: [RoutePattern.Segment], _ path: String) -> ([String], [Int])? {
        var parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
            .map(String.init)
        var parameters: [String] = []
        var rank: [Int] = []
        for segment in segments {
            switch segment {
            case .literal(let text):
                guard let part = parts.first, part == text else { return nil }
                rank.append(0)
            case .parameter:
                guard let part = parts.first, !part.isEmpty else { return nil }
                parameters.append(part)
                rank.append(1)
            case .rest:
                let rest = parts.joined(separator: "/")
                guard !rest.isEmpty else { return nil }
                parameters.append(rest)
                rank.append(2)
                return (parameters, rank)
            }
            parts.removeFirst()
        }
        return parts.isEmpty ? (parameters, rank) : nil
    }

    func find(_ method: String, _ path: String) -> Found {
        var fits: [(index: Int, parameters: [String], rank: [Int])] = []
        for (index, route) in routes.enumerated() {
            guard let (parameters, rank) = fit(route.segments, path) else { continue }
            fits.append((index, parameters, rank))
        }
        guard !fits.isEmpty else { return .notFound }
        func methodRank(_ index: Int) -> Int? {
            switch routes[index].method {
            case method: 0
            case "GET" where method == "HEAD": 1
            case "*": 2
            default: nil
            }
        }
        let best = fits.filter { methodRank($0.index) != nil }.min { left, right in
            if left.rank != right.rank { return left.rank.lexicographicallyPrecedes(right.rank) }
            return (methodRank(left.index) ?? 3) < (methodRank(right.index) ?? 3)
        }
        if let best { return .route(best.index, best.parameters) }
        var allowed = Set(fits.map { routes[$0.index].method })
        if allowed.contains("GET") { allowed.insert("HEAD") }
        allowed.insert("OPTIONS")
        return .methodNotAllowed(allowed.sorted())
    }
}

@Suite struct RouteTreeFuzzTests {
    private static let words = [
        "a", "b", "notes", "a-long-segment-of-text", "another-long-segment-of-text",
    ]
    private static let methods = ["GET", "POST", "HEAD", "OPTIONS", "PURGE", "*"]

    private static func pattern(_ random: inout FuzzRandom) -> String {
        var parts: [String] = []
        let count = Int.random(in: 0...4, using: &random)
        for index in 0..<count {
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1: parts.append("{p\(index)}")
            case 2 where index == count - 1: parts.append("{p\(index)...}")
            case 3 where index == count - 1: parts.append("")
            default: parts.append(words[Int.random(in: 0..<words.count, using: &random)])
            }
        }
        return "/" + parts.joined(separator: "/")
    }

    private static func path(_ random: inout FuzzRandom) -> String {
        let count = Int.random(in: 1...5, using: &random)
        return "/"
            + (0..<count).map { index in
                let pick = Int.random(in: 0..<8, using: &random)
                if pick == 0 { return index == count - 1 ? "" : "other" }
                return pick == 1 ? "other" : words[pick % words.count]
            }.joined(separator: "/")
    }

    /// Returns the first disagreement of the tree with `judge`, or nil.
    private static func disagreement(
        seed: UInt64, judge: (NaiveMatcher, String, String) -> Found
    ) throws -> String? {
        let plan = FuzzPlan(smokeRounds: 500, seed: 0)
        let seed = plan.seed &+ seed
        var random = FuzzRandom(seed: seed)
        var round = 0
        while plan.includes(round) {
            defer { round += 1 }
            var lines: [String] = []
            var shapes: Set<[RoutePattern.Segment]> = []
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                let method = methods[Int.random(in: 0..<methods.count, using: &random)]
                let text = pattern(&random)
                var objections: [String] = []
                let shape = RoutePattern(text, objections: &objections).shape
                guard shapes.insert([.literal(method)] + shape).inserted else { continue }
                lines.append("\(method) \(text)")
            }
            let tree = try RouteTree.of(lines)
            let naive = NaiveMatcher(lines)
            for _ in 0..<20 {
                let method = methods[Int.random(in: 0..<5, using: &random)]
                let path = path(&random)
                let found = tree.find(method, path)
                let expected = judge(naive, method, path)
                if found != expected {
                    return "seed \(seed), round \(round), routes \(lines): \(method) \(path) "
                        + "gave \(found) instead of \(expected)"
                }
            }
        }
        return nil
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func tree_agreesWithTheNaiveMatcher(seed: UInt64) throws {
        let found = try Self.disagreement(seed: seed) { $0.find($1, $2) }
        #expect(found == nil, "\(found ?? "")")
    }

    @Test func fuzzer_noticesAMatcherThatForgetsHead() throws {
        let found = try Self.disagreement(seed: 1) { naive, method, path in
            let wrong = method == "HEAD" ? "PURGE" : method
            return naive.find(wrong, path)
        }
        #expect(found != nil)
    }
}
