import CLinux
import CPluginABI
import DynamicLibrary
import HostModel
import Synchronization

/// `ph.rpc/1`: the functions by which plugins call each other.
enum RPCService {
    /// The table that plugins are handed; it lives as long as the process.
    // because it is written once, here
    nonisolated(unsafe) static let table: UnsafePointer<ph_rpc> = {
        let table = UnsafeMutablePointer<ph_rpc>.allocate(capacity: 1)
        unsafe table.initialize(
            to: ph_rpc(
                size: UInt32(MemoryLayout<ph_rpc>.size),
                provide: { unsafe provide($0, $1, $2, $3) },
                method: { unsafe method($0, $1, $2, $3) },
                release: { unsafe RegistryService.release($0, $1) },
                call: { unsafe call($0, $1, $2, $3, $4, $5) },
                call_async: { unsafe callAsync($0, $1, $2, $3, $4, $5, $6) },
                cancel: { unsafe cancel($0, $1) },
                cast: { unsafe cast($0, $1, $2) },
                reply: { unsafe reply($0, $1) },
                refuse: { unsafe refuse($0, $1, $2) },
                is_over: { unsafe isOver($0) ? 1 : 0 }))
        return unsafe UnsafePointer(table)
    }()

    /// How long a call may take that does not say.
    static let timeoutMilliseconds: UInt64 = 30_000

    // MARK: - Calling

    /// Calls a method and waits for what comes of it.
    ///
    /// A method that is inline is called right here: without a lock or a reference count, with two
    /// atomic operations (`make bench`, figure `rpc`).
    private static func call(
        _ host: UnsafePointer<ph_host>?, _ handle: ph_handle, _ payload: ph_bytes,
        _ options: UnsafePointer<ph_call_options>?, _ receive: InlineCall.Receiver?,
        _ context: UnsafeMutableRawPointer?
    ) -> ph_status {
        guard unsafe _fastPath(unsafe payload.data != nil) || payload.length == 0,
            _fastPath(unsafe host != nil)
        else { return ph_status(PH_INVALID) }
        var failure = ph_status(PH_STALE)
        guard let method = unsafe enter(handle, &failure) else {
            return unsafe end(failure, receive, context)
        }
        guard _fastPath(unsafe method.flags == UInt32(PH_METHOD_INLINE)) else {
            return unsafe callOtherwise(host, method, payload, options, receive, context)
        }
        let status = unsafe callHere(method, payload, receive, context)
        if unsafe options != nil { unsafe release(options) }
        return status
    }

    /// Calls a method between the hooks of calls, or on a thread of its provider.
    @inline(never)
    private static func callOtherwise(
        _ host: UnsafePointer<ph_host>?, _ method: EndpointPointer, _ payload: ph_bytes,
        _ options: UnsafePointer<ph_call_options>?, _ receive: InlineCall.Receiver?,
        _ context: UnsafeMutableRawPointer?
    ) -> ph_status {
        if let hooked = unsafe HookedCall.begin(host, method, payload, receive, context) {
            return unsafe hooked.call(host, method, options)
        }
        if unsafe method.flags & UInt32(PH_METHOD_INLINE) != 0 {
            let status = unsafe callHere(method, payload, receive, context)
            unsafe release(options)
            return status
        }
        switch unsafe LaterCalls.call(host, method, payload, options, receive, context) {
        case nil: return ph_status(PH_INVALID)
        case .settled(let status): return status
        case .refused(let status): return unsafe end(status, receive, context)
        }
    }

    /// Tells the caller why nothing has come of its call.
    @inline(never)
    static func end(
        _ status: ph_status, _ receive: InlineCall.Receiver?, _ context: UnsafeMutableRawPointer?
    ) -> ph_status {
        if let receive = unsafe receive {
            unsafe receive(context, status, 0, CallWords.bytes(for: status))
        }
        return status
    }

    /// Enters the method that a handle leads to; nil when it leads nowhere, and why.
    @inline(__always)
    static func enter(_ handle: ph_handle, _ failure: inout ph_status) -> EndpointPointer? {
        guard let place = unsafe HandlePointer(handle) else { return nil }
        let target = unsafe place.slot.pointee.target.load(ordering: .acquiring)
        if let method = unsafe EndpointPointer(target: target), unsafe method.enter(target) {
            return unsafe method
        }
        return unsafe enterAgain(place, &failure)
    }

    /// Enters after a method that has just been closed, or that leads nowhere.
    @inline(never)
    private static func enterAgain(
        _ place: HandlePointer, _ failure: inout ph_status
    ) -> EndpointPointer? {
        while true {
            let target = unsafe place.slot.pointee.target.load(ordering: .acquiring)
            guard let method = unsafe EndpointPointer(target: target) else {
                failure = unsafe place.reason
                return nil
            }
            if unsafe method.enter(target) { return unsafe method }
        }
    }

    /// Calls a method that is inline, on the calling thread, and leaves it.
    @inline(__always)
    static func callHere(
        _ method: EndpointPointer, _ payload: ph_bytes, _ receive: InlineCall.Receiver?,
        _ context: UnsafeMutableRawPointer?
    ) -> ph_status {
        let frames = unsafe CallFramesPointer.current
        let call = unsafe frames.pointee.top
        guard _fastPath(unsafe call != frames.pointee.end) else {
            unsafe method.leave()
            return unsafe end(ph_status(PH_TOO_DEEP), receive, context)
        }
        let endpoint = unsafe method.endpoint
        unsafe call.pointee.receive = unsafe receive
        unsafe call.pointee.context = unsafe context
        let caller = unsafe ImageContext.enter(endpoint.pointee.image)
        unsafe call.pointee.callerImage = caller
        let word = unsafe call.pointee.word.load(ordering: .relaxed) &+ InlineCall.next
        unsafe call.pointee.word.store(word, ordering: .releasing)
        unsafe frames.pointee.top = call + 1
        let returned = unsafe endpoint.pointee.function(
            endpoint.pointee.context, OpaquePointer(bitPattern: UInt(word)), payload)
        unsafe frames.pointee.top = call
        ImageContext.leave(caller)
        if _slowPath(unsafe call.pointee.word.load(ordering: .relaxed) == word) {
            unsafe endWithoutReply(call, word, returned)
        }
        let status = unsafe call.pointee.status
        if _slowPath(status < 0) { unsafe noteFailure(endpoint) }
        unsafe method.leave()
        return status
    }

    @inline(never)
    private static func noteFailure(_ endpoint: UnsafeMutablePointer<Endpoint>) {
        unsafe endpoint.pointee.member?._withUnsafeGuaranteedRef { $0.calls.counts.noteFailure() }
    }

    /// Completes a call whose method has returned without having done so.
    @inline(never)
    private static func endWithoutReply(
        _ call: UnsafeMutablePointer<InlineCall>, _ word: UInt64, _ returned: ph_status
    ) {
        let status = ph_status(returned < 0 ? PH_REFUSED : PH_NO_REPLY)
        if let receive = unsafe call.pointee.receive {
            unsafe receive(
                call.pointee.context, status, min(returned, 0), CallWords.bytes(for: status))
        }
        unsafe call.pointee.status = status
        unsafe call.pointee.word.store(word ^ InlineCall.mark, ordering: .releasing)
    }

    /// Tells the caller that a payload which it lent is not needed any more.
    static func release(_ options: UnsafePointer<ph_call_options>?) {
        guard let options = unsafe options,
            unsafe Int(options.pointee.size) >= MemoryLayout<ph_call_options>.size
        else { return }
        unsafe options.pointee.release?(options.pointee.release_context)
    }

    // MARK: - Completing

    private static func reply(_ handle: OpaquePointer?, _ reply: ph_bytes) -> ph_status {
        guard unsafe _fastPath(unsafe reply.data != nil) || reply.length == 0 else {
            return ph_status(PH_INVALID)
        }
        return unsafe complete(handle, ph_status(PH_OK), 0, reply)
    }

    private static func refuse(
        _ handle: OpaquePointer?, _ code: Int32, _ words: ph_text
    ) -> ph_status {
        guard unsafe words.data != nil || words.length == 0 else { return ph_status(PH_INVALID) }
        let bytes = unsafe ph_bytes(
            data: UnsafeRawPointer(words.data)?.assumingMemoryBound(to: UInt8.self),
            length: words.length)
        return unsafe complete(handle, ph_status(PH_REFUSED), code, bytes)
    }

    @inline(__always)
    static func complete(
        _ handle: OpaquePointer?, _ status: ph_status, _ code: Int32, _ reply: ph_bytes
    ) -> ph_status {
        let word = UInt64(UInt(bitPattern: handle))
        guard unsafe _fastPath(word & InlineCall.mark != 0) else {
            return unsafe LaterCalls.complete(handle, status, code, reply)
        }
        // The thread's own call: nobody else can come in between.
        guard let call = unsafe InlineCall.owed(word),
            unsafe UnsafeMutableRawPointer(call.pointee.owner) == linux_get_call_frames()
        else { return ph_status(PH_WRONG_STATE) }
        if let receive = unsafe call.pointee.receive {
            let provider = unsafe ImageContext.enter(call.pointee.callerImage)
            unsafe receive(call.pointee.context, status, code, reply)
            ImageContext.leave(provider)
        }
        unsafe call.pointee.status = status
        unsafe call.pointee.word.store(word ^ InlineCall.mark, ordering: .releasing)
        return ph_status(PH_OK)
    }

    private static func isOver(_ handle: OpaquePointer?) -> Bool {
        let word = UInt64(UInt(bitPattern: handle))
        return unsafe word & InlineCall.mark != 0
            ? unsafe InlineCall.owed(word) == nil : unsafe CallPointer.owed(handle) == nil
    }
}
