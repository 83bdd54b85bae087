import CLinux
import CPluginABI
import DynamicLibrary
import HTTPServer
import HostModel
import Synchronization

/// Requests that hooks see, on their way to a plugin and back.
///
/// 1. `handle` finds hooks on its reactor and calls `beginHooks`, which makes a frame.
/// 2. `enterHooks` calls one hook after the other, and then the plugin; a hook that answers or
///    fails ends that.
/// 3. When the exchange is over, `leaveHooks` has those leave that have entered.
///
/// Each call is one that may not return soon, as that of a handler: if it overruns, the loop goes
/// on without it, and the request goes on where it was when the call has returned.
extension PluginApplication {
    // MARK: - Entering

    /// Has the hooks enter before the plugin is called; on the loop's thread, within `handle`.
    @inline(never)
    func beginHooks(
        _ exchange: Exchange, _ pointer: RecordPointer, _ attention: UnsafeMutableRawPointer
    ) {
        let links = unsafe attention.assumingMemoryBound(to: RequestChain.Links.self)
        let frame = unsafe HookFrame.make(links, exchange, pointer)
        unsafe exchange.follow(UnsafeMutableRawPointer(frame))
        unsafe pointer.record.pointee.isInHandle = false
        if unsafe frame.pointee.respondCount > 0 {
            unsafe _ = pointer.record.pointee.word.bitwiseOr(
                RequestRecord.hooked, ordering: .relaxed)
        }
        unsafe enterHooks(exchange, pointer, frame)
    }

    /// Calls the hooks that have not entered yet, and then the plugin.
    private func enterHooks(
        _ exchange: Exchange, _ pointer: RecordPointer, _ frame: UnsafeMutablePointer<HookFrame>
    ) {
        while unsafe frame.pointee.position < frame.pointee.requestCount {
            let index = unsafe frame.pointee.position
            unsafe frame.pointee.position = index + 1
            let entry = unsafe HookFrame.entry(frame, index)
            let record = unsafe entry.pointee.record
            guard let enter = unsafe record.pointee.enter,
                unsafe !record.pointee.isDisabled.load(ordering: .relaxed)
            else { continue }
            unsafe record.pointee.countCall(exchange.reactorIndex)
            unsafe prepare(frame, index, entry)
            if let remote = unsafe record.pointee.remote {
                exchange.hold()
                return unsafe remote._withUnsafeGuaranteedRef {
                    unsafe $0.enter(exchange, frame, entry)
                }
            }
            let status: ph_status
            if unsafe record.pointee.isPooled.load(ordering: .relaxed) {
                if unsafe submit(exchange, record, { Self.enterOnPool(exchange) }) {
                    return exchange.hold()
                }
                status = ph_status(PH_LIMIT)
            } else {
                status = unsafe call(exchange, .enter, record) {
                    unsafe enter(record.pointee.context, &frame.pointee.call)
                }
            }
            guard unsafe settle(exchange, pointer, frame, status) else { return }
        }
        unsafe frame.pointee.stage = .handed
        unsafe callPlugin(exchange, pointer)
    }

    private func prepare(
        _ frame: UnsafeMutablePointer<HookFrame>, _ index: Int32,
        _ entry: UnsafeMutablePointer<HookFrame.Entry>
    ) {
        unsafe frame.pointee.calledIndex = index
        unsafe frame.pointee.call.word = withUnsafeMutablePointer(to: &entry.pointee.word) {
            unsafe $0
        }
    }

    /// Calls a function of a hook on the loop's thread, which does not come back from here if it
    /// loses its loop meanwhile.
    private func call(
        _ exchange: Exchange, _ kind: CallKind, _ record: UnsafeMutablePointer<HookRecord>,
        _ body: () -> ph_status
    ) -> ph_status {
        let image = unsafe record.pointee.image
        let call = exchange.beginCall(kind)
        let host = ImageContext.enter(image)
        let status = body()
        ImageContext.leave(host)
        guard exchange.endCall(call) else { Self.surrender(exchange, kind, image: image, status) }
        return status
    }

    /// Looks at what came of a hook that was to enter, and says whether the request goes on; on the
    /// loop's thread.
    private func settle(
        _ exchange: Exchange, _ pointer: RecordPointer, _ frame: UnsafeMutablePointer<HookFrame>,
        _ status: ph_status
    ) -> Bool {
        guard let index = unsafe frame.pointee.calledIndex else { return true }
        unsafe frame.pointee.calledIndex = nil
        let entry = unsafe HookFrame.entry(frame, index)
        let record = unsafe entry.pointee.record
        let replaces = unsafe index >= frame.pointee.outerCount
        let word = unsafe pointer.record.pointee.word.load(ordering: .acquiring)
        let phase = unsafe RecordPointer.phase(word)
        if phase == .complete || (replaces && status == ph_status(PH_PENDING)) {
            unsafe entry.pointee.owesLeave = record.pointee.leave != nil
            unsafe frame.pointee.outcome.flags |= UInt32(PH_OUTCOME_HOOKED)
            unsafe frame.pointee.stage = .handed
            return false
        }
        var mayGoOn = phase == .owed
        if status == ph_status(PH_OK), phase == .owed {
            if unsafe record.pointee.leave != nil {
                unsafe entry.pointee.owesLeave = true
            } else {
                unsafe HookFrame.letGo(entry, exchange.reactorIndex)
            }
        } else if unsafe record.pointee.owner?.takeUnretainedValue().fail(
            told(status, phase, isRemote: record.pointee.remote != nil)) ?? true
        {
            mayGoOn = false
        }
        if mayGoOn, !exchange.isClosed { return true }
        unsafe giveUp(exchange, pointer, frame, index)
        return false
    }

    private func told(
        _ status: ph_status, _ phase: RequestRecord.Phase, isRemote: Bool
    ) -> String {
        if phase == .begun { return "it began a response and did not finish it" }
        if isRemote, let told = RemoteHook.told(status) { return told }
        switch status {
        case ph_status(PH_LIMIT): return "the plugin's pool has no room for it"
        case ..<0: return "it returned \(status)"
        default: return "it returned \(status), which is no answer"
        }
    }

    /// Completes a response that nobody else will complete, because of a hook.
    private func giveUp(
        _ exchange: Exchange, _ pointer: RecordPointer, _ frame: UnsafeMutablePointer<HookFrame>,
        _ index: Int32
    ) {
        unsafe frame.pointee.stage = .handed
        let word = unsafe pointer.record.pointee.word.load(ordering: .acquiring)
        let phase = unsafe RecordPointer.phase(word)
        guard phase == .owed || phase == .begun,
            unsafe pointer.exchangePhase(.complete, from: word)
        else { return }
        if phase == .begun || exchange.isClosed { return exchange.abort() }
        unsafe frame.pointee.outcome.flags |= UInt32(PH_OUTCOME_HOOKED)
        let record = unsafe HookFrame.entry(frame, index).pointee.record
        let hook = unsafe record.pointee.owner?.takeUnretainedValue()
        HostPages.hookFailed(exchange, hook?.member.name)
    }

    // MARK: - Leaving

    /// Has the hooks leave that have entered; false when one of them does so on another thread.
    func leaveHooks(_ exchange: Exchange, _ account: ExchangeAccount) -> Bool {
        guard let follower = unsafe exchange.follower else { return true }
        let frame = unsafe follower.assumingMemoryBound(to: HookFrame.self)
        let reactor = exchange.reactorIndex
        if unsafe frame.pointee.stage != .leaving {
            unsafe beginLeaving(frame, RecordPointer(exchange), account)
        }
        while unsafe frame.pointee.position > 0 {
            let index = unsafe frame.pointee.position - 1
            unsafe frame.pointee.position = index
            let entry = unsafe HookFrame.entry(frame, index)
            let record = unsafe entry.pointee.record
            guard unsafe entry.pointee.owesLeave, let leave = unsafe record.pointee.leave,
                unsafe !record.pointee.isDisabled.load(ordering: .relaxed)
            else {
                unsafe HookFrame.letGo(entry, reactor)
                continue
            }
            if unsafe record.pointee.enter == nil { unsafe record.pointee.countCall(reactor) }
            unsafe prepare(frame, index, entry)
            if let remote = unsafe record.pointee.remote {
                exchange.holdAtEnd()
                unsafe remote._withUnsafeGuaranteedRef {
                    unsafe $0.leave(exchange, frame, entry)
                }
                return false
            }
            let status: ph_status
            if unsafe record.pointee.isPooled.load(ordering: .relaxed) {
                if unsafe submit(exchange, record, { Self.leaveOnPool(exchange) }) {
                    exchange.holdAtEnd()
                    return false
                }
                status = ph_status(PH_LIMIT)
            } else {
                status = unsafe call(exchange, .leave, record) {
                    unsafe leave(
                        record.pointee.context, &frame.pointee.call, &frame.pointee.outcome)
                }
            }
            unsafe settleLeave(exchange, frame, status)
        }
        unsafe HookFrame.end(frame, reactor)
        return true
    }

    private func beginLeaving(
        _ frame: UnsafeMutablePointer<HookFrame>, _ pointer: RecordPointer,
        _ account: ExchangeAccount
    ) {
        unsafe frame.pointee.stage = .leaving
        unsafe frame.pointee.position = frame.pointee.requestCount
        unsafe frame.pointee.call.response = nil
        unsafe pointer.record.pointee.request.body = ph_bytes()
        unsafe frame.pointee.outcome.size = UInt32(MemoryLayout<ph_request_outcome>.size)
        unsafe frame.pointee.outcome.status = UInt32(account.status)
        unsafe frame.pointee.outcome.body_bytes = account.bodyBytes
        unsafe frame.pointee.outcome.nanoseconds = account.durationNanoseconds
        if account.isCut { unsafe frame.pointee.outcome.flags |= UInt32(PH_OUTCOME_CUT) }
    }

    private func settleLeave(
        _ exchange: Exchange, _ frame: UnsafeMutablePointer<HookFrame>, _ status: ph_status
    ) {
        guard let index = unsafe frame.pointee.calledIndex else { return }
        unsafe frame.pointee.calledIndex = nil
        let entry = unsafe HookFrame.entry(frame, index)
        if status < 0 {
            let hook = unsafe entry.pointee.record.pointee.owner?.takeUnretainedValue()
            let isRemote = unsafe entry.pointee.record.pointee.remote != nil
            _ = hook?.fail(told(status, .complete, isRemote: isRemote))
        }
        unsafe HookFrame.letGo(entry, exchange.reactorIndex)
    }

    // MARK: - On the pool

    /// Has a thread of the hook's plugin do something for the exchange; false if there is none.
    private func submit(
        _ exchange: Exchange, _ record: UnsafeMutablePointer<HookRecord>,
        _ job: @escaping @Sendable () -> Void
    ) -> Bool {
        guard let owner = unsafe record.pointee.serving?.pointee.owner else { return false }
        // Kept alive for the way back, whatever becomes of the server.
        let reactor = exchange.reactor
        return unsafe owner._withUnsafeGuaranteedRef { $0.pool }.submit {
            withExtendedLifetime(reactor) { job() }
        }
    }

    private static func enterOnPool(_ exchange: Exchange) {
        unsafe callOnPool(exchange, .enter) { record, frame in
            unsafe record.pointee.enter?(record.pointee.context, &frame.pointee.call)
                ?? ph_status(PH_OK)
        }
    }

    private static func leaveOnPool(_ exchange: Exchange) {
        unsafe callOnPool(exchange, .leave) { record, frame in
            unsafe record.pointee.leave?(
                record.pointee.context, &frame.pointee.call, &frame.pointee.outcome)
                ?? ph_status(PH_OK)
        }
    }

    private static func callOnPool(
        _ exchange: Exchange, _ kind: CallKind,
        _ body: (
            UnsafeMutablePointer<HookRecord>, UnsafeMutablePointer<HookFrame>
        ) -> ph_status
    ) {
        guard let (frame, record) = unsafe called(exchange) else { return }
        unsafe record.pointee.serving?.pointee.owner?._withUnsafeGuaranteedRef { generation in
            generation.calls.begin(
                unsafe UInt(bitPattern: exchange.opaque),
                CallBook.Entry(
                    thread: linux_thread_id(), threadName: generation.pool.name, route: nil,
                    since: .now, hasOverrun: false))
        }
        exchange.beginRemoteCall()
        let host = unsafe ImageContext.enter(record.pointee.image)
        let status = unsafe body(record, frame)
        ImageContext.leave(host)
        exchange.endRemoteCall(kind, result: status)
    }

    // MARK: - Overrun

    /// The frame of an exchange, and the hook that is being called for it.
    private static func called(
        _ exchange: Exchange
    ) -> (UnsafeMutablePointer<HookFrame>, UnsafeMutablePointer<HookRecord>)? {
        guard let follower = unsafe exchange.follower else { return nil }
        let frame = unsafe follower.assumingMemoryBound(to: HookFrame.self)
        guard let index = unsafe frame.pointee.calledIndex else { return nil }
        return unsafe (frame, HookFrame.entry(frame, index).pointee.record)
    }

    /// Whether the response is a hook's to answer, and not the plugin's.
    static func isWithHook(_ pointer: RecordPointer) -> Bool {
        guard let follower = unsafe pointer.record.pointee.exchange.follower else { return false }
        let frame = unsafe follower.assumingMemoryBound(to: HookFrame.self)
        return unsafe frame.pointee.outcome.flags & UInt32(PH_OUTCOME_HOOKED) != 0
            || frame.pointee.stage != .handed
    }

    /// The hook that is being called for an exchange.
    static func calledHook(_ exchange: Exchange) -> RegisteredHook? {
        unsafe called(exchange)?.1.pointee.owner?.takeUnretainedValue()
    }

    /// Books a hook's call that overran; true if it was one.
    func noteHookOverrun(_ exchange: Exchange, _ kind: CallKind, thread: Int32) -> Bool {
        guard let (_, record) = unsafe Self.called(exchange),
            let hook = unsafe record.pointee.owner?.takeUnretainedValue()
        else { return false }
        hook.noteOverrun(thread: thread)
        // One at the response overran within the plugin's own call, and goes with that.
        guard kind == .enter || kind == .leave else { return false }
        unsafe record.pointee.serving?.pointee.owner?._withUnsafeGuaranteedRef { generation in
            let name = String("late-\(generation.name)".utf8.prefix(15)) ?? "late"
            _ = unsafe linux_name_other_thread(thread, name)
            generation.figures.overruns.add(1, ordering: .relaxed)
            generation.calls.begin(
                unsafe UInt(bitPattern: exchange.opaque),
                CallBook.Entry(
                    thread: thread, threadName: name, route: nil, since: .now, hasOverrun: true))
        }
        return true
    }

    /// Goes on with a request whose hook has returned on another thread; true if it was a hook's
    /// call.
    func noteHookReturn(_ exchange: Exchange, _ kind: CallKind, result: Int32) -> Bool {
        if kind == .head {
            giveHead(exchange, result: result)
            return true
        }
        guard kind == .enter || kind == .leave else { return false }
        guard let (frame, record) = unsafe Self.called(exchange) else { return true }
        unsafe record.pointee.serving?.pointee.owner?._withUnsafeGuaranteedRef { generation in
            _ = generation.calls.end(unsafe UInt(bitPattern: exchange.opaque))
        }
        if kind == .leave {
            unsafe settleLeave(exchange, frame, result)
        } else {
            unsafe frame.pointee.result = result
            exchange.resume()
        }
        return true
    }

    /// Goes on behind a hook that has returned on another thread.
    func goOnWithHooks(_ exchange: Exchange) {
        guard let follower = unsafe exchange.follower else { return }
        let frame = unsafe follower.assumingMemoryBound(to: HookFrame.self)
        let pointer = unsafe RecordPointer(exchange)
        if let answer = unsafe HookFrame.takeAnswer(frame) {
            unsafe take(answer, exchange, pointer, frame)
        }
        guard unsafe settle(exchange, pointer, frame, frame.pointee.result) else { return }
        unsafe enterHooks(exchange, pointer, frame)
    }

    /// Does what a hook in another process has done to the request.
    private func take(
        _ answer: Unmanaged<HookAnswer>, _ exchange: Exchange, _ pointer: RecordPointer,
        _ frame: UnsafeMutablePointer<HookFrame>
    ) {
        guard let index = unsafe frame.pointee.calledIndex else { return }
        let entry = unsafe HookFrame.entry(frame, index)
        unsafe answer._withUnsafeGuaranteedRef { answer in
            unsafe entry.pointee.word = answer.word
            if answer.isNamed { _ = exchange.requestID }
            guard answer.hasResponse else { return }
            // Hooks of the response may take their time.
            unsafe frame.pointee.result = call(exchange, .enter, entry.pointee.record) {
                unsafe answer.respond(to: pointer.response)
            }
        }
    }

    /// What the client is told when a hook has kept it waiting for too long; nil if none has.
    func noteHookTimeout(_ exchange: Exchange, seconds: Int) -> String? {
        guard let hook = Self.calledHook(exchange) else { return nil }
        _ = hook.fail("it had not come back after \(seconds) s")
        return "A hook of the plugin \(hook.member.name) did not come back within \(seconds) s."
    }
}
