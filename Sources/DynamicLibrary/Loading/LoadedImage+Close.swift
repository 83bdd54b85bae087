internal import CLedger
import Glibc
import Synchronization

extension LoadedImage {
    /// Closes the image and tells from the memory map whether it is gone.
    ///
    /// 1. The calling thread is settled (`settleThread`).
    /// 2. Threads born by the image are waited for, up to `grace`. If one lives on, or another
    ///    thread owes the image a destructor, nothing is closed and the outcome names them: call
    ///    again when they are gone.
    /// 3. Signal dispositions are restored; exit handlers that the loader does not know are run.
    /// 4. The handle is closed: the image's own destructors and `atexit` handlers run, its keys are
    ///    deleted.
    /// 5. The kernel is asked what is mapped. If the image is still there, the outcome says why;
    ///    calling again tries again.
    /// 6. When it is gone, ended threads that nobody joined are detached and the private copy is
    ///    removed.
    ///
    /// Blocks: not for the cooperative pool. Calling it on an unloaded image gives the first
    /// outcome again.
    ///
    /// - Parameter grace: How long to wait for the image's threads.
    public func close(grace: Duration = .milliseconds(20)) -> UnloadOutcome {
        let clock = ContinuousClock()
        let start = clock.now
        settleThread()
        waitForThreads(until: start + grace)
        return state.withLock { state in
            if case .unloaded(let outcome) = state { return outcome }
            return Self.loading.withLock { _ in close(&state, clock, start) }
        }
    }

    /// Steps 2 to 6, while nothing else is loaded or unloaded.
    private func close(
        _ state: inout State, _ clock: ContinuousClock, _ start: ContinuousClock.Instant
    ) -> UnloadOutcome {
        var reasons = blockers()
        var reclaimed: [String] = []
        if reasons.isEmpty {
            if case .open(let handle) = state {
                reclaimed = reclaim()
                if let refusal = closeHandle(handle) {
                    reasons.append(refusal)
                } else {
                    state = .lingering
                }
            } else {
                sweep()
            }
        }
        let mappings =
            MemoryMap.isFree(span.range) ? [] : MemoryMap.mappings(of: copy.path)
        let isGone = mappings.isEmpty && reasons.isEmpty
        if isGone {
            ledger_forget(id)
            RetiredSymbols.shared.retire(id: id)
            copy.remove()
        } else if reasons.isEmpty {
            reasons = whyMapped()
        }
        let outcome = UnloadOutcome(
            verdict: isGone ? .unloaded : .pinned, reasons: reasons, reclaimed: reclaimed,
            milliseconds: (clock.now - start) / .milliseconds(1),
            bytesStillMapped: mappings.reduce(0) { $0 + UInt64($1.end - $1.start) })
        if isGone { state = .unloaded(outcome) }
        return outcome
    }

    /// There is no event for the end of a detached thread; its last steps take microseconds.
    private func waitForThreads(until deadline: ContinuousClock.Instant) {
        while ledger_thread_count(id) > 0, ContinuousClock.now < deadline {
            var pause = timespec(
                tv_sec: 0, tv_nsec: ledger_threads_are_ending(id) ? 50_000 : 500_000)
            unsafe nanosleep(&pause, nil)
        }
    }

    /// What makes closing the image now unsafe.
    private func blockers() -> [Objection] {
        let snapshot = ledger
        var found: [Objection] = []
        if !snapshot.threads.isEmpty {
            let names = snapshot.threads.map(\.description).joined(separator: ", ")
            found.append(
                Objection(
                    .liveThreads, "threads that it started are still running: \(names)",
                    cure: "end and join them in the stop function"))
        }
        if !snapshot.destructorThreads.isEmpty {
            let names = snapshot.destructorThreads.map(\.description).joined(separator: ", ")
            found.append(
                Objection(
                    .outstandingDestructors,
                    "thread-local objects wait for their destructors on: \(names)",
                    cure: "settle those threads, or let them end, and close again"))
        }
        return found
    }

    /// Takes back what the loader does not.
    private func reclaim() -> [String] {
        var list: [String] = []
        let keys = ledger_key_count(id)
        if keys > 0 { list.append(keys == 1 ? "1 pthread key" : "\(keys) pthread keys") }
        let signals = LedgerSnapshot.numbers(in: ledger_restore_signals(id))
        if !signals.isEmpty {
            list.append(
                "the handling of signal \(signals.map(String.init).joined(separator: ", "))")
        }
        let handlers = ledger_run_exit_handlers(id)
        if handlers > 0 { list.append("\(handlers) exit handlers") }
        return list
    }

    private func closeHandle(_ number: UInt) -> Objection? {
        guard let handle = unsafe UnsafeMutableRawPointer(bitPattern: number) else { return nil }
        let previous = ImageContext.enter(id)
        let result = unsafe dlclose(handle)
        ImageContext.leave(previous)
        guard result != 0 else { return nil }
        return Objection(
            .closeFailed, "the loader refused: \(Self.loaderText())", cure: "restart the host")
    }

    /// Makes the loader look again: it unmaps what nobody holds any more only when a handle is
    /// closed.
    private func sweep() {
        let previous = ImageContext.enter(id)
        if let handle = unsafe dlopen(copy.path, RTLD_NOW | RTLD_NOLOAD) {
            _ = unsafe dlclose(handle)
        }
        ImageContext.leave(previous)
    }

    /// Why the loader keeps an image whose handle is closed.
    private func whyMapped() -> [Objection] {
        let known = inspection.reasons.filter { $0.code.verdict == .pin }
        if !known.isEmpty { return known }
        return [
            Objection(
                .heldElsewhere,
                "another library or handle in this process still holds it",
                cure: "unload what was loaded after it, then close again")
        ]
    }
}
