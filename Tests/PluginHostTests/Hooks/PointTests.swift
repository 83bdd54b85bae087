import CPluginABI
import HostModel
import Testing

@testable import PluginHost

@Suite(.timeLimit(.minutes(10))) struct PointTests {
    private let hooks = Hooks()
    private let trail = Recorder<String>()

    private func serve(_ hookers: [FakeHooker]) {
        for hooker in hookers { hooks.replace(nil, with: hooker.member) }
    }

    private func point(_ name: String = "notes/render") throws -> HookPoint {
        hooks.point(try #require(PointName(name)))
    }

    /// Does the work of a point, which adds a "." to the payload.
    private func run(_ point: HookPoint, _ payload: String = "x") -> (Int, String) {
        let chain = point.hooks ?? PointChain([])
        return FakeCall.withBytes(payload) { bytes in
            let run = PointRun(
                point, chain, plugin: "notes",
                payload: UnsafeRawBufferPointer(start: bytes.data, count: bytes.length))
            let status = run.run { [trail] run in
                run.show { call in
                    trail.add("work \(Self.text(call))")
                    return Self.give(call, Self.text(call) + ".")
                }
            }
            return (
                Int(status), run.refusal?.reason ?? String(decoding: run.payload, as: UTF8.self)
            )
        }
    }

    private static func text(_ call: UnsafePointer<ph_point_call>) -> String {
        String(
            decoding: UnsafeRawBufferPointer(
                start: call.pointee.payload.data, count: call.pointee.payload.length),
            as: UTF8.self)
    }

    @discardableResult
    private static func give(_ call: UnsafePointer<ph_point_call>, _ text: String) -> ph_status {
        FakeCall.withBytes(text) { HookService.table.pointee.set_payload(call, $0) }
    }

    // MARK: - Names

    @Test(arguments: [
        "request", "response", "install", "load", "unload", "publish", "rpc", "notes/render",
    ])
    func name_ofAPoint_isTaken(text: String) {
        #expect(PointName(text)?.description == text)
    }

    @Test(arguments: ["", "notes", "notes/", "/render", "notes/render/x", "Notes/render", "a/b c"])
    func name_thatIsNone_isNot(text: String) { #expect(PointName(text) == nil) }

    // MARK: - Runs

    @Test func emptyPoint_saysSo_andItsWorkIsDone() throws {
        let point = try point()
        #expect(point.isEmpty)
        #expect(run(point) == (PH_OK, "x."))
    }

    @Test func hooks_changeThePayload_onTheWayInAndOut() throws {
        let hooker = try FakeHooker("hooker")
        for (name, priority) in [("b", Int32(2)), ("a", 1)] {
            try hooker.point("notes/render", .around, priority: priority) { call in
                #expect(FakeCall.string(call.pointee.point) == "notes/render")
                #expect(FakeCall.string(call.pointee.plugin) == "notes")
                call.pointee.word.pointee = UnsafeMutableRawPointer(bitPattern: Int(priority))
                Self.give(call, Self.text(call) + name)
                return (PH_OK, "")
            } leave: { [trail] call, result in
                let word = Int(bitPattern: call.pointee.word.pointee)
                trail.add("\(name) \(word) \(result)")
                Self.give(call, Self.text(call) + name.uppercased())
                return PH_OK
            }
        }
        serve([hooker])
        let point = try point()
        #expect(!point.isEmpty)
        #expect(run(point) == (PH_OK, "xab.BA"))
        #expect(trail.all == ["work xab", "b 2 0", "a 1 0"])
    }

    @Test func hookThatRefuses_endsTheWork_withItsReason_andTheOthersLeave() throws {
        let hooker = try FakeHooker("hooker")
        try hooker.point("notes/render", .around, priority: 1) { _ in
            (PH_OK, "")
        } leave: { [trail] _, result in
            trail.add("left \(result)")
            return PH_OK
        }
        try hooker.point("notes/render", .before, priority: 2) { _ in (PH_LIMIT, "too much") }
        try hooker.point("notes/render", .before, priority: 3) { [trail] _ in
            trail.add("never")
            return (PH_OK, "")
        }
        serve([hooker])
        #expect(run(try point()) == (PH_LIMIT, "too much"))
        #expect(trail.all == ["left \(PH_LIMIT)"])
    }

    @Test func replacingHook_doesTheWork_orLeavesItToOthers() throws {
        let hooker = try FakeHooker("hooker")
        try hooker.point("notes/render", .replace, priority: 1) { call in
            if Self.text(call) == "mine" {
                Self.give(call, "replaced")
                return (PH_OK, "")
            }
            return (PH_UNSUPPORTED, "")
        }
        serve([hooker])
        #expect(run(try point(), "mine") == (PH_OK, "replaced"))
        #expect(run(try point(), "other") == (PH_OK, "other."))
        #expect(trail.all == ["work other"])
    }

    @Test func hooksOfAGenerationThatGoes_goWithIt_andThoseInsideHoldIt() async throws {
        let hooker = try FakeHooker("hooker")
        let (inside, entered) = (Recorder<Int>(), Recorder<Int>())
        try hooker.point("notes/render", .around) { _ in
            entered.add(1)
            return (PH_OK, "")
        } leave: { _, _ in
            inside.add(hooker.member.gate.inFlight)
            return PH_OK
        }
        serve([hooker])
        let point = try point()
        #expect(run(point) == (PH_OK, "x."))
        #expect(inside.all == [1])
        let chain = try #require(point.hooks)
        hooks.withdraw(hooker.member)
        hooker.member.gate.close()
        #expect(point.isEmpty)
        // A run that took the hooks before they went passes them over.
        let late = PointRun(
            point, chain, plugin: "", payload: UnsafeRawBufferPointer(start: nil, count: 0))
        #expect(late.run { _ in ph_status(PH_OK) } == PH_OK)
        #expect(entered.all.count == 1)
        #expect(await hooker.member.gate.waitUntilEmpty(deadline: .zero))
    }

    @Test func disabledHook_isPassedOver_afterItsFailures() throws {
        let hooker = try FakeHooker("hooker")
        let hook = try hooker.point("notes/render", .before, policy: .disable(after: 3)) { _ in
            (PH_FAILED, "no")
        }
        serve([hooker])
        for _ in 0..<5 { #expect(run(try point()) == (PH_OK, "x.")) }
        #expect(hook.callCount == 3)
        #expect(hook.isDisabled)
    }

    @Test func hooksOfOneGeneration_haveABound() throws {
        let hooker = try FakeHooker("hooker")
        serve([hooker])
        func another() -> Bool {
            hooks.add(
                RegisteredHook(
                    .load, HookOptions(kind: .after), RegisteredHook.Functions(),
                    of: hooker.member, log: HostLog(minimum: .error, descriptor: -1)))
        }
        for _ in 0..<Hooks.hooksMax { #expect(another()) }
        #expect(!another())
        #expect(hooks.listed.map(\.point) == [.load])
        #expect(hooks.listed[0].hooks.count == Hooks.hooksMax)
    }
}
