import CPluginABI
import Dispatch
import Foundation
import HostModel
import Synchronization
import Testing

@testable import PluginHost

/// Calls and handles while generations come and go.
struct CallReloadTests {
    private let switchboard = Switchboard()

    private func provider(
        _ name: String, number: UInt64 = 1, priority: Int = 0, inline: Bool = true,
        version: String = "1.0.0", options: JSONObject = [:]
    ) throws -> Peer {
        let peer = try Peer(
            name, number: number,
            provides: [.of("renderer", version, priority: priority, options: options)],
            on: switchboard)
        peer.provide("who", of: "renderer", inline: inline) { call, _ in
            Peer.reply(call, "\(name)@\(number)")
        }
        return peer
    }

    private func caller(_ number: UInt64 = 1) throws -> Peer {
        try Peer("caller", number: number, on: switchboard)
    }

    @Test func handle_followsReloads_andPriorities() async throws {
        let caller = try caller()
        let method = caller.method("who", capability: "renderer").handle
        let place = caller.bind(capability: "renderer").handle
        func expect(_ name: String) {
            #expect(caller.call(method).text == name)
            #expect(caller.current(place).name == name)
        }
        #expect(caller.call(method).returned == ph_status(PH_NO_PROVIDER))
        #expect(caller.current(place).status == ph_status(PH_NO_PROVIDER))
        let first = try provider("markdown")
        #expect(caller.call(method).returned == ph_status(PH_NO_PROVIDER))
        first.serve()
        expect("markdown@1")
        let second = try provider("markdown", number: 2)
        second.serve(after: first)
        expect("markdown@2")
        #expect(await first.leave())
        expect("markdown@2")
        let better = try provider("better", priority: 5)
        better.serve()
        expect("better@1")
        #expect(caller.providers(capability: "renderer") == ["better@1", "markdown@2"])
        let equal = try provider("also", priority: 5)
        equal.serve()
        expect("also@1")
        #expect(await equal.leave())
        #expect(await better.leave())
        expect("markdown@2")
        #expect(await second.leave())
        #expect(caller.call(method).returned == ph_status(PH_NO_PROVIDER))
        #expect(caller.providers(capability: "renderer") == [])
    }

    @Test func selector_choosesByPluginVersionAndOption() throws {
        let caller = try caller()
        let small = try provider(
            "small", priority: 1, version: "1.4.0", options: ["models": ["tiny", "little"]])
        let large = try provider(
            "large", version: "2.0.0", options: ["models": ["huge"], "local": false])
        small.serve()
        large.serve()
        func found(
            plugin: String = "", version: String = "", option: (String, String)? = nil
        ) -> String? {
            caller.call(
                caller.method(
                    "who", plugin: plugin, capability: "renderer", version: version,
                    option: option
                ).handle
            ).text
        }
        #expect(found() == "small@1")
        #expect(found(plugin: "large") == "large@1")
        #expect(found(version: "^2") == "large@1")
        #expect(found(version: "^1.2") == "small@1")
        #expect(found(option: ("models", "huge")) == "large@1")
        #expect(found(option: ("models", "little")) == "small@1")
        #expect(found(option: ("local", "false")) == "large@1")
        #expect(found(option: ("local", "")) == "large@1")
        #expect(found(version: "^3") == "nobody provides what the call asks for")
    }

    @Test func handleOfAGeneration_isStale_onceThatIsGone() async throws {
        let caller = try caller()
        #expect(
            caller.method("who", capability: "renderer", ofGeneration: true).status
                == ph_status(PH_NO_PROVIDER))
        let first = try provider("markdown")
        first.serve()
        let method = caller.method("who", capability: "renderer", ofGeneration: true).handle
        let place = caller.bind(capability: "renderer", ofGeneration: true).handle
        #expect(
            caller.method("missing", capability: "renderer", ofGeneration: true).status
                == ph_status(PH_NO_METHOD))
        #expect(caller.call(method).text == "markdown@1")
        let second = try provider("markdown", number: 2)
        second.serve(after: first)
        #expect(caller.call(method).returned == ph_status(PH_STALE))
        #expect(caller.current(place).status == ph_status(PH_STALE))
    }

    @Test func releasedHandle_isStale_alsoWhenItsPlaceIsTakenAgain() throws {
        let caller = try caller()
        try provider("markdown").serve()
        let old = caller.method("who", capability: "renderer").handle
        #expect(Peer.rpc.release(caller.host, old) == ph_status(PH_OK))
        let new = caller.method("who", capability: "renderer").handle
        #expect(caller.call(old).returned == ph_status(PH_STALE))
        #expect(Peer.rpc.release(caller.host, old) == ph_status(PH_STALE))
        #expect(caller.call(new).text == "markdown@1")
    }

    @Test func handlesOfAGenerationThatIsGone_areStale() throws {
        try provider("markdown").serve()
        let other = try caller(2)
        var handle: ph_handle = 0
        do {
            let gone = try caller()
            handle = gone.method("who", capability: "renderer").handle
            #expect(gone.call(handle).text == "markdown@1")
        }
        #expect(other.call(handle).returned == ph_status(PH_STALE))
    }

    @Test func methodOfAGenerationThatServes_isThereAtOnce_andMayBeReplaced() throws {
        let (peer, caller) = (try provider("markdown"), try caller())
        peer.serve()
        let method = caller.method("late", plugin: "markdown").handle
        #expect(caller.call(method).returned == ph_status(PH_NO_METHOD))
        peer.provide("late", inline: true) { call, _ in Peer.reply(call, "one") }
        #expect(caller.call(method).text == "one")
        peer.provide("late", inline: true) { call, _ in Peer.reply(call, "two") }
        #expect(caller.call(method).text == "two")
    }

    @Test func providerThatIsUnloaded_finishesWhatRuns_orItsCallersAreTold() async throws {
        let caller = try caller()
        let first = try provider("markdown")
        let (started, release) = (Answer(), DispatchSemaphore(value: 0))
        first.provide("slow", of: "renderer") { call, _ in
            started.hear("")
            release.wait()
            return Peer.reply(call, "slowly")
        }
        first.provide("never", of: "renderer") { _, _ in ph_status(PH_PENDING) }
        first.serve()
        let slow = caller.begin(caller.method("slow", capability: "renderer").handle)
        let never = caller.begin(caller.method("never", capability: "renderer").handle)
        await started.arrival()
        try provider("markdown", number: 2).serve(after: first)
        #expect(slow.told.isEmpty && never.told.isEmpty)
        first.member.gate.close()
        #expect(await !first.member.gate.waitUntilEmpty(deadline: .zero))
        first.member.calls.end()
        await never.arrival()
        await slow.arrival()
        #expect(slow.status == ph_status(PH_GONE) && never.status == ph_status(PH_GONE))
        release.signal()
        #expect(await first.member.gate.waitUntilEmpty(deadline: .seconds(60)))
        #expect(await caller.leave())
    }

    @Test func callerThatStops_isToldAtOnce_andAsksForNothingMore() async throws {
        let caller = try caller()
        let peer = try provider("markdown")
        peer.provide("never") { _, _ in ph_status(PH_PENDING) }
        peer.serve()
        let method = caller.method("never", plugin: "markdown").handle
        let answer = caller.begin(method)
        caller.member.gate.close()
        #expect(await !caller.member.gate.waitUntilEmpty(deadline: .zero))
        caller.member.calls.end()
        #expect(answer.told.map(\.status) == [ph_status(PH_CANCELLED)])
        #expect(await caller.member.gate.waitUntilEmpty(deadline: .zero))
        #expect(caller.begin(method).returned == ph_status(PH_WRONG_STATE))
        #expect(caller.method("never", plugin: "markdown").status == ph_status(PH_WRONG_STATE))
        #expect(caller.provide("x") { _, _ in 0 } == ph_status(PH_WRONG_STATE))
    }

    /// Two plugins call each other while both are reloaded: each call has one outcome, and every
    /// generation can go.
    ///
    /// `RPC_CALLS` and `RPC_RELOADS` make it longer: 1000000 and 200 take a minute or two.
    @Test func calls_haveOneOutcomeEach_whileBothPluginsAreReloaded() async throws {
        let environment = ProcessInfo.processInfo.environment
        let calls = environment["RPC_CALLS"].flatMap { Int($0) } ?? 40_000
        let reloads = environment["RPC_RELOADS"].flatMap { Int($0) } ?? 60
        let world = ReloadWorld(switchboard)
        let (answered, failed, wrong) = try await world.run(
            calls: calls, reloads: reloads, threads: 4)
        #expect(wrong == 0)
        #expect(answered + failed == calls)
        #expect(answered > 0)
    }
}

/// Two plugins that call each other, and the one who reloads them.
private final class ReloadWorld: Sendable {
    private let switchboard: Switchboard
    private let current = Mutex<[String: (Peer, quick: ph_handle, slow: ph_handle)]>([:])
    private let left = Atomic<Int>(0)
    private let answered = Atomic<Int>(0)
    private let failed = Atomic<Int>(0)
    private let wrong = Atomic<Int>(0)

    /// What a call may come to when a generation goes under way.
    private static let known: Set<ph_status> = [
        ph_status(PH_NO_PROVIDER), ph_status(PH_GONE), ph_status(PH_CANCELLED),
        ph_status(PH_WRONG_STATE), ph_status(PH_STALE),
    ]

    init(_ switchboard: Switchboard) { self.switchboard = switchboard }

    private func make(_ name: String, _ other: String, _ number: UInt64) throws -> Peer {
        let peer = try Peer(name, number: number, on: switchboard)
        peer.provide("quick", inline: true) { call, payload in
            Peer.reply(call, String(decoding: payload, as: UTF8.self))
        }
        peer.provide("slow") { call, payload in
            Peer.reply(call, String(decoding: payload, as: UTF8.self))
        }
        return peer
    }

    private func begin(_ peer: Peer, _ name: String, _ other: String) {
        let former = current.withLock { $0[name]?.0 }
        peer.serve(after: former)
        let quick = peer.method("quick", plugin: other).handle
        let slow = peer.method("slow", plugin: other).handle
        current.withLock { $0[name] = (peer, quick, slow) }
    }

    private func call(_ number: Int) async {
        let name = number.isMultiple(of: 2) ? "ping" : "pong"
        guard let (peer, quick, slow) = current.withLock({ $0[name] }) else { return }
        let text = "\(number)"
        let answer: Answer
        if number % 10 == 0 {
            answer = peer.begin(slow, text)
            if answer.returned == ph_status(PH_OK) { await answer.arrival() }
        } else {
            answer = peer.call(quick, text)
        }
        let status = answer.status ?? answer.returned
        let isOnce = answer.told.count == (answer.told.isEmpty ? 0 : 1)
        if isOnce, status == ph_status(PH_OK), answer.text == text {
            answered.add(1, ordering: .relaxed)
        } else if isOnce, Self.known.contains(status) {
            failed.add(1, ordering: .relaxed)
        } else {
            wrong.add(1, ordering: .relaxed)
        }
    }

    func run(
        calls: Int, reloads: Int, threads: Int
    ) async throws -> (answered: Int, failed: Int, wrong: Int) {
        left.store(calls, ordering: .relaxed)
        begin(try make("ping", "pong", 1), "ping", "pong")
        begin(try make("pong", "ping", 1), "pong", "ping")
        let callsEach = max(1, calls / max(1, reloads))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<threads {
                group.addTask {
                    while true {
                        let number = self.left.subtract(1, ordering: .relaxed).oldValue
                        guard number > 0 else { return }
                        await self.call(number)
                    }
                }
            }
            group.addTask { try await self.reload(reloads, each: callsEach, of: calls) }
            try await group.waitForAll()
        }
        for (peer, _, _) in current.withLock({ Array($0.values) }) { #expect(await peer.leave()) }
        return (
            answered.load(ordering: .relaxed), failed.load(ordering: .relaxed),
            wrong.load(ordering: .relaxed)
        )
    }

    /// Reloads one plugin after the other, each time when some more calls have been made.
    private func reload(_ count: Int, each: Int, of calls: Int) async throws {
        for number in 0..<count {
            let due = calls - number * each
            while left.load(ordering: .relaxed) > due { await Task.yield() }
            let (name, other) = number.isMultiple(of: 2) ? ("ping", "pong") : ("pong", "ping")
            guard let former = current.withLock({ $0[name]?.0 }) else { return }
            begin(try make(name, other, UInt64(number) + 2), name, other)
            #expect(await former.leave())
        }
    }
}
