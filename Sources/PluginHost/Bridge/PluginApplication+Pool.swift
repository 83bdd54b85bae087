internal import CLinux
internal import CPluginABI
internal import DynamicLibrary
internal import HTTPServer
internal import Synchronization

/// Calls of `handle` away from the reactors, and what becomes of those that overrun.
extension PluginApplication {
    // MARK: - On the pool

    /// Has a thread of the plugin's pool call `handle`; on the loop's thread.
    ///
    /// - Parameter waited: whether it has waited already, so that it is not refused.
    @inline(never)
    func handleOnPool(_ exchange: Exchange, _ pointer: RecordPointer, waited: Bool = false) {
        guard let owner = unsafe pointer.record.pointee.serving.pointee.owner else { return }
        if let answer = unsafe owner._withUnsafeGuaranteedRef({ $0.hostAnswers }) {
            return answer(exchange)
        }
        let (pool, hold) = unsafe owner._withUnsafeGuaranteedRef { ($0.pool, $0.hold) }
        if let hold { return unsafe keepWaiting(exchange, pointer, hold) }
        // Kept alive for the answer, whatever becomes of the server.
        let reactor = exchange.reactor
        exchange.hold()
        let isTaken = pool.submit(beyondQueue: waited) {
            withExtendedLifetime(reactor) { Self.callOnPool(exchange) }
        }
        if !isTaken { unsafe refuse(exchange, pointer) }
    }

    /// The pool has no room: answers in the plugin's stead.
    private func refuse(_ exchange: Exchange, _ pointer: RecordPointer) {
        exchange.release()
        unsafe pointer.record.pointee.isInHandle = false
        let word = unsafe pointer.record.pointee.word.load(ordering: .relaxed)
        unsafe pointer.set(.complete, from: word)
        guard let owner = unsafe pointer.record.pointee.serving.pointee.owner else { return }
        unsafe owner._withUnsafeGuaranteedRef { generation in
            generation.figures.rejected.add(1, ordering: .relaxed)
            HostPages.busy(exchange, generation.name)
        }
    }

    /// Calls `handle` on the calling thread, unless the client has gone meanwhile.
    ///
    /// The generation may be gone once the loop has heard of the end.
    private static func callOnPool(_ exchange: Exchange) {
        let pointer = unsafe RecordPointer(exchange)
        let record = unsafe pointer.record
        if exchange.isKnownClosed {
            let word = unsafe record.pointee.word.load(ordering: .acquiring)
            if unsafe pointer.exchangePhase(.complete, from: word) { exchange.remote.abort() }
            return exchange.endRemoteCall(result: ph_status(PH_OK))
        }
        let serving = unsafe record.pointee.serving
        let key = unsafe UInt(bitPattern: exchange.opaque)
        unsafe serving.pointee.owner?._withUnsafeGuaranteedRef { generation in
            unsafe generation.calls.begin(
                key,
                CallBook.Entry(
                    thread: linux_thread_id(), threadName: generation.pool.name,
                    route: Int(record.pointee.route), since: .now, hasOverrun: false))
        }
        exchange.beginRemoteCall()
        let host = unsafe ImageContext.enter(serving.pointee.image)
        let status = unsafe serving.pointee.handle(
            serving.pointee.state, &record.pointee.request, pointer.response)
        ImageContext.leave(host)
        exchange.endRemoteCall(result: status)
    }

    // MARK: - Overrun

    /// Books a call that overran, and has the route run on the pool from now on.
    func noteOverrun(_ exchange: Exchange, _ kind: CallKind, thread: Int32) {
        let pointer = unsafe RecordPointer(exchange)
        let serving = unsafe pointer.record.pointee.serving
        let route = unsafe Int(pointer.record.pointee.route)
        guard let owner = unsafe serving.pointee.owner else { return }
        unsafe owner._withUnsafeGuaranteedRef { generation in
            let name = String("late-\(generation.name)".utf8.prefix(15)) ?? "late"
            _ = unsafe linux_name_other_thread(thread, name)
            generation.calls.begin(
                unsafe UInt(bitPattern: exchange.opaque),
                CallBook.Entry(
                    thread: thread, threadName: name, route: route, since: .now, hasOverrun: true,
                    cpuNanoseconds: max(0, linux_thread_nanoseconds(thread))))
            let count = generation.figures.overruns.add(1, ordering: .relaxed).newValue
            var what = "\(Self.name(of: kind)) overran its time on thread \(thread)"
            if kind == .handle {
                let wasPooled = unsafe serving.pointee.limits[route].runsOnPool.exchange(
                    true, ordering: .relaxed)
                if !wasPooled { what += "; the route runs on the plugin's own threads from now on" }
                tell(generation, route, what)
            } else if count & (count - 1) == 0 {
                tell(generation, route, what + " (overruns so far: \(count))")
            }
        }
    }

    /// Goes on with a request whose call has returned on another thread.
    func noteReturn(_ exchange: Exchange, _ kind: CallKind, result: Int32) {
        let pointer = unsafe RecordPointer(exchange)
        let record = unsafe pointer.record
        let route = unsafe Int(record.pointee.route)
        let serving = unsafe record.pointee.serving
        unsafe serving.pointee.owner?._withUnsafeGuaranteedRef { generation in
            let entry = unsafe generation.calls.end(UInt(bitPattern: exchange.opaque))
            guard let entry, entry.hasOverrun, kind == .handle else { return }
            let milliseconds = entry.since.duration(to: .now) / .milliseconds(1)
            tell(generation, route, "the call that overran returned \(Int(milliseconds)) ms later")
        }
        switch kind {
        case .handle:
            if unsafe record.pointee.observerWaits { unsafe PluginObserver.activate(pointer) }
            unsafe conclude(exchange, pointer, result)
        case .body:
            switch result {
            case ph_status(PH_OK): exchange.resumeBody()
            case ph_status(PH_PAUSE): break
            default: exchange.cut()
            }
        case .writable, .closed, .draining, .enter, .leave, .head: break
        }
    }

    private static func name(of kind: CallKind) -> String {
        switch kind {
        case .handle: "handle"
        case .body: "on_body"
        case .writable: "on_writable"
        case .closed: "on_closed"
        case .draining: "on_draining"
        case .enter: "enter"
        case .leave: "leave"
        case .head: "respond"
        }
    }

    // MARK: - Deadline

    func requestSeconds(of exchange: Exchange) -> Int {
        let record = unsafe RecordPointer(exchange).record
        let route = unsafe Int(record.pointee.route)
        return unsafe Int(record.pointee.serving.pointee.limits[route].requestSeconds)
    }

    /// Books a request whose response did not begin in time, and says what the client is told.
    func noteTimeout(_ exchange: Exchange) -> String {
        let record = unsafe RecordPointer(exchange).record
        let route = unsafe Int(record.pointee.route)
        let seconds = requestSeconds(of: exchange)
        if let told = noteHookTimeout(exchange, seconds: seconds) { return told }
        guard let owner = unsafe record.pointee.serving.pointee.owner else { return "" }
        return unsafe owner._withUnsafeGuaranteedRef { generation in
            generation.figures.timeouts.add(1, ordering: .relaxed)
            tell(generation, route, "no response began within \(seconds) s")
            return "The plugin \(generation.name) did not begin its response to "
                + "\(generation.routes[route]) within \(seconds) s."
        }
    }
}
