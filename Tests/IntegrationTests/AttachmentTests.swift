import Foundation
import Glibc
import Testing

/// Processes of plugins outlive the engine that they serve, and nothing outlives the supervisor.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct AttachmentTests {
    private func pids(_ root: Root, _ plugin: String) throws -> [Int32] {
        try root.status(plugin)["workers"].elements.compactMap { $0["pid"].number.map(Int32.init) }
    }

    private func isAlive(_ pid: Int32) -> Bool { ProcessState(pid: pid).isAlive }

    private func events(_ root: Root, _ name: String) throws -> [JSON] {
        try JSON(parsing: root.must("events", "--since", "0", "--json").output)["events"].elements
            .filter { $0["event"].string == name }
    }

    /// Kills the engine, and waits until another one answers.
    private func replaceEngine(_ host: HostProcess, _ path: String) throws {
        let engine = host.engine
        try #require(engine != host.process.pid)
        #expect(kill(engine, SIGKILL) == 0)
        try eventually("another engine is there") {
            ![engine, host.process.pid].contains(host.engine)
        }
        try eventually("it answers") { (try? host.get(path).status) == 200 }
    }

    @Test func processes_goOn_whenTheEngineIsReplaced() throws {
        let root = try Root()
        let host = try HostProcess(root)
        let draft = try DraftBundle(copying: "sound")
        let text = String(decoding: try draft.read("manifest.json"), as: UTF8.self)
        let start = try #require(text.firstIndex(of: "{"))
        try draft.write("manifest.json", "{\"instances\": 2," + text[start...].dropFirst())
        try root.must("install", draft.pack(), "--mode", "isolated")
        try root.must("install", #require(Repository.sampleBundle("hello-python")))
        let (sound, python) = (try pids(root, "sound"), try pids(root, "hello-python"))
        #expect(sound.count == 2 && !python.isEmpty)
        for round in 1...2 {
            try replaceEngine(host, "/plugin/sound/api/hello")
            #expect(try host.hello("sound") == hello)
            try eventually("the program answers") {
                (try? host.get("/plugin/hello-python/api/hello").status) == 200
            }
            let story: Comment = "round \(round)\n\(host.log.suffix(3_000))"
            #expect(try pids(root, "sound") == sound, story)
            #expect(try pids(root, "hello-python") == python, story)
            #expect(try root.status("sound")["generation"].number == 1, story)
            let told = try events(root, "generation_reattached_v1")
            #expect(told.count == 2 * round, story)
            #expect(told.contains { $0["data"]["processes"].number == 2 }, story)
        }
        // It is led on as if nothing had been: reloaded, and ended.
        try root.must("reload", "sound", "--force")
        #expect(try host.hello("sound") == hello)
        try eventually("the former processes end") { sound.allSatisfy { !isAlive($0) } }
        let next = try pids(root, "sound") + pids(root, "hello-python")
        #expect(try host.terminate() == 0)
        try eventually("nothing is left") { next.allSatisfy { !isAlive($0) } }
        let run = try FileManager.default.contentsOfDirectory(atPath: root.plugin("sound") + "/run")
        #expect(run.allSatisfy { !$0.hasPrefix("socket-") }, "\(run)")
        withExtendedLifetime(draft) {}
    }

    @Test func processes_goOn_whenTheHostIsUpgraded_andNoRequestFails() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"), "--mode", "isolated")
        let former = try pids(root, "sound")
        let load = SteadyLoad(port: host.port, paths: ["/plugin/sound/api/hello"], connections: 3)
        for _ in 1...3 {
            let engine = host.engine
            host.process.send(signal: SIGUSR2)
            try eventually("the former engine is gone") { !isAlive(engine) }
            let answers = load.answers
            try eventually("it answers") { load.answers > answers + 20 }
            #expect(try pids(root, "sound") == former, "\(host.log.suffix(3_000))")
        }
        let result = load.end()
        #expect(result.failures.isEmpty, "\(result.failures.prefix(3)) \(host.log.suffix(3_000))")
        #expect(try root.status("sound")["generation"].number == 1)
        // Its engine is the new one: what ends is replaced.
        for pid in former { kill(pid, SIGKILL) }
        try root.waitForStatus("sound", "another process runs", within: 60) {
            $0["workers"][0]["state"].string == "running"
                && $0["workers"][0]["pid"].number.map(Int32.init) != former.first
        }
        #expect(try host.hello("sound") == hello)
        #expect(try host.terminate() == 0)
    }

    @Test func whatProcessesHadAskedFor_isThereWithTheNextEngine() throws {
        let root = try Root()
        let host = try HostProcess(root)
        for name in ["renderer", "reader", "audit"] {
            let bundle = try #require(Repository.sampleBundle(name))
            try root.must("install", bundle, "--mode", "isolated")
        }
        try root.must("install", Fixtures.bundle("sound"))
        func render() throws -> String {
            try host.client().request("POST", "/plugin/reader/api/render", body: "# Hello").text
        }
        #expect(try render() == "<h1>Hello</h1>\n")
        let former = try ["renderer", "reader", "audit"].map { try pids(root, $0) }
        try replaceEngine(host, "/plugin/sound/api/hello")
        // A handle of one process leads to a method of the other one.
        try eventually("the call goes through") { (try? render()) == "<h1>Hello</h1>\n" }
        #expect(try ["renderer", "reader", "audit"].map { try pids(root, $0) } == former)
        // And a subscription holds.
        try root.must("reload", "sound", "--force")
        try eventually("audit has heard of the reload") {
            try host.get("/plugin/audit/api/events?topic=host.plugin.unloaded&plugin=sound")
                .json?["events"].elements.isEmpty == false
        }
        #expect(try host.terminate() == 0)
    }

    /// The hooks of a plugin at the point of requests.
    private func hooks(_ root: Root, of plugin: String) throws -> [JSON] {
        let points = try JSON(parsing: root.must("hooks", "--json").output)["points"].elements
        return points.filter { $0["point"].string == "request" }
            .flatMap { $0["hooks"].elements }.filter { $0["plugin"].string == plugin }
    }

    /// How many pipes a process has: two for each child that it listens to.
    private func pipes(of pid: Int32) -> Int {
        let folder = "/proc/\(pid)/fd"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let targets = names.compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")
        }
        return targets.count(where: { $0.hasPrefix("pipe:") })
    }

    /// Plugins that hook, offer and subscribe, in processes of their own, and one in the host that
    /// the others work for.
    private func installWorkers(_ root: Root) throws {
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("versioned_v1"))
        for fixture in ["crossing_one", "crossing_two", "events"] {
            try root.must("install", Fixtures.bundle(fixture), "--mode", "isolated")
        }
    }

    private static let workers = ["crossing-one", "crossing-two", "events"]

    /// Tries the hooks, methods, points and subscriptions of `installWorkers`; each does its work
    /// once.
    private func expectAllOnce(_ host: HostProcess, _ story: Comment) throws {
        let root = host.root
        func get(_ path: String) throws -> String { try host.get("/plugin/\(path)").text }
        let hooked = try hooks(root, of: "crossing-one")
        let answer = try host.get("/plugin/versioned/api/which?asked")
        let asked = answer.headers.filter { $0.name.lowercased().hasPrefix("x-asked-") }
        #expect(
            asked.map(\.value) == ["asked", "asked"], "\(story): \(answer.headers)")
        let after = try hooks(root, of: "crossing-one")
        #expect(hooked.count == 2 && after.count == 2, story)
        for (before, now) in zip(hooked, after) {
            #expect(now["calls"].number == (before["calls"].number ?? 0) + 1, story)
        }
        // Each calls the other one back.
        #expect(try get("crossing-one/api/call?4") == "0 0 done", story)
        #expect(try get("crossing-two/api/call?3") == "0 0 done", story)
        try eventually("\(story): the point knows of its hook") {
            try get("crossing-one/api/work?w") == "0 hooked w<!>"
        }
        func seen() throws -> [Substring] {
            try get("events/api/seen").split(separator: "\n")
        }
        func ticks() throws -> Int { try seen().count(where: { $0.contains(" events.tick ") }) }
        let count = try ticks()
        #expect(try get("events/api/publish?count=3") == "0", story)
        try eventually("\(story): the events are there") { try ticks() >= count + 3 }
        // What comes behind them says that there are no more.
        try root.must("reload", "sound", "--force")
        try eventually("\(story): what comes behind them is there") {
            try seen().last {
                $0.contains(" events.tick ") || $0.contains(" host.plugin.unloaded ")
            }?.contains(" host.plugin.unloaded ") == true
        }
        #expect(try ticks() == count + 3, story)
    }

    @Test func pluginsThatHookOfferAndSubscribe_doAllOfItOnce_withTheNextEngine() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try installWorkers(root)
        try expectAllOnce(host, "at first")
        let former = try Self.workers.map { try pids(root, $0) }
        for round in 1...2 {
            try replaceEngine(host, "/plugin/sound/api/hello")
            try eventually("all of them go on") {
                try Self.workers.map { try pids(root, $0) } == former
            }
            try expectAllOnce(host, "round \(round)")
        }
        #expect(try Self.workers.map { try pids(root, $0) } == former)
        #expect(try host.terminate() == 0)
    }

    @Test func successorThatDiesBeforeItServes_leavesTheProcessesAsTheyWere() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try installWorkers(root)
        try root.must("install", #require(Repository.sampleBundle("hello-python")))
        let names = Self.workers + ["hello-python"]
        let former = try names.map { try pids(root, $0) }
        try expectAllOnce(host, "at first")
        let engine = host.engine
        try root.must("install", Fixtures.bundle("start_waits"))
        let wait = URL(fileURLWithPath: root.plugin("start-waits") + "/events/wait")
        try Data().write(to: wait)
        let pipes = pipes(of: engine)
        host.process.send(signal: SIGUSR2)
        let successor = try eventually("another engine is there") {
            ProcessState(pid: host.process.pid).children.first {
                $0 != engine && ProcessState(pid: $0).arguments.dropFirst().first == "engine"
            }
        }
        try eventually("it has taken the processes over, with what they print to") {
            self.pipes(of: engine) <= pipes - 2 * former.joined().count
        }
        #expect(kill(successor, SIGKILL) == 0)
        #expect(
            host.process.waitForError(containing: "did not come up", within: 60), "\(host.log)")
        try eventually("the former engine goes on") {
            try names.map { try pids(root, $0) } == former
        }
        #expect(host.engine == engine)
        try FileManager.default.removeItem(at: wait)
        try expectAllOnce(host, "after all")
        try eventually("the program answers") {
            (try? host.get("/plugin/hello-python/api/hello").status) == 200
        }
        #expect(try names.map { try pids(root, $0) } == former, "\(host.log.suffix(3_000))")
        #expect(try host.terminate() == 0)
        try eventually("nothing is left") { former.joined().allSatisfy { !isAlive($0) } }
    }

    @Test func processThatDoesNotFit_isEnded() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"), "--mode", "isolated")
        try root.must("install", Fixtures.bundle("key_leak"), "--mode", "isolated")
        let former = try pids(root, "sound")
        let other = try pids(root, "key-leak")
        let engine = host.engine
        // While nobody looks, one gets another configuration, and the other one is to rest.
        #expect(kill(engine, SIGSTOP) == 0)
        try """
        {"plugins": {"sound": {"configuration": {"greeting": "new"}},
                     "key-leak": {"enabled": false}}}
        """.write(toFile: root.path + "/config/local.json", atomically: true, encoding: .utf8)
        #expect(kill(engine, SIGKILL) == 0)
        try eventually("another engine is there") {
            ![engine, host.process.pid].contains(host.engine)
        }
        try eventually("it answers") { (try? host.hello("sound")) == hello }
        try eventually("the former processes end") {
            (former + other).allSatisfy { !isAlive($0) }
        }
        #expect(try pids(root, "sound") != former)
        #expect(try root.status("key-leak")["state"].string == "disabled")
        #expect(try host.terminate() == 0)
    }

    /// Who is killed, one after the other.
    enum Part: String, CaseIterable, Sendable { case supervisor, engine, worker }

    static let orders: [[Part]] = [
        [.supervisor, .engine, .worker], [.engine, .supervisor, .worker],
        [.engine, .worker, .supervisor], [.worker, .supervisor, .engine],
        [.worker, .engine, .supervisor],
    ]

    @Test(arguments: orders)
    func nothingIsLeft_inWhateverOrderAllAreKilled(_ order: [Part]) throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"), "--mode", "isolated")
        try root.must("install", #require(Repository.sampleBundle("hello-python")))
        var seen: Set<Int32> = []
        func look() { seen.formUnion(ProcessState(pid: host.process.pid).children) }
        for part in order {
            look()
            switch part {
            case .supervisor: kill(host.process.pid, SIGKILL)
            case .engine: if isAlive(host.process.pid) { kill(host.engine, SIGKILL) }
            case .worker:
                for pid in seen where pid != host.engine { kill(pid, SIGKILL) }
            }
        }
        look()
        _ = host.process.waitForEnd(within: 60)
        try eventually("nothing is left of \(seen)") { seen.allSatisfy { !isAlive($0) } }
        for name in ["sound", "hello-python"] {
            let run = root.plugin(name) + "/run"
            let left = (try? FileManager.default.contentsOfDirectory(atPath: run)) ?? []
            #expect(left.allSatisfy { !$0.hasPrefix("socket-") }, "\(left)")
        }
        // The next host is not in the way of anything, and nothing in its.
        let again = try HostProcess(root)
        #expect(try again.hello("sound") == hello)
        #expect(try again.terminate() == 0)
    }
}
