import CPluginABI
import Dispatch
import HostModel
import Synchronization
import Testing

@testable import PluginHost

/// Hooks at the point of calls between plugins.
@Suite(.timeLimit(.minutes(5))) struct CallHookTests {
    private let switchboard = Switchboard()
    private let trail = Recorder<String>()

    private func peer(_ name: String, number: UInt64 = 1) throws -> Peer {
        try Peer(name, number: number, on: switchboard)
    }

    private func serve(_ hooker: FakeHooker) { switchboard.replace(nil, with: hooker.member) }

    /// A provider that serves `echo`, a caller, and its handle.
    private func echo(inline: Bool) throws -> (provider: Peer, caller: Peer, method: ph_handle) {
        let (provider, caller) = (try peer("provider"), try peer("caller"))
        provider.provide("echo", inline: inline) { [trail] call, payload in
            let text = String(decoding: payload, as: UTF8.self)
            trail.add("echo \(text)")
            return Peer.reply(call, text + ".")
        }
        provider.serve()
        let (status, method) = caller.method("echo", plugin: "provider")
        #expect(status == ph_status(PH_OK))
        return (provider, caller, method)
    }

    private static func text(_ call: UnsafePointer<ph_point_call>) -> String {
        String(
            decoding: UnsafeRawBufferPointer(
                start: call.pointee.payload.data, count: call.pointee.payload.length),
            as: UTF8.self)
    }

    private static func give(_ call: UnsafePointer<ph_point_call>, _ text: String) {
        let status = FakeCall.withBytes(text) { HookService.table.pointee.set_payload(call, $0) }
        #expect(status == ph_status(PH_OK))
    }

    /// A hook that notes what it sees, and adds its name on the way in and out.
    private func watch(
        _ hooker: FakeHooker, _ name: String, priority: Int32 = 0, changes: Bool = true
    ) throws {
        try hooker.point("rpc", .around, priority: priority) { [trail] call in
            trail.add("\(name) enters \(Self.text(call))")
            if changes { Self.give(call, Self.text(call) + name) }
            return (PH_OK, "")
        } leave: { [trail] call, result in
            trail.add("\(name) leaves \(result) \(Self.text(call))")
            if changes { Self.give(call, Self.text(call) + name.uppercased()) }
            return PH_OK
        }
    }

    // MARK: - Ways to call

    @Test(arguments: [true, false])
    func hooks_standAroundACall_inOrder_andChangeWhatIsSaid(inline: Bool) async throws {
        let (provider, caller, method) = try echo(inline: inline)
        let hooker = try FakeHooker("hooker")
        try watch(hooker, "b", priority: 2)
        try watch(hooker, "a", priority: 1)
        serve(hooker)
        let expected = [
            "a enters x", "b enters xa", "echo xab", "b leaves 0 xab.", "a leaves 0 xab.B",
        ]
        let lent = Answer()
        let waited = caller.call(method, "x", releasing: lent)
        #expect(waited.returned == ph_status(PH_OK))
        #expect(waited.told.map(\.text) == ["xab.BA"])
        #expect(trail.all == expected)
        let later = caller.begin(method, "x", releasing: lent)
        #expect(later.returned == ph_status(PH_OK))
        await later.arrival()
        #expect(later.told.map(\.text) == ["xab.BA"])
        #expect(trail.all == expected + expected)
        #expect(await provider.leave())
        #expect(await caller.leave())
        #expect(lent.releases == 2)
    }

    @Test func hook_isShown_whoCallsWhat() async throws {
        let provider = try Peer(
            "provider", provides: [try .of("renderer")], on: switchboard)
        let caller = try peer("caller")
        provider.provide("render", of: "renderer", inline: true) { call, _ in
            Peer.reply(call, "")
        }
        provider.serve()
        let hooker = try FakeHooker("hooker")
        try hooker.point("rpc", .before) { [trail] call in
            let one = call.pointee
            let parts = [one.point, one.plugin, one.provider, one.capability, one.method]
            trail.add(parts.map { FakeCall.string($0) }.joined(separator: " "))
            return (PH_OK, "")
        }
        serve(hooker)
        let method = caller.method("render", capability: "renderer").handle
        #expect(caller.call(method).returned == ph_status(PH_OK))
        #expect(trail.all == ["rpc caller provider renderer render"])
        #expect(await provider.leave())
    }

    @Test(arguments: [true, false])
    func cast_passesByHooks_too(inline: Bool) async throws {
        let (provider, caller, method) = try echo(inline: inline)
        let hooker = try FakeHooker("hooker")
        try watch(hooker, "a", changes: false)
        serve(hooker)
        let status = FakeCall.withBytes("x") { Peer.rpc.cast(caller.host, method, $0) }
        #expect(status == ph_status(PH_OK))
        #expect(await provider.leave())
        let seen = Set(trail.all)
        #expect(seen.isSuperset(of: ["a enters x", "echo x"]))
        #expect(seen.contains(inline ? "a leaves 0 x." : "a leaves 0 x"))
        #expect(hooker.member.gate.inFlight == 0)
    }

    // MARK: - What hooks do

    @Test(arguments: [true, false])
    func hookThatRefuses_endsTheCall_withItsWords(inline: Bool) async throws {
        let (provider, caller, method) = try echo(inline: inline)
        let hooker = try FakeHooker("hooker")
        try watch(hooker, "a", priority: 1, changes: false)
        try hooker.point("rpc", .before, priority: 2) { _ in (PH_LIMIT, "too many calls") }
        serve(hooker)
        let lent = Answer()
        for isWaited in [true, false] {
            let answer =
                isWaited
                ? caller.call(method, "x", releasing: lent)
                : caller.begin(method, "x", releasing: lent)
            #expect(answer.told.map(\.status) == [ph_status(PH_REFUSED)])
            #expect(answer.told.first?.code == ph_status(PH_LIMIT))
            #expect(answer.told.first?.text == "too many calls")
            #expect(answer.returned == (isWaited ? ph_status(PH_REFUSED) : ph_status(PH_OK)))
        }
        let cast = FakeCall.withBytes("x") { Peer.rpc.cast(caller.host, method, $0) }
        #expect(cast == ph_status(PH_REFUSED))
        let once = ["a enters x", "a leaves \(PH_REFUSED) too many calls"]
        #expect(trail.all == once + once + once, "the method was called")
        #expect(lent.releases == 2)
        #expect(await provider.leave())
        #expect(hooker.member.gate.inFlight == 0)
    }

    @Test func hookInTheProvidersPlace_replies() async throws {
        let (provider, caller, method) = try echo(inline: true)
        let hooker = try FakeHooker("hooker")
        try hooker.point("rpc", .replace) { call in
            guard Self.text(call) == "mine" else { return (PH_UNSUPPORTED, "") }
            Self.give(call, "replaced")
            return (PH_OK, "")
        }
        serve(hooker)
        #expect(caller.call(method, "mine").text == "replaced")
        #expect(caller.begin(method, "mine").text == "replaced")
        #expect(caller.call(method, "other").text == "other.")
        #expect(trail.all == ["echo other"])
        #expect(await provider.leave())
    }

    @Test func callsOfAHook_passNone() async throws {
        let (provider, caller, method) = try echo(inline: true)
        let hooker = try FakeHooker("hooker")
        try hooker.point("rpc", .before) { [trail] _ in
            trail.add("hook")
            trail.add(caller.call(method, "within").text ?? "none")
            return (PH_OK, "")
        }
        serve(hooker)
        #expect(caller.call(method, "x").text == "x.")
        #expect(trail.all == ["hook", "echo within", "within.", "echo x"])
        #expect(await provider.leave())
    }

    // MARK: - How it ends

    @Test func hooks_leaveWithWhateverEndsTheCall() async throws {
        let (provider, caller) = (try peer("provider"), try peer("caller"))
        let release = DispatchSemaphore(value: 0)
        provider.provide("no", inline: true) { call, _ in Peer.refuse(call, 7, "no") }
        provider.provide("forget", inline: true) { _, _ in ph_status(PH_OK) }
        provider.provide("hang") { call, _ in
            release.wait()
            release.signal()
            return Peer.reply(call, "late")
        }
        provider.serve()
        let hooker = try FakeHooker("hooker")
        try watch(hooker, "a", changes: false)
        serve(hooker)
        func call(_ name: String, _ milliseconds: UInt32 = 60_000) -> Answer {
            caller.call(
                caller.method(name, plugin: "provider").handle, milliseconds: milliseconds)
        }
        let no = call("no")
        #expect(no.status == ph_status(PH_REFUSED) && no.told.first?.code == 7 && no.text == "no")
        #expect(call("forget").status == ph_status(PH_NO_REPLY))
        #expect(call("hang", 20).status == ph_status(PH_TIMED_OUT))
        let later = caller.begin(caller.method("hang", plugin: "provider").handle)
        #expect(Peer.rpc.cancel(caller.host, later.ticket) == ph_status(PH_OK))
        #expect(later.status == ph_status(PH_CANCELLED))
        // Where nobody is found, there is nothing to stand around.
        #expect(call("missing").status == ph_status(PH_NO_METHOD))
        let results = trail.all.filter { $0.hasPrefix("a leaves") }
            .map { Int($0.split(separator: " ")[2]) }
        #expect(results == [PH_REFUSED, PH_NO_REPLY, PH_TIMED_OUT, PH_CANCELLED])
        release.signal()
        #expect(await provider.leave())
        #expect(await caller.leave())
        #expect(hooker.member.gate.inFlight == 0)
    }

    @Test func hookedCallsWithinCalls_haveTheSameBound() async throws {
        let (provider, caller) = (try peer("provider"), try peer("caller"))
        let own = Mutex<ph_handle>(0)
        let depths = Atomic<Int>(0)
        provider.provide("again", inline: true) { call, _ in
            depths.add(1, ordering: .relaxed)
            let answer = provider.call(own.withLock { $0 })
            let isOver = answer.returned != ph_status(PH_OK)
            return Peer.reply(call, isOver ? "\(answer.returned)" : answer.text ?? "")
        }
        provider.serve()
        own.withLock { $0 = provider.method("again", plugin: "provider").handle }
        let hooker = try FakeHooker("hooker")
        try watch(hooker, "a", changes: false)
        serve(hooker)
        let answer = caller.call(caller.method("again", plugin: "provider").handle)
        #expect(answer.text == "\(PH_TOO_DEEP)")
        #expect(depths.load(ordering: .relaxed) == Int(PH_RPC_DEPTH_MAX))
        let leaves = trail.all.count { $0.hasPrefix("a leaves") }
        #expect(leaves == Int(PH_RPC_DEPTH_MAX) + 1)
        #expect(await provider.leave())
    }

    // MARK: - Coming and going

    @Test func hookerThatGoesDuringACall_isHeldUntilItHasLeft_andSeesNoOther() async throws {
        let hooker = try FakeHooker("hooker")
        let (provider, caller) = (try peer("provider"), try peer("caller"))
        let switchboard = switchboard
        provider.provide("unhook", inline: true) { [trail] call, _ in
            switchboard.withdraw(hooker.member)
            hooker.member.gate.close()
            trail.add("held \(hooker.member.gate.inFlight)")
            return Peer.reply(call, "")
        }
        provider.serve()
        try watch(hooker, "a", changes: false)
        serve(hooker)
        let method = caller.method("unhook", plugin: "provider").handle
        #expect(caller.call(method).returned == ph_status(PH_OK))
        #expect(trail.all == ["a enters ", "held 1", "a leaves 0 "])
        #expect(await hooker.member.gate.waitUntilEmpty(deadline: .seconds(60)))
        #expect(caller.call(method).returned == ph_status(PH_OK))
        #expect(trail.all.last == "held 0" && trail.all.count == 4)
        #expect(await provider.leave())
    }

    @Test func providerThatComesLater_isHookedToo_andNoneIs_onceTheHooksAreGone() async throws {
        let (provider, caller, method) = try echo(inline: true)
        let hooker = try FakeHooker("hooker")
        let hook = try hooker.point("rpc", .before) { _ in (PH_OK, "") }
        serve(hooker)
        let next = try peer("provider", number: 2)
        next.provide("echo", inline: true) { call, _ in Peer.reply(call, "next") }
        next.serve(after: provider)
        next.provide("more", inline: true) { call, _ in Peer.reply(call, "more") }
        #expect(caller.call(method).text == "next")
        #expect(caller.call(caller.method("more", plugin: "provider").handle).text == "more")
        #expect(hook.callCount == 2)
        switchboard.withdraw(hooker.member)
        #expect(caller.call(method).text == "next")
        #expect(hook.callCount == 2)
        #expect(await provider.leave())
        #expect(await next.leave())
    }
}
