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
                is_over: { unsafe CallPointer.owed($0) == nil ? 1 : 0 }))
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
        _ options: UnsafePointer<ph_call_options>?, _ receive: CallRecord.Receiver?,
        _ context: UnsafeMutableRawPointer?
    ) -> ph_status {
        guard unsafe payload.data != nil || payload.length == 0, unsafe host != nil else {
            return ph_status(PH_INVALID)
        }
        var failure = ph_status(PH_STALE)
        if let method = unsafe enter(handle, &failure) {
            let isInline = unsafe method.endpoint.pointee.flags & UInt32(PH_METHOD_INLINE) != 0
            if isInline {
                let status = unsafe callHere(method, payload, receive, context)
                if unsafe options != nil { unsafe release(options) }
                return status
            }
            let status = unsafe LaterCalls.call(host, method, payload, options, receive, context)
            guard let status else { return ph_status(PH_INVALID) }
            switch status {
            case .settled(let status): return status
            case .refused(let status): failure = status
            }
        }
        if let receive = unsafe receive {
            unsafe receive(context, failure, 0, CallWords.bytes(for: failure))
        }
        return failure
    }

    /// Enters the method that a handle leads to; nil when it leads nowhere, and why.
    @inline(__always)
    static func enter(_ handle: ph_handle, _ failure: inout ph_status) -> EndpointPointer? {
        guard let place = unsafe HandlePointer(handle) else { return nil }
        while true {
            let target = unsafe place.slot.pointee.target.load(ordering: .acquiring)
            guard let method = unsafe EndpointPointer(target: target) else {
                failure = unsafe place.slot.pointee.reason.load(ordering: .acquiring)
                return nil
            }
            // One that has just been closed: the handle leads elsewhere by now.
            if unsafe method.enter(target) { return unsafe method }
        }
    }

    /// Calls a method that is inline, on the calling thread, and leaves it.
    @inline(__always)
    static func callHere(
        _ method: EndpointPointer, _ payload: ph_bytes, _ receive: CallRecord.Receiver?,
        _ context: UnsafeMutableRawPointer?
    ) -> ph_status {
        let frames = unsafe CallFramesPointer.current
        let depth = unsafe frames.pointee.depth
        guard unsafe depth < CallFrames.depthMax else {
            return unsafe tooDeep(method, receive, context)
        }
        let call = unsafe CallPointer(frames.pointee.records + depth)
        unsafe call.record.pointee.receive = unsafe receive
        unsafe call.record.pointee.context = unsafe context
        let endpoint = unsafe method.endpoint
        let caller = unsafe ImageContext.enter(endpoint.pointee.image)
        unsafe call.record.pointee.callerImage = caller
        let word = unsafe call.begin()
        unsafe frames.pointee.depth = depth &+ 1
        let returned = unsafe endpoint.pointee.function?(
            endpoint.pointee.context, call.handle(word), payload)
        unsafe frames.pointee.depth = depth
        ImageContext.leave(caller)
        if unsafe call.record.pointee.word.load(ordering: .acquiring) != word | 3 {
            unsafe endWithoutReply(call, word, returned ?? 0)
        }
        let status = unsafe call.record.pointee.status
        unsafe method.leave()
        return status
    }

    /// Completes a call whose method has returned without having done so.
    @inline(never)
    private static func endWithoutReply(
        _ call: CallPointer, _ word: UInt64, _ returned: ph_status
    ) {
        let status = ph_status(returned < 0 ? PH_REFUSED : PH_NO_REPLY)
        if let receive = unsafe call.record.pointee.receive {
            unsafe receive(
                call.record.pointee.context, status, min(returned, 0),
                CallWords.bytes(for: status))
        }
        unsafe call.record.pointee.status = status
        unsafe call.complete(word)
    }

    @inline(never)
    private static func tooDeep(
        _ method: EndpointPointer, _ receive: CallRecord.Receiver?,
        _ context: UnsafeMutableRawPointer?
    ) -> ph_status {
        unsafe method.leave()
        let status = ph_status(PH_TOO_DEEP)
        if let receive = unsafe receive {
            unsafe receive(context, status, 0, CallWords.bytes(for: status))
        }
        return status
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
        guard unsafe reply.data != nil || reply.length == 0 else { return ph_status(PH_INVALID) }
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
    private static func complete(
        _ handle: OpaquePointer?, _ status: ph_status, _ code: Int32, _ reply: ph_bytes
    ) -> ph_status {
        guard let (call, word) = unsafe CallPointer.owed(handle) else {
            return ph_status(PH_WRONG_STATE)
        }
        guard unsafe call.record.pointee.isInline else {
            return unsafe LaterCalls.complete(call, word, status, code, reply)
        }
        // The thread's own call: nobody else can come in between.
        guard unsafe CallFramesPointer.current.pointee.owns(call) else {
            return ph_status(PH_WRONG_STATE)
        }
        if let receive = unsafe call.record.pointee.receive {
            let provider = unsafe ImageContext.enter(call.record.pointee.callerImage)
            unsafe receive(call.record.pointee.context, status, code, reply)
            ImageContext.leave(provider)
        }
        unsafe call.record.pointee.status = status
        unsafe call.complete(word)
        return ph_status(PH_OK)
    }
}
