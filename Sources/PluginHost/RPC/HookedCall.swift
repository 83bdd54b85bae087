import CLinux
import CPluginABI
import DynamicLibrary
import HostModel

/// A call between plugins with the hooks of its point around it.
///
/// What comes of the call is copied, the hooks leave, and then the caller is told.
///
/// `@unchecked Sendable` because one thread after the other has it: the one that calls, and the one
/// that completes a call that nobody waits for.
@safe
final class HookedCall: @unchecked Sendable {
    private let run: PointRun
    private let receive: InlineCall.Receiver?
    private let context: UnsafeMutableRawPointer?
    private let callerImage: UInt32
    /// What came of the call.
    private var status = ph_status(PH_NO_REPLY)
    private var code: Int32 = 0
    /// Whether whoever completes the call has the hooks leave and tells the caller.
    private var endsWhenHeard = false

    private init(
        unsafe run: PointRun, _ receive: InlineCall.Receiver?, _ context: UnsafeMutableRawPointer?,
        callerImage: UInt32
    ) {
        self.run = run
        unsafe self.receive = unsafe receive
        unsafe self.context = unsafe context
        self.callerImage = callerImage
    }

    /// Prepares a call that passes by hooks, whose method has been entered.
    ///
    /// - Returns: nil when none is to be called: there is none, or one of them makes this call.
    static func begin(
        _ host: UnsafePointer<ph_host>?, _ method: EndpointPointer, _ payload: ph_bytes,
        _ receive: InlineCall.Receiver?, _ context: UnsafeMutableRawPointer?
    ) -> HookedCall? {
        guard unsafe method.flags & Endpoint.isHooked != 0, linux_is_in_hook() == 0,
            let host = unsafe host
        else { return nil }
        let caller = ImageContext.enter(0)
        defer { ImageContext.leave(caller) }
        let door = unsafe HostObject.door(of: host)
        let point = door.switchboard.hooks.rpc
        guard let chain = point.hooks,
            let provider = unsafe method.endpoint.pointee.member?.takeUnretainedValue(),
            let label = unsafe method.endpoint.pointee.label?.takeUnretainedValue()
        else { return nil }
        let run = unsafe PointRun(
            point, chain, plugin: door.member.name.text,
            callee: PointRun.Callee(provider: provider.name.text, method: label.key),
            payload: UnsafeRawBufferPointer(start: payload.data, count: payload.length))
        return unsafe HookedCall(unsafe: run, receive, context, callerImage: caller)
    }

    // MARK: - Ways to call

    /// Calls and waits.
    func call(
        _ host: UnsafePointer<ph_host>?, _ method: EndpointPointer,
        _ options: UnsafePointer<ph_call_options>?
    ) -> ph_status {
        guard unsafe LaterCalls.isValid(options) else {
            unsafe method.leave()
            return ph_status(PH_INVALID)
        }
        if unsafe enter(method) {
            unsafe perform(host, method, options)
        } else {
            unsafe RPCService.release(unsafe options)
        }
        end()
        return status
    }

    /// Calls and does not wait.
    func callAsync(
        _ host: UnsafePointer<ph_host>?, _ method: EndpointPointer,
        _ options: UnsafePointer<ph_call_options>?, _ ticket: UnsafeMutablePointer<ph_ticket>?
    ) -> ph_status {
        guard unsafe enter(method) else {
            unsafe RPCService.release(unsafe options)
            end()
            return ph_status(PH_OK)
        }
        if unsafe method.flags & UInt32(PH_METHOD_INLINE) != 0 {
            unsafe perform(host, method, options)
            end()
            return ph_status(PH_OK)
        }
        endsWhenHeard = true
        let me = unsafe Unmanaged.passRetained(self)
        let begun = unsafe lending(options) { options in
            unsafe RPCService.later(
                host, method, payload, options, Self.hear, me.toOpaque(), ticket)
        }
        if begun < PH_OK {
            unsafe me.release()
            leave(begun)
        }
        return begun
    }

    /// Calls without wanting to know what comes of it; the hooks leave once it is handed over.
    func cast(_ host: UnsafePointer<ph_host>?, _ method: EndpointPointer) -> ph_status {
        guard unsafe enter(method) else {
            leave(status)
            return status
        }
        if unsafe method.flags & UInt32(PH_METHOD_INLINE) != 0 {
            unsafe perform(host, method, nil)
            leave(status)
            return status == ph_status(PH_TOO_DEEP) ? status : ph_status(PH_OK)
        }
        status = unsafe RPCService.later(host, method, payload, nil, nil, nil, nil)
        leave(status)
        return status
    }

    // MARK: - Steps

    private var payload: ph_bytes {
        let bytes = unsafe run.payload
        return unsafe ph_bytes(
            data: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), length: bytes.count)
    }

    /// Has the hooks enter; false when that was all: one has refused the call or carried it out,
    /// and the method has been left.
    private func enter(_ method: EndpointPointer) -> Bool {
        let caller = ImageContext.enter(0)
        defer { ImageContext.leave(caller) }
        let entered = run.enter()
        guard entered >= PH_OK else {
            refuse(entered)
            unsafe method.leave()
            return false
        }
        guard let replaced = run.replace() else { return true }
        if replaced >= PH_OK { status = ph_status(PH_OK) } else { refuse(replaced) }
        unsafe method.leave()
        return false
    }

    private func refuse(_ by: ph_status) {
        status = ph_status(PH_REFUSED)
        code = by
        var words = run.refusal?.reason ?? ""
        if words.isEmpty { words = "a hook refused the call and did not say why" }
        words.withUTF8 { unsafe run.settle(UnsafeRawBufferPointer($0)) }
    }

    /// Calls the method, whichever kind it is, and has the outcome when it returns.
    private func perform(
        _ host: UnsafePointer<ph_host>?, _ method: EndpointPointer,
        _ options: UnsafePointer<ph_call_options>?
    ) {
        let me = unsafe Unmanaged.passUnretained(self).toOpaque()
        if unsafe method.flags & UInt32(PH_METHOD_INLINE) != 0 {
            _ = unsafe RPCService.callHere(method, payload, Self.hear, me)
            return unsafe RPCService.release(unsafe options)
        }
        let outcome = unsafe lending(options) { options in
            unsafe LaterCalls.call(host, method, payload, options, Self.hear, me)
        }
        switch outcome {
        case .settled: break
        case .refused(let why): _ = unsafe RPCService.end(why, Self.hear, me)
        case nil: _ = unsafe RPCService.end(ph_status(PH_INVALID), Self.hear, me)
        }
    }

    /// Hands on the options. What a hook has given instead of a payload that is lent is copied, and
    /// the lent one is given back.
    private func lending<Result>(
        _ options: UnsafePointer<ph_call_options>?,
        _ body: (UnsafePointer<ph_call_options>?) -> Result
    ) -> Result {
        guard run.hasOtherPayload, let given = unsafe options, unsafe LaterCalls.isValid(given)
        else { return unsafe body(options) }
        var copy = unsafe given.pointee
        unsafe copy.release = nil
        let result = unsafe withUnsafePointer(to: &copy) { unsafe body($0) }
        unsafe RPCService.release(options)
        return result
    }

    /// What the host hears in the caller's place.
    private static let hear: InlineCall.Receiver = { context, status, code, reply in
        guard let context = unsafe context else { return }
        let caller = ImageContext.enter(0)
        defer { ImageContext.leave(caller) }
        let call = unsafe Unmanaged<HookedCall>.fromOpaque(context)
        unsafe call.takeUnretainedValue().heard(status, code, reply)
    }

    private func heard(_ status: ph_status, _ code: Int32, _ reply: ph_bytes) {
        self.status = status
        self.code = code
        unsafe run.settle(UnsafeRawBufferPointer(start: reply.data, count: reply.length))
        guard endsWhenHeard else { return }
        end()
        unsafe Unmanaged.passUnretained(self).release()
    }

    /// Has the hooks leave, and tells the caller.
    private func end() {
        leave(status)
        guard let receive = unsafe receive else { return }
        let former = ImageContext.enter(callerImage)
        unsafe receive(context, status, code, payload)
        ImageContext.leave(former)
    }

    private func leave(_ result: ph_status) {
        let caller = ImageContext.enter(0)
        defer { ImageContext.leave(caller) }
        _ = run.leave(result)
    }
}
