import CLinux
import CPluginABI
import DynamicLibrary
import HostModel

/// The way of calls whose method runs on a thread of its provider.
enum LaterCalls {
    /// What became of the attempt to have a call carried out.
    enum Outcome {
        /// It was taken on, and its receiver has been called if the caller has waited.
        case settled(ph_status)
        /// It was not; nobody has been told.
        case refused(ph_status)
    }

    /// Has a method called and waits; the method has been entered.
    ///
    /// - Returns: nil when the options are malformed.
    @inline(never)
    static func call(
        _ host: UnsafePointer<ph_host>?, _ method: EndpointPointer, _ payload: ph_bytes,
        _ options: UnsafePointer<ph_call_options>?, _ receive: InlineCall.Receiver?,
        _ context: UnsafeMutableRawPointer?
    ) -> Outcome? {
        guard linux_runs_loop() == 0 else {
            unsafe method.leave()
            return .refused(ph_status(PH_WRONG_THREAD))
        }
        var call: PooledCall?
        let outcome = unsafe begin(
            host, method, payload, options, receive, context, isAwaited: true, &call)
        guard case .settled = outcome, let call else { return outcome }
        let caller = ImageContext.enter(0)
        defer { ImageContext.leave(caller) }
        return .settled(call.wait())
    }

    /// Has a method called; it has been entered, and is left in the end.
    static func begin(
        _ host: UnsafePointer<ph_host>?, _ method: EndpointPointer, _ payload: ph_bytes,
        _ options: UnsafePointer<ph_call_options>?, _ receive: InlineCall.Receiver?,
        _ context: UnsafeMutableRawPointer?, isAwaited: Bool, _ result: inout PooledCall?
    ) -> Outcome? {
        let callerImage = ImageContext.enter(0)
        defer { ImageContext.leave(callerImage) }
        let frames = unsafe CallFramesPointer.current
        guard let host = unsafe host, unsafe isValid(options),
            let provider = unsafe method.endpoint.pointee.member?.takeUnretainedValue(),
            let label = unsafe method.endpoint.pointee.label?.takeUnretainedValue()
        else {
            unsafe method.leave()
            return nil
        }
        guard unsafe frames.pointee.depth < CallFrames.depthMax else {
            unsafe method.leave()
            return .refused(ph_status(PH_TOO_DEEP))
        }
        let member = unsafe HostObject.door(of: host).member
        let milliseconds =
            unsafe options.map { unsafe UInt64($0.pointee.timeout_milliseconds) } ?? 0
        let timeout = milliseconds == 0 ? RPCService.timeoutMilliseconds : milliseconds
        var expires = PooledCall.now &+ timeout &* 1_000_000
        let limit = unsafe frames.pointee.expires
        if limit != 0 { expires = min(expires, limit) }
        let order = unsafe PooledCall.Order(
            method: method, name: label.text,
            payload: UnsafeRawBufferPointer(start: payload.data, count: payload.length),
            release: options?.pointee.release, releaseContext: options?.pointee.release_context,
            receive: receive, context: context, isAwaited: isAwaited, expires: expires)
        let call = unsafe PooledCall(
            unsafe: order, caller: member, callerImage: callerImage, provider: provider,
            frames: frames)
        let status = call.begin()
        guard status == ph_status(PH_OK) else { return .refused(status) }
        result = call
        return .settled(status)
    }

    /// Settles a call, unless somebody else does or has done so.
    @inline(never)
    static func complete(
        _ handle: OpaquePointer?, _ status: ph_status, _ code: Int32, _ reply: ph_bytes
    ) -> ph_status {
        let provider = ImageContext.enter(0)
        defer { ImageContext.leave(provider) }
        guard let (call, word) = unsafe CallPointer.owed(handle), unsafe call.claim(word),
            let pooled = unsafe call.record.pointee.pooled?.takeUnretainedValue()
        else { return ph_status(PH_WRONG_STATE) }
        unsafe pooled.deliver(status, code, reply)
        return ph_status(PH_OK)
    }

    static func isValid(_ options: UnsafePointer<ph_call_options>?) -> Bool {
        guard let options = unsafe options else { return true }
        return unsafe Int(options.pointee.size) >= MemoryLayout<ph_call_options>.size
    }
}
