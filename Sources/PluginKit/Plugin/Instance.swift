import CPluginABI

/// One started plugin: what the host's `state` points at.
@safe
final class Instance {
    let host: UnsafePointer<ph_host>
    let http: UnsafePointer<ph_http>
    let log: Log
    var bound: BoundPlugin
    #if !hasFeature(Embedded)
        let runtime: Runtime
    #endif

    #if hasFeature(Embedded)
        init(unsafe host: UnsafePointer<ph_host>, http: UnsafePointer<ph_http>, bound: BoundPlugin)
        {
            unsafe self.host = host
            unsafe self.http = http
            log = unsafe Log(unsafe: host)
            self.bound = bound
        }
    #else
        init(
            unsafe host: UnsafePointer<ph_host>, http: UnsafePointer<ph_http>, bound: BoundPlugin,
            runtime: Runtime
        ) {
            unsafe self.host = host
            unsafe self.http = http
            log = unsafe Log(unsafe: host)
            self.bound = bound
            self.runtime = runtime
        }
    #endif

    static func at(_ state: UnsafeMutableRawPointer?) -> Instance? {
        guard let state = unsafe state else { return nil }
        return unsafe Unmanaged<Instance>.fromOpaque(state).takeUnretainedValue()
    }

    static func make(
        host: UnsafePointer<ph_host>?, state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
        error: UnsafeMutablePointer<ph_error>?
    ) -> ph_status {
        let complaint = unsafe Complaint(unsafe: error)
        guard let host = unsafe host, let state = unsafe state,
            let registration = unsafe Contract.current?.registration,
            let http = unsafe host.pointee.http,
            unsafe Int(http.pointee.size) >= MemoryLayout<ph_http>.size
        else { return complaint.fail("the host hands over less than this plugin was built for") }
        #if hasFeature(Embedded)
            do {
                let bound = try registration.make(unsafe HostContext(unsafe: host))
                let instance = unsafe Instance(unsafe: host, http: http, bound: bound)
                unsafe state.pointee = Unmanaged.passRetained(instance).toOpaque()
                return done
            } catch {
                return complaint.fail(error.message)
            }
        #else
            let runtime = Runtime.begin()
            do {
                let bound = try registration.make(
                    unsafe HostContext(unsafe: host, tasks: runtime.tasks))
                let instance = unsafe Instance(
                    unsafe: host, http: http, bound: bound, runtime: runtime)
                unsafe state.pointee = Unmanaged.passRetained(instance).toOpaque()
                return done
            } catch {
                _ = runtime.end(before: Deadline(seconds: 1))
                return complaint.fail(describe(error))
            }
        #endif
    }

    static func drop(_ state: UnsafeMutableRawPointer?) {
        guard let state = unsafe state else { return }
        unsafe Unmanaged<Instance>.fromOpaque(state).release()
    }

    /// Asks the plugin how it is.
    ///
    /// - Returns: the value as `ph_health` has it.
    func reportHealth(to reason: UnsafeMutablePointer<ph_error>?) -> UInt32 {
        let complaint = unsafe Complaint(unsafe: reason)
        switch bound.health() {
        case .ok: return UInt32(PH_HEALTH_OK)
        case .degraded(let why):
            complaint.write(why)
            return UInt32(PH_HEALTH_DEGRADED)
        case .unhealthy(let why):
            complaint.write(why)
            return UInt32(PH_HEALTH_UNHEALTHY)
        }
    }

    #if hasFeature(Embedded)
        func start(_ error: UnsafeMutablePointer<ph_error>?) -> ph_status {
            do {
                try bound.start()
                return done
            } catch let refusal {
                return unsafe Complaint(unsafe: error).fail(refusal.message)
            }
        }

        func stop(_ error: UnsafeMutablePointer<ph_error>?) -> ph_status {
            bound.stop()
            return done
        }
    #endif

    #if !hasFeature(Embedded)
        func start(_ error: UnsafeMutablePointer<ph_error>?) -> ph_status {
            let start = bound.start
            let refusal = runtime.run(before: nil) { () async -> String in
                do {
                    try await start()
                    return ""
                } catch {
                    return describe(error)
                }
            }
            guard let refusal, !refusal.isEmpty else { return done }
            _ = runtime.end(before: Deadline(seconds: bound.stopDeadlineSeconds))
            return unsafe Complaint(unsafe: error).fail(refusal)
        }

        func stop(_ error: UnsafeMutablePointer<ph_error>?) -> ph_status {
            let deadline = Deadline(seconds: bound.stopDeadlineSeconds)
            let reasons = runtime.end(before: deadline, stop: bound.stop)
            guard !reasons.isEmpty else { return done }
            let refusal = PluginError(
                "the plugin did not stop in time", reasons: reasons,
                remedy: "cancel the tasks that it begins, and wait for them, in stop()",
                code: .tasksStillRunning)
            return unsafe Complaint(unsafe: error).fail(refusal.message)
        }
    #endif
}
