import CPluginABI

#if hasFeature(Embedded)
    extension Instance {
        convenience init(
            unsafe host: UnsafePointer<ph_host>, _ http: UnsafePointer<ph_http>, _ log: Log,
            _ registration: Registration
        ) throws(PluginError) {
            let events = unsafe Events(
                unsafe: host, isWanted: registration.manifest.asks(for: .events))
            let context = unsafe HostContext(unsafe: host, log: log, events: events)
            let bound = try registration.make(context)
            unsafe self.init(unsafe: http, log: log, events: events, bound: bound)
            offers = context.offers
        }

        func start(_ error: UnsafeMutablePointer<ph_error>?) -> ph_status {
            do throws(PluginError) {
                try bound?.start()
                let refusal = register()
                return refusal.utf8.isEmpty
                    ? done : unsafe Complaint(unsafe: error).fail(refusal)
            } catch let refusal {
                return unsafe Complaint(unsafe: error).fail(describe(refusal))
            }
        }

        func stop(_ error: UnsafeMutablePointer<ph_error>?) -> ph_status {
            bound?.stop()
            EventStream.finishAll()
            bound = nil
            return done
        }

        func dissolve() {}
    }

    func describe(_ error: PluginError) -> String { error.message }
#else
    extension Instance {
        /// Makes the plugin, with its executors in place before it can begin a task.
        convenience init(
            unsafe host: UnsafePointer<ph_host>, _ http: UnsafePointer<ph_http>, _ log: Log,
            _ registration: Registration
        ) throws {
            let runtime = Runtime.begin(threadName: registration.manifest.name)
            do {
                let events = unsafe Events(
                    unsafe: host, isWanted: registration.manifest.asks(for: .events))
                let context = unsafe HostContext(
                    unsafe: host, log: log, events: events, tasks: runtime.tasks)
                let bound = try registration.make(context)
                unsafe self.init(
                    unsafe: http, log: log, events: events, bound: bound, runtime: runtime)
                offers = context.offers
            } catch {
                _ = runtime.end(before: Deadline(seconds: 1))
                Runtime.forget()
                throw error
            }
        }

        func start(_ error: UnsafeMutablePointer<ph_error>?) -> ph_status {
            guard let bound else { return wrongState }
            let start = bound.start
            let refusal = runtime.run(before: nil) { () async -> String in
                do {
                    try await start()
                    return ""
                } catch {
                    return describe(error)
                }
            }
            let why = (refusal ?? "").isEmpty ? register() : refusal ?? ""
            guard !why.isEmpty else { return done }
            endIfNotStopped()
            return unsafe Complaint(unsafe: error).fail(why)
        }

        func stop(_ error: UnsafeMutablePointer<ph_error>?) -> ph_status {
            guard let bound else { return wrongState }
            let deadline = Deadline(seconds: bound.stopDeadlineSeconds)
            let reasons = runtime.end(
                before: deadline, stop: bound.stop, drop: { self.bound = nil })
            guard !reasons.isEmpty else { return done }
            let refusal = PluginError(
                "the plugin did not stop in time", reasons: reasons,
                remedy: "cancel the tasks that it begins, and wait for them, in stop()",
                code: .tasksStillRunning)
            return unsafe Complaint(unsafe: error).fail(describe(refusal))
        }

        /// Ends what `init` and `start` have begun when there was no `stop`.
        func endIfNotStopped() {
            guard let bound else { return }
            let deadline = Deadline(seconds: bound.stopDeadlineSeconds)
            _ = runtime.end(before: deadline, drop: { self.bound = nil })
        }

        /// Frees what is left; nothing of the plugin runs any more.
        func dissolve() {
            endIfNotStopped()
            Runtime.forget()
        }
    }

    func describe(_ error: any Error) -> String {
        (error as? PluginError)?.message ?? String(describing: error)
    }
#endif

extension Instance {
    /// Tells the host of the plugin's subscriptions and hooks, which begin when the generation
    /// serves.
    ///
    /// - Returns: what is wrong; empty if nothing is.
    private func register() -> String {
        let refusal = subscribe()
        return refusal.utf8.isEmpty ? hook() : refusal
    }

    private func hook() -> String {
        guard let bound, !bound.hooks.isEmpty else { return "" }
        guard
            let functions = unsafe events.host.service(Service.hooks.id)?
                .assumingMemoryBound(to: ph_hooks.self)
        else { return "the service ph.hooks/1 is not there; the manifest has to ask for it" }
        for one in bound.hooks {
            let hooker = unsafe Hooker(one, unsafe: functions, http, log: log)
            hookers.append(hooker)
            let refusal = unsafe hooker.begin(unsafe: events.host)
            if !refusal.utf8.isEmpty { return refusal }
        }
        return ""
    }

    private func subscribe() -> String {
        guard let bound else { return "" }
        for subscription in bound.subscriptions {
            #if hasFeature(Embedded)
                let subscriber = Subscriber(subscription, log: log)
            #else
                let subscriber = Subscriber(subscription, log: log, runtime: runtime)
            #endif
            let refusal = subscriber.begin(events)
            if !refusal.utf8.isEmpty { return refusal }
            subscribers.append(subscriber)
        }
        return ""
    }
}
