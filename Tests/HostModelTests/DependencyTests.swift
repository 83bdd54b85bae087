import HostModel
import Testing

/// Plugins that require each other, without a host around them.
@Suite struct DependencyTests {
    private func name(_ text: String) throws -> PluginName { try #require(PluginName(text)) }

    private func names(_ texts: [String]) throws -> Set<PluginName> {
        Set(try texts.map(name))
    }

    /// Reads `NAME [VERSION]: REQUIREMENT, ...; CAPABILITY VERSION, ...`, where a requirement is
    /// `[?]NAME [RANGE]` or `[?]#CAPABILITY [RANGE]` and `?` makes it optional.
    private func graph(_ lines: String...) throws -> DependencyGraph {
        DependencyGraph(try lines.map(node))
    }

    private func node(_ line: String) throws -> DependencyGraph.Node {
        let sides = line.split(separator: ":", maxSplits: 1).map(String.init)
        let head = sides[0].split(separator: " ").map(String.init)
        let tail = sides.count > 1 ? sides[1] : ""
        let halves = tail.split(separator: ";", omittingEmptySubsequences: false)
        let provides = halves.count > 1 ? halves[1].split(separator: ",") : []
        return DependencyGraph.Node(
            try name(head[0]),
            try #require(SemanticVersion(head.count > 1 ? head[1] : "1.0.0")),
            requires: try (halves.first ?? "").split(separator: ",")
                .filter { $0 != " " }.map(requirement),
            provides: try provides.map { provision in
                let words = provision.split(separator: " ").map(String.init)
                return Provision(
                    capability: try #require(CapabilityName(words[0])),
                    version: try #require(SemanticVersion(words[1])))
            })
    }

    private func requirement(_ text: Substring) throws -> Requirement {
        let text = text.trimmingPrefix(while: { $0 == " " })
        let isOptional = text.hasPrefix("?")
        let words = (isOptional ? text.dropFirst() : text).split(separator: " ").map(String.init)
        let first = try #require(words.first)
        let target: Requirement.Target =
            first.hasPrefix("#")
            ? .capability(try #require(CapabilityName(String(first.dropFirst()))))
            : .plugin(try name(first))
        let range = try #require(VersionRange(words.dropFirst().joined(separator: " ")))
        return Requirement(target, range, isOptional: isOptional)
    }

    private func steps(_ graph: DependencyGraph) -> [[String]] {
        graph.startPlan(among: Set(graph.nodes.keys)).steps.map { $0.map(\.text) }
    }

    /// The obstacles of a plugin, when just some serve and all are meant to.
    private func obstacles(
        _ graph: DependencyGraph, _ plugin: String, serving: [String] = []
    ) throws -> [String] {
        let serving = try names(serving)
        return graph.obstacles(of: try name(plugin), wanted: Set(graph.nodes.keys)) {
            serving.contains($0) ? nil : .inactive
        }.map(\.description)
    }

    // MARK: - Order

    @Test func plugins_beginAfterWhatTheyRequire_andBesideTheOthers() throws {
        let graph = try graph("top: left, right", "left: base", "right: base", "base", "lone")
        #expect(steps(graph) == [["base", "lone"], ["left", "right"], ["top"]])
    }

    @Test func optionalRequirement_givesTheOrder_andIsNoReasonToWait() throws {
        let graph = try graph("a: ?z, ?nobody", "z")
        #expect(steps(graph) == [["z"], ["a"]])
        #expect(try obstacles(graph, "a").isEmpty)
    }

    @Test func optionalRequirement_givesNoOrder_whereThatWouldBeACircle() throws {
        let graph = try graph("a: ?b", "b: a")
        #expect(steps(graph) == [["a"], ["b"]])
    }

    @Test func capability_comesFromAnyPluginThatFits() throws {
        let graph = try graph(
            "page: #renderer ^1", "old:; renderer 0.9.0", "one:; renderer 1.0.0",
            "two:; renderer 1.4.0")
        let requirement = try #require(graph.nodes[try name("page")]?.requires.first)
        #expect(
            graph.providers(of: requirement, for: try name("page")).map(\.text) == ["one", "two"])
        #expect(steps(graph) == [["old", "one", "two"], ["page"]])
        #expect(try obstacles(graph, "page", serving: ["two"]).isEmpty)
        #expect(try obstacles(graph, "page", serving: ["old"]).count == 1)
    }

    @Test func plugin_isNotItsOwnProvider() throws {
        let graph = try graph("a: #x; x 1.0.0")
        #expect(graph.startPlan(among: try names(["a"])).blocked.map(\.text) == ["a"])
        #expect(
            try obstacles(graph, "a")
                == ["it requires capability \"x\", which no other plugin provides"])
    }

    @Test func circle_isOpen_whenAnotherProviderLeadsIntoIt() throws {
        let graph = try graph("a: #c", "b: a; c 1.0.0", "d:; c 1.0.0")
        #expect(steps(graph) == [["d"], ["a"], ["b"]])
        #expect(graph.circles(among: try names(["a", "b", "d"])).isEmpty)
        #expect(
            graph.circles(among: try names(["a", "b"])).map { $0.map(\.text) }
                == [["a", "b", "a"]])
    }

    @Test func longChain_isPlanned() throws {
        let count = 5_000
        let nodes = try (0..<count).map { index in
            try node(index == 0 ? "p0" : "p\(index): p\(index - 1), ?p\((index + 1) % count)")
        }
        let plan = DependencyGraph(nodes).startPlan(among: Set(nodes.map(\.name)))
        #expect(plan.steps.count == count)
    }

    // MARK: - What is missing

    @Test func missingPlugin_isNamed_withTheOneThatWasMeant() throws {
        let graph = try graph("a: notse ^1.2", "notes")
        #expect(
            try obstacles(graph, "a")
                == [
                    "it requires plugin \"notse\" ^1.2, which is not installed"
                        + " (did you mean \"notes\"?)"
                ])
    }

    @Test func otherVersion_isNamed_withWhatIsThere() throws {
        let graph = try graph("a: b ^2, #c <1", "b 1.4.0", "d:; c 1.0.0", "e:; c 2.0.0")
        #expect(
            try obstacles(graph, "a", serving: ["b", "d", "e"]) == [
                "it requires plugin \"b\" ^2, and there is 1.4.0",
                "it requires capability \"c\" <1, and there is 1.0.0 (of \"d\"), 2.0.0 (of \"e\")",
            ])
    }

    @Test func providerThatDoesNotServe_isNamed_withHowItIs() throws {
        let graph = try graph("a: b, #c", "b", "d:; c 1.0.0", "e:; c 2.0.0")
        let wanted = try names(["a", "b", "d", "e"])
        let told = graph.obstacles(of: try name("a"), wanted: wanted) { other in
            other.text == "b" ? .failed : other.text == "d" ? .inactive : .blocked
        }
        #expect(
            told.map(\.description) == [
                "it requires plugin \"b\", which has failed",
                "it requires capability \"c\", and \"d\" is inactive, \"e\" is blocked",
            ])
        #expect(told.last?.remedy == "activate it: host activate d")
    }

    @Test func circle_isToldWithItsWay_andOnlyToThoseInIt() throws {
        let graph = try graph("a: b", "b: c", "c: a", "d: a", "e: f", "f: e", "g")
        let all = Set(graph.nodes.keys)
        #expect(
            graph.circles(among: all).map { $0.map(\.text) } == [
                ["a", "b", "c", "a"], ["e", "f", "e"],
            ])
        #expect(try obstacles(graph, "b") == ["it requires itself in a circle: b -> c -> a -> b"])
        #expect(try obstacles(graph, "d") == ["it requires plugin \"a\", which is inactive"])
        let plan = graph.startPlan(among: all)
        #expect(plan.names.map(\.text) == ["g"])
        #expect(plan.blocked.map(\.text) == ["a", "b", "c", "d", "e", "f"])
    }

    @Test func missing_blocksItsDependentsOnly() throws {
        let graph = try graph("a: gone", "b: a", "c: d", "d")
        let plan = graph.startPlan(among: Set(graph.nodes.keys))
        #expect(plan.names.map(\.text) == ["d", "c"])
        #expect(plan.blocked.map(\.text) == ["a", "b"])
    }

    // MARK: - Taking away

    @Test func dependents_areThoseWhoCannotGoOn_lastOnesFirst() throws {
        let graph = try graph(
            "base", "mid: base", "top: mid", "lone", "fan: ?base", "either: #c", "x:; c 1.0.0",
            "y: base; c 1.0.0")
        let all = Set(graph.nodes.keys)
        #expect(
            graph.dependents(of: try name("base"), among: all).map(\.text) == ["top", "y", "mid"])
        #expect(graph.dependents(of: try name("x"), among: all).isEmpty)
        #expect(
            graph.dependents(of: try name("x"), among: all.subtracting(try names(["y"])))
                .map(\.text) == ["either"])
    }

    @Test func newVersion_isRefusedByThoseWhoseRangeItLeaves() throws {
        let graph = try graph("b 1.0.0", "a: b ^1", "c: b >=1", "d: b")
        let all = Set(graph.nodes.keys)
        func dependents(_ version: String) throws -> [String] {
            graph.dependents(
                of: try name("b"), among: all, replacedBy: try node("b \(version)")
            ).map(\.text)
        }
        #expect(try dependents("1.9.0").isEmpty)
        #expect(try dependents("2.0.0") == ["a"])
        #expect(try dependents("0.9.0") == ["c", "a"])
    }

    // MARK: - By chance

    /// A graph of plugins with requirements, optional ones and capabilities, most of it sound.
    private func randomGraph(
        _ count: Int, _ random: inout SeededGenerator
    ) throws -> DependencyGraph {
        let ranges = ["", "^1", ">=1.0.0 <2", "2.x"]
        let nodes = try (0..<count).map { index -> DependencyGraph.Node in
            var needs: [String] = []
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                // Now and then somebody requires a later one, or one that is not there.
                let bound = Int.random(in: 0..<12, using: &random) == 0 ? count + 1 : index
                guard bound > 0 else { continue }
                let other = Int.random(in: 0..<bound, using: &random)
                let target = Bool.random(using: &random) ? "p\(other)" : "#c\(other % 7)"
                let mark = Int.random(in: 0..<4, using: &random) == 0 ? "?" : ""
                needs.append(mark + target + " " + (ranges.randomElement(using: &random) ?? ""))
            }
            let version = Int.random(in: 0..<8, using: &random) == 0 ? "2.1.0" : "1.3.0"
            let line = "p\(index) \(version): \(needs.joined(separator: ","))"
            return try node(line + "; c\(index % 7) \(version)")
        }
        return DependencyGraph(nodes)
    }

    @Test func randomPlans_keepEveryOrder_andLeaveOutOnlyWhatCannotBegin() throws {
        var random = SeededGenerator(seed: 4)
        for _ in 0..<300 {
            let graph = try randomGraph(Int.random(in: 1...40, using: &random), &random)
            let all = Set(graph.nodes.keys)
            let plan = graph.startPlan(among: all)
            #expect(Set(plan.names).union(plan.blocked) == all)
            #expect(plan.names.count + plan.blocked.count == all.count)
            var begun: Set<PluginName> = []
            for step in plan.steps {
                for name in step {
                    #expect(graph.isMet(name, where: begun.contains), "\(name)")
                    #expect(begun.isSuperset(of: plan.predecessors[name] ?? []), "\(name)")
                }
                begun.formUnion(step)
            }
            // Nothing more could begin.
            for name in plan.blocked {
                #expect(!graph.isMet(name, where: begun.contains), "\(name)")
            }
            try checkQueues(plan, &random)
            try checkDependents(graph, begun, &random)
        }
    }

    /// Whatever takes how long: nobody begins before those before it are done, and the other way
    /// round at the end.
    private func checkQueues(_ plan: StartPlan, _ random: inout SeededGenerator) throws {
        for reversed in [false, true] {
            var queue = StartQueue(plan, reversed: reversed)
            var open: [PluginName] = []
            var done: Set<PluginName> = []
            while true {
                while open.count < 4, let name = queue.next() {
                    open.append(name)
                    if reversed {
                        for (other, before) in plan.predecessors where before.contains(name) {
                            #expect(done.contains(other), "\(other) ends after \(name)")
                        }
                    } else {
                        #expect(done.isSuperset(of: plan.predecessors[name] ?? []))
                    }
                }
                guard !open.isEmpty else { break }
                let name = open.remove(at: Int.random(in: open.indices, using: &random))
                done.insert(name)
                queue.finish(name)
            }
            #expect(done == Set(plan.names))
        }
    }

    /// Stopping the dependents one by one, in the order given, never leaves one without what it
    /// requires.
    private func checkDependents(
        _ graph: DependencyGraph, _ running: Set<PluginName>, _ random: inout SeededGenerator
    ) throws {
        guard let name = running.sorted().randomElement(using: &random) else { return }
        var left = running
        for other in graph.dependents(of: name, among: running) {
            left.remove(other)
            #expect(graph.runnable(among: left).count == left.count, "\(other) of \(name)")
        }
        left.remove(name)
        #expect(graph.runnable(among: left).count == left.count, "\(name)")
    }

    // MARK: - In the manifest

    private func read(_ requires: JSONValue) -> Manifest.Reading {
        Manifest.read([
            "name": "a", "version": "1.0.0", "abi": "1.0", "requires": requires,
        ])
    }

    @Test func requirements_areRead() throws {
        let reading = read([
            ["plugin": "notes", "version": "^1.2"],
            ["capability": "llm.chat", "version": ">=1 <3", "optional": true],
            ["plugin": "b", "optional": false],
        ])
        #expect(reading.objections.isEmpty)
        #expect(
            reading.manifest?.requires.map(\.description) == [
                "plugin \"notes\" ^1.2", "capability \"llm.chat\" >=1 <3", "plugin \"b\"",
            ])
        #expect(reading.manifest?.requires.map(\.isOptional) == [false, true, false])
    }

    @Test func everyObjection_isTold_withItsPlace() {
        let reading = read([
            ["plugin": "Notes"], ["version": "^1"], ["plugin": "a"],
            ["plugin": "b", "capability": "c"], ["capability": ".x"],
            ["plugin": "d", "version": "one"], ["plugin": "e", "optional": "yes"],
            ["plugin": "f"], ["plugin": "f", "version": "^2"], ["plugin": "g", "verison": "1"],
            "h",
        ])
        #expect(reading.manifest == nil)
        #expect(
            reading.objections.map(\.path) == [
                "/requires/0/plugin", "/requires/1", "/requires/2/plugin", "/requires/3",
                "/requires/4/capability", "/requires/5/version", "/requires/6/optional",
                "/requires/8", "/requires/9/verison", "/requires/10",
            ])
    }
}
