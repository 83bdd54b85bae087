import CPluginABI
import Dispatch
import HTTPServer
import HTTPWire
import HostModel
import Synchronization
import Testing

@testable import PluginHost

@Suite(.timeLimit(.minutes(10))) struct RequestHookTests {
    private let hooks = Hooks()
    private let trail = Recorder<String>()

    private func serve(
        _ hookers: [FakeHooker], plugin: FakePlugin? = nil,
        _ body: (BridgeServer, RawClient) async throws -> Void
    ) async throws {
        let plugin = try plugin ?? FakePlugin { $0.respond(200, [], "the plugin") }
        let host = try await BridgeServer([plugin])
        await host.hook(hookers, with: hooks, on: [plugin])
        let client = host.client()
        try await body(host, client)
        client.close()
        await host.stop()
        for hooker in hookers {
            #expect(hooker.fake.generation.hooked == 0, "a hook of \(hooker.member.name) is owed")
        }
        #expect(plugin.generation.inFlight == 0)
    }

    private func get(_ client: RawClient) -> RawResponse {
        client.call("GET", "/plugin/fake/api/hello")
    }

    private func around(_ hooker: FakeHooker, _ name: String, priority: Int32 = 0) {
        hooker.request(.around, priority: priority) { [trail] _ in
            trail.add("+\(name)")
            return PH_OK
        } leave: { [trail] _, _ in
            trail.add("-\(name)")
            return PH_OK
        }
    }

    // MARK: - Order

    @Test func hooks_enterByPriorityNameAndOrder_andLeaveInReverse() async throws {
        let (ann, bob) = (try FakeHooker("ann"), try FakeHooker("bob"))
        around(bob, "bob-1")
        around(ann, "ann-late", priority: 5)
        around(ann, "ann-1")
        around(ann, "ann-2")
        around(bob, "bob-first", priority: -1)
        try await serve([bob, ann]) { _, client in
            #expect(get(client).text == "the plugin")
        }
        let entered = ["bob-first", "ann-1", "ann-2", "bob-1", "ann-late"]
        #expect(trail.all == entered.map { "+\($0)" } + entered.reversed().map { "-\($0)" })
    }

    @Test func hook_isShownTheRequest_andKeepsAWordForItsLeave() async throws {
        let hooker = try FakeHooker("hooker")
        hooker.request(.around) { [trail] call in
            trail.add("\(call.plugin) \(call.route) \(call.path) \(call.word)")
            call.word = 4_711
            return PH_OK
        } leave: { [trail] call, outcome in
            trail.add("\(call.route) \(call.path) \(call.word) \(outcome.status)")
            trail.add("\(outcome.body_bytes) \(outcome.flags) \(call.answering == nil)")
            #expect(outcome.nanoseconds > 0)
            return PH_OK
        }
        try await serve([hooker]) { _, client in _ = get(client) }
        #expect(
            trail.all == [
                "fake GET /hello /hello 0", "GET /hello /hello 4711 200", "10 0 true",
            ])
    }

    // MARK: - Answers

    @Test func hookThatAnswers_endsTheWay_andAfterHooksSeeItAllTheSame() async throws {
        let hooker = try FakeHooker("hooker")
        around(hooker, "outer", priority: 1)
        hooker.request(.before, priority: 2) { call in
            Int(call.answering?.respond(401, [("X-Why", "no key")], "who are you?") ?? 0)
        }
        around(hooker, "inner", priority: 3)
        let leave: FakeHooker.Leave = { [trail] _, outcome in
            trail.add("after \(outcome.status) \(outcome.flags)")
            return PH_OK
        }
        hooker.request(.after, priority: 4, leave: leave)
        let plugin = try FakePlugin { [trail] call in
            trail.add("plugin")
            return call.respond(200)
        }
        try await serve([hooker], plugin: plugin) { _, client in
            let response = get(client)
            #expect(response.status == 401)
            #expect(response.text == "who are you?")
            #expect(response.header("X-Why") == "no key")
        }
        #expect(trail.all == ["+outer", "after 401 \(PH_OUTCOME_HOOKED)", "-outer"])
    }

    @Test func replacingHook_answersInPlaceOfThePlugin_nowOrLater() async throws {
        let hooker = try FakeHooker("hooker")
        around(hooker, "around", priority: 9)
        hooker.request(.replace) { call in
            switch call.path {
            case "/now": return Int(call.answering?.respond(200, [], "replaced") ?? 0)
            case "/later":
                let answering = call.answering
                onThread { _ = answering?.respond(200, [], "replaced later") }
                return PH_PENDING
            default: return PH_OK
            }
        }
        let plugin = try FakePlugin(routes: [RouteDeclaration(method: "GET", pattern: "/{what}")]) {
            $0.respond(200, [], "the plugin")
        }
        try await serve([hooker], plugin: plugin) { _, client in
            #expect(client.call("GET", "/plugin/fake/api/now").text == "replaced")
            #expect(client.call("GET", "/plugin/fake/api/later").text == "replaced later")
            #expect(client.call("GET", "/plugin/fake/api/else").text == "the plugin")
        }
        #expect(trail.all == Array(repeating: ["+around", "-around"], count: 3).flatMap { $0 })
    }

    @Test func responseThatIsCompletedLater_leavesWhenItIs() async throws {
        let hooker = try FakeHooker("hooker")
        around(hooker, "hook")
        let plugin = try FakePlugin { [trail] call in
            onThread {
                trail.add("answering")
                _ = call.respond(200, [], "later")
            }
            return ph_status(PH_PENDING)
        }
        try await serve([hooker], plugin: plugin) { _, client in
            #expect(get(client).text == "later")
        }
        #expect(trail.all == ["+hook", "answering", "-hook"])
    }

    @Test func clientThatLeaves_isToldToTheHooks_once() async throws {
        let hooker = try FakeHooker("hooker")
        let leave: FakeHooker.Leave = { [trail] _, outcome in
            trail.add("\(outcome.status) \(outcome.flags)")
            return PH_OK
        }
        hooker.request(.after, leave: leave)
        let calls = Recorder<FakeCall>()
        let plugin = try FakePlugin { call in
            calls.add(call)
            return ph_status(PH_PENDING)
        }
        try await serve([hooker], plugin: plugin) { host, _ in
            let leaving = host.client()
            leaving.send("GET /plugin/fake/api/hello HTTP/1.1\r\nHost: x\r\n\r\n")
            let call = await calls.wait()[0]
            leaving.reset()
            // The loop hears of the reset before it hears of what comes behind it.
            while call.respond(200) != ph_status(PH_CLOSED) {
                if !trail.all.isEmpty { break }
                await Task.yield()
            }
            _ = await trail.wait()
        }
        #expect(trail.all.count == 1)
    }

    // MARK: - Failures

    @Test func hookThatFails_endsTheRequest_orIsPassedOver_orIsTakenOut() async throws {
        let hooker = try FakeHooker("hooker")
        let fails = Mutex(false)
        let strict = hooker.request(.before, priority: 1) { _ in
            fails.withLock { $0 } ? PH_FAILED : PH_OK
        }
        let skipped = hooker.request(.around, priority: 2, policy: .skip) { _ in
            PH_FAILED
        } leave: { [trail] _, _ in
            trail.add("it left, but had not entered")
            return PH_OK
        }
        let disabled = hooker.request(.before, priority: 3, policy: .disable(after: 2)) { _ in
            PH_LIMIT
        }
        try await serve([hooker]) { _, client in
            for _ in 0..<4 { #expect(get(client).text == "the plugin") }
            #expect(skipped.failureCount == 4)
            #expect(disabled.failureCount == 2)
            #expect(disabled.isDisabled)
            #expect(!skipped.isDisabled)
            fails.withLock { $0 = true }
            let response = get(client)
            #expect(response.status == 500)
            #expect(response.text.contains("The plugin hooker failed in its hook"))
            #expect(strict.failureCount == 1)
            #expect(strict.callCount == 5)
            #expect(disabled.callCount == 2)
        }
        #expect(trail.all == [])
    }

    @Test func hookThatReturnsNonsense_hasFailed() async throws {
        let hooker = try FakeHooker("hooker")
        let hook = hooker.request(.before) { _ in PH_PENDING }
        let begins = hooker.request(.before, priority: -1, policy: .skip) { call in
            if call.path == "/begun" { _ = call.answering?.begin(200, [], length: 5) }
            return PH_OK
        }
        let plugin = try FakePlugin(routes: [RouteDeclaration(method: "GET", pattern: "/{what}")]) {
            $0.respond(200, [], "the plugin")
        }
        try await serve([hooker], plugin: plugin) { host, client in
            #expect(client.call("GET", "/plugin/fake/api/hello").status == 500)
            let other = host.client()
            #expect(!other.call("GET", "/plugin/fake/api/begun").isWhole)
            #expect(hook.failureCount == 1)
            #expect(begins.failureCount == 1)
        }
    }

    // MARK: - Time

    /// Lets a hook wait until the test says so.
    private final class Gate: Sendable {
        let reached = Recorder<Int>()
        private let semaphore = DispatchSemaphore(value: 0)

        func pass() {
            reached.add(1)
            semaphore.wait()
        }

        func open() { semaphore.signal() }
    }

    private func others(_ host: BridgeServer) {
        let other = host.client()
        for _ in 0..<20 {
            #expect(other.call("GET", "/plugin/fake/api/fast").text == "the plugin")
        }
        other.close()
    }

    private func slowAndFast() throws -> FakePlugin {
        try FakePlugin(routes: [RouteDeclaration(method: "GET", pattern: "/{what}")]) {
            $0.respond(200, [], "the plugin")
        }
    }

    @Test(arguments: [false, true])
    func hookThatDoesNotComeBack_delaysNobodyElse(blocks: Bool) async throws {
        let hooker = try FakeHooker("hooker")
        let gate = Gate()
        let hook = hooker.request(.around, blocks: blocks) { [trail] call in
            guard call.path == "/slow" else { return PH_OK }
            gate.pass()
            trail.add("entered")
            return PH_OK
        } leave: { [trail] call, outcome in
            guard call.path == "/slow" else { return PH_OK }
            trail.add("leaving \(outcome.status)")
            gate.pass()
            trail.add("left")
            return PH_OK
        }
        around(hooker, "inner", priority: 1)
        try await serve([hooker], plugin: try slowAndFast()) { host, client in
            client.send("GET /plugin/fake/api/slow HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = await gate.reached.wait(1)
            others(host)
            #expect(hooker.fake.generation.hooked >= 2)
            #expect(trail.all.filter { $0.hasPrefix("entered") }.isEmpty)
            gate.open()
            #expect(client.read().text == "the plugin")
            _ = await gate.reached.wait(2)
            // The connection goes on while the hook is still about to leave.
            #expect(client.call("GET", "/plugin/fake/api/fast").text == "the plugin")
            others(host)
            #expect(hooker.fake.generation.hooked >= 1)
            gate.open()
            _ = await trail.wait(3 + 2 * 42)
            #expect(hook.isPooled)
            if !blocks {
                #expect(
                    hooker.fake.generation.figures.overruns.load(ordering: .relaxed) >= 1)
            }
        }
        #expect(
            trail.all.filter { !$0.hasSuffix("inner") } == ["entered", "leaving 200", "left"])
    }

    @Test func clientThatLeavesDuringAHook_isToldToTheHooks_once() async throws {
        let hooker = try FakeHooker("hooker")
        let gate = Gate()
        hooker.request(.around, blocks: true) { _ in
            gate.pass()
            return PH_OK
        } leave: { [trail] _, _ in
            trail.add("left")
            return PH_OK
        }
        let plugin = try FakePlugin { $0.respond(200, [], "the plugin") }
        try await serve([hooker], plugin: plugin) { host, client in
            client.send("GET /plugin/fake/api/hello HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = await gate.reached.wait()
            client.reset()
            gate.open()
            _ = await trail.wait()
            // A server without connections does not wait for a hook that is about to return.
            #expect(await eventuallyTrue { plugin.generation.inFlight == 0 })
        }
        #expect(trail.all == ["left"])
    }

    // MARK: - Responses

    @Test func responseHooks_changeTheHead_inOrder() async throws {
        let (ann, bob) = (try FakeHooker("ann"), try FakeHooker("bob"))
        func name(_ hooker: FakeHooker, _ text: String, priority: Int32 = 0) {
            hooker.response(priority: priority) { call, head in
                let before =
                    head.value(ByteSlice("X-Trail")).map { String(decoding: $0) + "," } ?? ""
                let isAdded = FakeCall.withHeaders([("X-Trail", before + text)]) { header, _ in
                    head.add(
                        ByteSlice(header!.pointee.name), ByteSlice(header!.pointee.value),
                        replaces: true)
                }
                return isAdded ? PH_OK : PH_FAILED
            }
        }
        name(bob, "bob")
        name(ann, "ann")
        name(ann, "last", priority: 1)
        bob.response(priority: 2) { call, head in
            #expect(head.status == 201)
            #expect(head.remove(ByteSlice("Server-Secret")) == 2)
            #expect(!head.add(ByteSlice("Content-Length"), ByteSlice("7"), replaces: true))
            #expect(!head.add(ByteSlice("X-Bad"), ByteSlice("a\r\nb: c"), replaces: true))
            return PH_OK
        }
        let plugin = try FakePlugin(routes: [RouteDeclaration(method: "GET", pattern: "/{what}")]) {
            call in
            let headers = [("Server-Secret", "1"), ("X-Own", "kept"), ("server-secret", "2")]
            switch call.path {
            case "/begun":
                #expect(call.begin(201, headers) == ph_status(PH_OK))
                #expect(call.write("in pieces") >= 0)
                return call.finish()
            case "/elsewhere":
                onThread { #expect(call.respond(201, headers, "there") == ph_status(PH_OK)) }
                return ph_status(PH_PENDING)
            default: return call.respond(201, headers, "at once")
            }
        }
        try await serve([bob, ann], plugin: plugin) { _, client in
            for (path, text) in [
                ("hello", "at once"), ("begun", "in pieces"), ("elsewhere", "there"),
            ] {
                let response = client.call("GET", "/plugin/fake/api/\(path)")
                #expect(response.text == text)
                #expect(response.header("X-Trail") == "ann,bob,last")
                #expect(response.header("X-Own") == "kept")
                #expect(response.header("Server-Secret") == nil)
                #expect(response.header("X-Bad") == nil)
            }
        }
    }

    @Test func responseHookThatFails_putsA500InItsPlace_orIsPassedOver() async throws {
        let hooker = try FakeHooker("hooker")
        hooker.response(policy: .skip) { _, _ in PH_FAILED }
        hooker.response { call, _ in call.path == "/fine" ? PH_OK : PH_FAILED }
        let plugin = try FakePlugin(routes: [RouteDeclaration(method: "GET", pattern: "/{what}")]) {
            call in
            guard call.path == "/begun" else { return call.respond(200, [], "fine") }
            #expect(call.begin(200, []) == ph_status(PH_CLOSED))
            #expect(call.write("more") == ph_status(PH_WRONG_STATE))
            return ph_status(PH_OK)
        }
        try await serve([hooker], plugin: plugin) { _, client in
            #expect(client.call("GET", "/plugin/fake/api/fine").text == "fine")
            for path in ["failed", "begun"] {
                let response = client.call("GET", "/plugin/fake/api/\(path)")
                #expect(response.status == 500)
                #expect(response.text.contains("A hook refused the response"))
            }
        }
    }

    // MARK: - Coming and going

    @Test func withdrawnHooks_areNotCalledAgain_andHoldTheirGenerationUntilTheyHaveLeft()
        async throws
    {
        let (former, next) = (try FakeHooker("hooker"), try FakeHooker("hooker", number: 2))
        around(former, "former")
        around(next, "next")
        let calls = Recorder<FakeCall>()
        let plugin = try FakePlugin { call in
            calls.add(call)
            return ph_status(PH_PENDING)
        }
        try await serve([former], plugin: plugin) { host, client in
            client.send("GET /plugin/fake/api/hello HTTP/1.1\r\nHost: x\r\n\r\n")
            let first = await calls.wait(1)[0]
            hooks.replace(former.member, with: next.member)
            await host.hook([], with: hooks, on: [plugin])
            #expect(former.fake.generation.hooked == 1)
            let drained = Recorder<Int>()
            await host.server.forEachReactor { reactor in
                former.fake.generation.beginDraining(reactor: reactor.index) {
                    drained.add(reactor.index)
                }
            }
            let other = host.client()
            other.send("GET /plugin/fake/api/hello HTTP/1.1\r\nHost: x\r\n\r\n")
            let second = await calls.wait(2)[1]
            #expect(second.respond(200, [], "second") == ph_status(PH_OK))
            #expect(other.read().text == "second")
            #expect(drained.all.count < 2)
            #expect(first.respond(200, [], "first") == ph_status(PH_OK))
            #expect(client.read().text == "first")
            _ = await drained.wait(2)
            #expect(former.fake.generation.hooked == 0)
            hooks.withdraw(next.member)
            #expect(hooks.chain == nil)
            await host.hook([], with: hooks, on: [plugin])
        }
        #expect(trail.all == ["+former", "+next", "-next", "-former"])
    }
}

extension ByteSlice {
    init(_ text: ph_text) {
        self.init(UnsafeRawBufferPointer(start: text.data, count: text.length))
    }
}
