import CLinux
import CPluginABI
import Dispatch
import HostModel
import Synchronization
import Testing

@testable import PluginHost

/// Calls between plugins that do not change meanwhile.
struct CallTests {
    private let switchboard = Switchboard()

    private func peer(
        _ name: String, number: UInt64 = 1, threads: Int = 8, queue: Int = 1_024
    ) throws -> Peer {
        try Peer(name, number: number, threads: threads, queue: queue, on: switchboard)
    }

    private func echo(inline: Bool) throws -> (Peer, Peer, ph_handle) {
        let (provider, caller) = (try peer("provider"), try peer("caller"))
        provider.provide("echo", inline: inline) { call, payload in
            Peer.reply(call, String(decoding: payload, as: UTF8.self) + "!")
        }
        provider.serve()
        let (status, method) = caller.method("echo", plugin: "provider")
        #expect(status == ph_status(PH_OK))
        return (provider, caller, method)
    }

    // MARK: - Where it runs

    @Test func inlineMethod_answers_onTheCallersThread() throws {
        let (provider, caller, method) = try echo(inline: true)
        let answer = caller.call(method, "hello")
        #expect(answer.returned == ph_status(PH_OK))
        #expect(answer.told.map(\.text) == ["hello!"])
        #expect(answer.told.first?.thread == linux_this_thread())
        let later = caller.begin(method, "later")
        #expect(later.told.map(\.text) == ["later!"] && later.returned == ph_status(PH_OK))
        withExtendedLifetime(provider) {}
    }

    @Test func otherMethod_answers_onAThreadOfItsProvider() async throws {
        let (provider, caller, method) = try echo(inline: false)
        let answer = caller.call(method, "hello")
        #expect(answer.returned == ph_status(PH_OK))
        #expect(answer.told.map(\.text) == ["hello!"])
        #expect(answer.told.first?.thread != linux_this_thread())
        let later = caller.begin(method, "later")
        await later.arrival()
        #expect(later.told.map(\.text) == ["later!"])
        #expect(await provider.leave())
    }

    @Test func waitingCall_isRefused_onAnEventLoop() async throws {
        let (provider, caller, method) = try echo(inline: false)
        provider.provide("quick", inline: true) { call, _ in Peer.reply(call, "") }
        let quick = caller.method("quick", plugin: "provider").handle
        let results = await onOwnThread {
            linux_set_runs_loop()
            return [caller.call(method), caller.call(quick)].map(\.returned)
        }
        #expect(results == [ph_status(PH_WRONG_THREAD), ph_status(PH_OK)])
        withExtendedLifetime(provider) {}
    }

    @Test func method_isCompletedLater_fromAnotherThread() async throws {
        let (provider, caller) = (try peer("provider"), try peer("caller"))
        provider.provide("later") { call, _ in
            let call = UInt(bitPattern: call)
            DispatchQueue.global().async {
                _ = Peer.reply(OpaquePointer(bitPattern: call)!, "late")
            }
            return ph_status(PH_PENDING)
        }
        provider.serve()
        let method = caller.method("later", plugin: "provider").handle
        #expect(caller.call(method).told.map(\.text) == ["late"])
        #expect(await provider.leave())
    }

    @Test func cast_isCarriedOut_andNobodyIsTold() async throws {
        let (provider, caller) = (try peer("provider"), try peer("caller"))
        let heard = Answer()
        provider.provide("note") { call, payload in
            heard.hear(String(decoding: payload, as: UTF8.self))
            return Peer.reply(call, "unheard")
        }
        provider.serve()
        let method = caller.method("note", plugin: "provider").handle
        let status = FakeCall.withBytes("news") { Peer.rpc.cast(caller.host, method, $0) }
        #expect(status == ph_status(PH_OK))
        await heard.arrival()
        #expect(heard.text == "news")
        #expect(await provider.leave())
    }

    // MARK: - How it ends

    @Test(arguments: [true, false])
    func refusal_bringsCodeAndWords(inline: Bool) throws {
        let (provider, caller) = (try peer("provider"), try peer("caller"))
        provider.provide("say-no", inline: inline) { call, _ in Peer.refuse(call, 42, "not today") }
        provider.provide("fail", inline: inline) { _, _ in ph_status(PH_NO_MEMORY) }
        provider.provide("forget", inline: inline) { _, _ in ph_status(PH_OK) }
        provider.provide("twice", inline: inline) { call, _ in
            _ = Peer.reply(call, "first")
            return Peer.reply(call, "second") == ph_status(PH_WRONG_STATE) ? 0 : -1
        }
        provider.serve()
        func told(_ name: String) -> Answer.Told? {
            let answer = caller.call(caller.method(name, plugin: "provider").handle)
            #expect(answer.told.count == 1 && answer.told.first?.status == answer.returned)
            return answer.told.first
        }
        let no = told("say-no")
        #expect(no?.status == ph_status(PH_REFUSED) && no?.code == 42 && no?.text == "not today")
        #expect(told("fail")?.status == ph_status(PH_REFUSED))
        #expect(told("fail")?.code == ph_status(PH_NO_MEMORY))
        #expect(told("forget")?.status == ph_status(PH_NO_REPLY))
        #expect(told("twice")?.text == "first")
        #expect(told("missing")?.status == ph_status(PH_NO_METHOD))
    }

    @Test func hangingProvider_costsItsCallerTheDeadline_andNoMore() async throws {
        let (provider, caller) = (try peer("provider"), try peer("caller"))
        let release = DispatchSemaphore(value: 0)
        let late = Answer()
        let begun = Atomic<Int>(0)
        provider.provide("hang") { call, payload in
            begun.add(1, ordering: .relaxed)
            release.wait()
            late.hear("\(Peer.reply(call, "too late")) \(Peer.rpc.is_over(call)) \(payload.count)")
            return ph_status(PH_OK)
        }
        provider.serve()
        let method = caller.method("hang", plugin: "provider").handle
        // A call whose time has passed before there was a thread for it is never made.
        while begun.load(ordering: .relaxed) == 0 {
            let answer = caller.call(method, "payload", milliseconds: 20)
            #expect(answer.told.map(\.status) == [ph_status(PH_TIMED_OUT)])
        }
        var lent = Answer()
        while begun.load(ordering: .relaxed) == 1 {
            lent = Answer()
            let later = caller.begin(method, "payload", milliseconds: 20, releasing: lent)
            await later.arrival()
            #expect(later.told.map(\.status) == [ph_status(PH_TIMED_OUT)])
        }
        #expect(lent.releases == 0, "the provider still reads the payload")
        #expect(
            provider.member.calls.holders(longerThan: .zero).first?
                .contains("caller's call of hang runs on thread") == true)
        #expect(await !provider.member.gateIsEmpty(afterClosing: switchboard))
        for _ in 0..<begun.load(ordering: .relaxed) { release.signal() }
        await late.arrival()
        #expect(late.text == "\(PH_WRONG_STATE) 1 7")
        #expect(await provider.leave())
        #expect(lent.releases == 1)
        #expect(await caller.leave())
    }

    @Test func lentPayload_isReleased_exactlyOnce() async throws {
        for inline in [true, false] {
            let (provider, caller, method) = try echo(inline: inline)
            let lent = Answer()
            #expect(caller.call(method, "x", releasing: lent).text == "x!")
            let later = caller.begin(method, "y", releasing: lent)
            await later.arrival()
            #expect(await provider.leave())
            #expect(await caller.leave())
            #expect(lent.releases == 2)
        }
    }

    @Test func cancellation_andReply_race_withOneOutcome() async throws {
        let (provider, caller) = (try peer("provider"), try peer("caller"))
        provider.provide("quick") { call, _ in Peer.reply(call, "done") }
        provider.serve()
        let method = caller.method("quick", plugin: "provider").handle
        for _ in 0..<500 {
            let answer = caller.begin(method)
            let status = Peer.rpc.cancel(caller.host, answer.ticket)
            await answer.arrival()
            #expect(answer.told.count == 1)
            let isCancelled = answer.status == ph_status(PH_CANCELLED)
            #expect(isCancelled == (status == ph_status(PH_OK)))
            #expect(isCancelled || answer.text == "done")
            #expect(
                Peer.rpc.cancel(caller.host, answer.ticket) == ph_status(PH_WRONG_STATE))
        }
        #expect(await provider.leave())
        #expect(await caller.leave())
    }

    // MARK: - Many, deep and circular

    @Test func hundredCallers_ofASlowProvider_areAllAnswered() async throws {
        let provider = try peer("provider", threads: 4, queue: 200)
        let caller = try peer("caller")
        let running = Atomic<Int>(0)
        let most = Atomic<Int>(0)
        provider.provide("slow") { call, payload in
            let now = running.add(1, ordering: .relaxed).newValue
            most.max(now, ordering: .relaxed)
            linux_yield()
            running.subtract(1, ordering: .relaxed)
            return Peer.reply(call, String(decoding: payload, as: UTF8.self))
        }
        provider.serve()
        let method = caller.method("slow", plugin: "provider").handle
        let answers = (0..<100).map { caller.begin(method, "\($0)") }
        for answer in answers { await answer.arrival() }
        #expect(answers.map(\.text) == (0..<100).map { "\($0)" })
        #expect(most.load(ordering: .relaxed) <= 4)
        #expect(await provider.leave())
    }

    @Test func callThatFindsNoRoom_isBusy() async throws {
        let provider = try peer("provider", threads: 1, queue: 2)
        let caller = try peer("caller")
        let release = DispatchSemaphore(value: 0)
        let started = Answer()
        provider.provide("wait") { call, _ in
            started.hear("")
            release.wait()
            return Peer.reply(call, "")
        }
        provider.serve()
        let method = caller.method("wait", plugin: "provider").handle
        let first = caller.begin(method)
        await started.arrival()
        let answers = (0..<3).map { _ in caller.begin(method) }
        #expect(
            answers.map(\.returned)
                == [ph_status(PH_OK), ph_status(PH_OK), ph_status(PH_BUSY)])
        #expect(answers[2].told.isEmpty)
        for _ in 0..<3 { release.signal() }
        for answer in [first] + answers.prefix(2) { await answer.arrival() }
        #expect(await provider.leave())
        #expect(await caller.leave())
    }

    @Test(arguments: [true, false])
    func callsWithinCalls_haveABound(inline: Bool) async throws {
        let provider = try peer("provider", threads: 32)
        let caller = try peer("caller")
        let methods = Mutex<ph_handle>(0)
        let depths = Atomic<Int>(0)
        provider.provide("again", inline: inline) { call, _ in
            depths.add(1, ordering: .relaxed)
            let answer = provider.call(methods.withLock { $0 })
            let isOver = answer.returned != ph_status(PH_OK)
            return Peer.reply(call, isOver ? "\(answer.returned)" : answer.text ?? "")
        }
        provider.serve()
        methods.withLock { $0 = provider.method("again", plugin: "provider").handle }
        let answer = caller.call(caller.method("again", plugin: "provider").handle)
        #expect(answer.text == "\(PH_TOO_DEEP)")
        #expect(depths.load(ordering: .relaxed) == Int(PH_RPC_DEPTH_MAX))
        #expect(await provider.leave())
    }

    @Test func callThatWouldWaitForItself_isRefused() async throws {
        let (a, b) = (try peer("a", threads: 1), try peer("b", threads: 1))
        let back = Mutex<ph_handle>(0)
        let there = Mutex<ph_handle>(0)
        a.provide("start") { call, _ in
            let answer = a.call(there.withLock { $0 })
            return Peer.reply(call, answer.text ?? "")
        }
        b.provide("middle") { call, _ in
            Peer.reply(call, "\(b.call(back.withLock { $0 }).returned)")
        }
        a.provide("end") { call, _ in Peer.reply(call, "") }
        a.member.image = 1_000_001
        b.member.image = 1_000_002
        a.serve()
        b.serve()
        there.withLock { $0 = a.method("middle", plugin: "b").handle }
        back.withLock { $0 = b.method("end", plugin: "a").handle }
        let caller = try peer("caller")
        let answer = caller.call(caller.method("start", plugin: "a").handle)
        #expect(answer.text == "\(PH_CYCLE)")
        #expect(await a.leave())
        #expect(await b.leave())
    }

    @Test func innerCall_hasNoMoreTime_thanTheOuterOne() async throws {
        let (a, b) = (try peer("a"), try peer("b"))
        let release = DispatchSemaphore(value: 0)
        let callerGaveUp = DispatchSemaphore(value: 0)
        let inner = Mutex<ph_handle>(0)
        let seen = Answer()
        let begun = Atomic<Int>(0)
        a.provide("outer") { _, _ in
            begun.add(1, ordering: .relaxed)
            seen.hear("\(a.call(inner.withLock { $0 }).returned)")
            // Both deadlines are one moment: to return now might be an answer in time.
            callerGaveUp.wait()
            return ph_status(PH_OK)
        }
        b.provide("inner") { call, _ in
            release.wait()
            return Peer.reply(call, "")
        }
        a.serve()
        b.serve()
        inner.withLock { $0 = a.method("inner", plugin: "b").handle }
        let caller = try peer("caller")
        let outer = caller.method("outer", plugin: "a").handle
        while begun.load(ordering: .relaxed) == 0 {
            #expect(caller.call(outer, milliseconds: 50).returned == ph_status(PH_TIMED_OUT))
        }
        callerGaveUp.signal()
        await seen.arrival()
        #expect(seen.text == "\(PH_TIMED_OUT)")
        release.signal()
        #expect(await a.leave())
        #expect(await b.leave(), "a call that came too late has not been made")
    }

    // MARK: - Malformed

    @Test func whatIsMalformed_isRefused() throws {
        let caller = try peer("caller")
        #expect(caller.method("x").status == ph_status(PH_INVALID))
        #expect(caller.method("", plugin: "a").status == ph_status(PH_INVALID))
        #expect(caller.method("x", plugin: "No").status == ph_status(PH_INVALID))
        #expect(
            caller.method("x", plugin: "a", version: "newest").status == ph_status(PH_INVALID))
        #expect(
            caller.provide("x", of: "renderer") { _, _ in 0 } == ph_status(PH_INVALID),
            "the manifest does not list it")
        for handle: ph_handle in [0, 1, .max, 1 << 32, 77 << 32 | 5] {
            #expect(caller.call(handle).returned == ph_status(PH_STALE))
            #expect(Peer.rpc.release(caller.host, handle) == ph_status(PH_STALE))
        }
    }
}

/// Runs something on a thread that is made for it.
private func onOwnThread<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
    await withCheckedContinuation { continuation in
        _ = OwnThread.start("test") { continuation.resume(returning: body()) }
    }
}

extension Answer {
    /// Notes something as if it were a reply.
    func hear(_ text: String) {
        FakeCall.withBytes(text) { Answer.receive(context, 0, 0, $0) }
    }
}

extension Member {
    fileprivate func gateIsEmpty(afterClosing switchboard: Switchboard) async -> Bool {
        switchboard.withdraw(self)
        gate.close()
        return await gate.waitUntilEmpty(deadline: .zero)
    }
}
