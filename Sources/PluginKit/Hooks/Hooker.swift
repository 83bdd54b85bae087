import CPluginABI

/// A hook as the host calls it.
///
/// The plugin's instance keeps it until the host calls nothing any more.
@safe
final class Hooker {
    private let hook: BoundHook
    private let functions: UnsafePointer<ph_hooks>
    private let http: UnsafePointer<ph_http>
    private let log: Log

    init(
        _ hook: BoundHook, unsafe functions: UnsafePointer<ph_hooks>,
        _ http: UnsafePointer<ph_http>, log: Log
    ) {
        self.hook = hook
        unsafe self.functions = functions
        unsafe self.http = http
        self.log = log
    }

    /// Tells the host of it.
    ///
    /// - Returns: what is wrong; empty if nothing is.
    func begin(unsafe host: UnsafePointer<ph_host>) -> String {
        let shape = hook.shape
        var options = unsafe ph_hook()
        unsafe options.size = UInt32(MemoryLayout<ph_hook>.size)
        unsafe options.kind = shape.kind
        unsafe options.priority = shape.priority
        unsafe options.flags = shape.blocks ? UInt32(PH_HOOK_BLOCKING) : 0
        unsafe options.context = Unmanaged.passUnretained(self).toOpaque()
        switch shape.onFailure {
        case .failRequest: unsafe options.on_failure = UInt32(PH_HOOK_FAIL)
        case .skipHook: unsafe options.on_failure = UInt32(PH_HOOK_SKIP)
        case .disableHook(let count):
            unsafe options.on_failure = UInt32(PH_HOOK_DISABLE)
            unsafe options.failures_max = count
        }
        let status: ph_status
        if let part = hook.part {
            status = unsafe add(part, host, &options)
        } else if hook.respond == nil {
            status = unsafe addRequest(host, &options)
        } else {
            status = unsafe addResponse(host, &options)
        }
        return status >= done ? "" : "the host refused a hook (\(status))"
    }

    private func addRequest(
        _ host: UnsafePointer<ph_host>, _ options: UnsafePointer<ph_hook>
    ) -> ph_status {
        var table = ph_request_hook()
        table.size = UInt32(MemoryLayout<ph_request_hook>.size)
        if hook.enter != nil {
            unsafe table.enter = { unsafe Hooker.at($0)?.enter($1) ?? wrongState }
        }
        if hook.leave != nil {
            unsafe table.leave = { unsafe Hooker.at($0)?.leave($1, $2) ?? wrongState }
        }
        return unsafe functions.pointee.add_request?(host, options, &table) ?? failed
    }

    private func addResponse(
        _ host: UnsafePointer<ph_host>, _ options: UnsafePointer<ph_hook>
    ) -> ph_status {
        var table = ph_response_hook()
        table.size = UInt32(MemoryLayout<ph_response_hook>.size)
        unsafe table.respond = { unsafe Hooker.at($0)?.respond($1, $2) ?? wrongState }
        return unsafe functions.pointee.add_response?(host, options, &table) ?? failed
    }

    private func add(
        _ part: BoundPart, _ host: UnsafePointer<ph_host>, _ options: UnsafePointer<ph_hook>
    ) -> ph_status {
        var table = ph_point_hook()
        table.size = UInt32(MemoryLayout<ph_point_hook>.size)
        if part.enter != nil {
            unsafe table.enter = { unsafe Hooker.at($0)?.enter($1, $2) ?? wrongState }
        }
        if part.leave != nil {
            unsafe table.leave = { context, call, result, _ in
                unsafe Hooker.at(context)?.leave(call, result) ?? wrongState
            }
        }
        return unsafe functions.pointee.add?(host, ph_text(part.point), options, &table) ?? failed
    }

    private static func at(_ context: UnsafeMutableRawPointer?) -> Hooker? {
        guard let context = unsafe context else { return nil }
        return unsafe Unmanaged<Hooker>.fromOpaque(context).takeUnretainedValue()
    }

    private func enter(_ raw: UnsafePointer<ph_request_call>?) -> ph_status {
        guard let raw = unsafe raw, let enter = hook.enter else { return invalid }
        let call = unsafe HookCall(unsafe: raw, http)
        guard let responder = call.responder else { return invalid }
        do {
            switch try enter(call) {
            case .goOn: return done
            case .answer(let response): return responder.complete(response)
            }
        } catch {
            return fail(error, responder)
        }
    }

    #if hasFeature(Embedded)
        private func fail(_ error: HTTPError, _ responder: Responder) -> ph_status {
            responder.complete(.problem(error))
        }
    #else
        private func fail(_ error: any Error, _ responder: Responder) -> ph_status {
            if let error = error as? HTTPError { return responder.complete(.problem(error)) }
            log.about(responder).error("a hook failed: \(describe(error))")
            return failed
        }
    #endif

    private func leave(
        _ raw: UnsafePointer<ph_request_call>?, _ outcome: UnsafePointer<ph_request_outcome>?
    ) -> ph_status {
        guard let raw = unsafe raw, let outcome = unsafe outcome, let leave = hook.leave else {
            return invalid
        }
        unsafe leave(HookCall(unsafe: raw, http), RequestOutcome(outcome.pointee))
        return done
    }

    private func respond(
        _ raw: UnsafePointer<ph_request_call>?, _ head: OpaquePointer?
    ) -> ph_status {
        guard let raw = unsafe raw, let head = unsafe head, let respond = hook.respond else {
            return invalid
        }
        unsafe respond(HookCall(unsafe: raw, http), ResponseHead(unsafe: functions, head))
        return done
    }

    // MARK: - Other points

    private func enter(
        _ raw: UnsafePointer<ph_point_call>?, _ error: UnsafeMutablePointer<ph_error>?
    ) -> ph_status {
        guard let raw = unsafe raw, let enter = hook.part?.enter else { return invalid }
        do {
            let hasDoneIt = try enter(unsafe PointCall(unsafe: functions, raw))
            return hasDoneIt || hook.shape.kind != UInt32(PH_HOOK_REPLACE)
                ? done : ph_status(PH_UNSUPPORTED)
        } catch let refusal {
            return unsafe refuse(refusal, Complaint(unsafe: error))
        }
    }

    private func leave(
        _ raw: UnsafePointer<ph_point_call>?, _ result: ph_status
    ) -> ph_status {
        guard let raw = unsafe raw, let leave = hook.part?.leave else { return invalid }
        leave(unsafe PointCall(unsafe: functions, raw), PointOutcome(code: result))
        return done
    }

    #if hasFeature(Embedded)
        private func refuse(_ refusal: PointError, _ complaint: Complaint) -> ph_status {
            complaint.write(refusal.message)
            return refusal.code
        }
    #else
        private func refuse(_ refusal: any Error, _ complaint: Complaint) -> ph_status {
            guard let refusal = refusal as? PointError else {
                return complaint.fail(describe(refusal))
            }
            complaint.write(refusal.message)
            return refusal.code
        }
    #endif
}
