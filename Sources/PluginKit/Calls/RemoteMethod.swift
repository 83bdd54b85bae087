import CPluginABI

/// A method of another plugin, bound once.
///
/// It is Sendable because a handle may be used on every thread, and what it refers to never
/// changes.
@safe
public final class RemoteMethod: @unchecked Sendable {
    let host: UnsafePointer<ph_host>
    let rpc: UnsafePointer<ph_rpc>
    let handle: ph_handle

    init(_ capability: Capability, _ name: String) throws(CallError) {
        let host = unsafe capability.host.raw
        guard let service = unsafe host.service(Service.rpc.id),
            let bind = unsafe service.assumingMemoryBound(to: ph_rpc.self).pointee.method
        else {
            throw CallError(
                .notGranted, "the manifest does not ask for .rpc, or it was not granted")
        }
        var handle: ph_handle = 0
        let status = unsafe capability.withSelector { selector in
            unsafe name.lent { unsafe bind(host, selector, $0, &handle) }
        }
        guard status >= done else {
            throw CallError(
                status: status, code: 0,
                words: "the method " + name + " cannot be bound: a name or the range is malformed")
        }
        unsafe self.host = unsafe host
        unsafe rpc = service.assumingMemoryBound(to: ph_rpc.self)
        self.handle = handle
    }

    deinit {
        _ = unsafe rpc.pointee.release?(host, handle)
    }

    /// Calls the method and waits for its reply, on the calling thread.
    ///
    /// On an event loop, which is where handlers run that are not `async` and do not say `blocks`,
    /// only methods that answer at once can be called so.
    ///
    /// - Parameters:
    ///   - payload: what is sent.
    ///   - milliseconds: how long the reply may take; 0: 30 seconds.
    /// - Throws: `CallError`.
    public func callAndWait(
        _ payload: some Collection<UInt8>, milliseconds: UInt32 = 0
    ) throws(CallError) -> [UInt8] {
        let received = Received()
        let bytes = Array(payload)
        let status = unsafe bytes.withUnsafeBufferPointer { bytes in
            var options = unsafe ph_call_options()
            unsafe options.size = UInt32(MemoryLayout<ph_call_options>.size)
            unsafe options.timeout_milliseconds = milliseconds
            let payload = unsafe ph_bytes(data: bytes.baseAddress, length: bytes.count)
            return unsafe rpc.pointee.call?(
                host, handle, payload, &options,
                { context, status, code, reply in
                    guard let context = unsafe context else { return }
                    unsafe Unmanaged<Received>.fromOpaque(context).takeUnretainedValue()
                        .take(status, code, reply)
                }, Unmanaged.passUnretained(received).toOpaque()) ?? failed
        }
        guard status >= done else {
            throw CallError(
                status: status, code: received.code,
                words: String(decoding: received.bytes, as: UTF8.self))
        }
        return received.bytes
    }

    /// Calls the method without waiting, and without a reply.
    ///
    /// - Throws: `CallError` when the call could not be handed over.
    public func cast(_ payload: some Collection<UInt8>) throws(CallError) {
        let bytes = Array(payload)
        let status = unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe rpc.pointee.cast?(
                host, handle, ph_bytes(data: bytes.baseAddress, length: bytes.count)) ?? failed
        }
        guard status >= done else {
            throw CallError(status: status, code: 0, words: "the call could not be handed over")
        }
    }
}

/// What the host tells the caller of one call.
///
/// It needs no lock because it is written once, before the caller is woken.
final class Received: @unchecked Sendable {
    private(set) var status: ph_status = failed
    private(set) var code: Int32 = 0
    private(set) var bytes: [UInt8] = []

    func take(_ status: ph_status, _ code: Int32, _ reply: ph_bytes) {
        self.status = status
        self.code = code
        bytes = unsafe Array(UnsafeBufferPointer(start: reply.data, count: reply.length))
    }
}

#if !hasFeature(Embedded)
    import Synchronization

    extension RemoteMethod {
        /// Calls the method; other tasks go on meanwhile.
        ///
        /// When the task is cancelled, the call is called off.
        ///
        /// - Parameters:
        ///   - payload: what is sent.
        ///   - milliseconds: how long the reply may take; 0: 30 seconds.
        /// - Throws: `CallError`.
        public func call(
            _ payload: some Collection<UInt8>, milliseconds: UInt32 = 0
        ) async throws(CallError) -> [UInt8] {
            let pending = PendingCall()
            let bytes = Array(payload)
            let received = await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    pending.begin(continuation)
                    let (status, ticket) = begin(bytes, milliseconds, pending)
                    if status < done { return pending.fail(status) }
                    if pending.note(ticket) { cancel(ticket) }
                }
            } onCancel: {
                if let ticket = pending.cancel() { cancel(ticket) }
            }
            guard received.status >= done else {
                throw CallError(
                    status: received.status, code: received.code,
                    words: String(decoding: received.bytes, as: UTF8.self))
            }
            return received.bytes
        }

        private func begin(
            _ bytes: [UInt8], _ milliseconds: UInt32, _ pending: PendingCall
        ) -> (ph_status, ph_ticket) {
            var ticket: ph_ticket = 0
            let context = unsafe Unmanaged.passRetained(pending)
            let status = unsafe bytes.withUnsafeBufferPointer { bytes in
                var options = unsafe ph_call_options()
                unsafe options.size = UInt32(MemoryLayout<ph_call_options>.size)
                unsafe options.timeout_milliseconds = milliseconds
                let payload = unsafe ph_bytes(data: bytes.baseAddress, length: bytes.count)
                return unsafe rpc.pointee.call_async?(
                    host, handle, payload, &options,
                    { context, status, code, reply in
                        guard let context = unsafe context else { return }
                        let received = Received()
                        unsafe received.take(status, code, reply)
                        unsafe Unmanaged<PendingCall>.fromOpaque(context).takeRetainedValue()
                            .end(received)
                    }, context.toOpaque(), &ticket) ?? failed
            }
            if status < done { unsafe context.release() }
            return (status, ticket)
        }

        private func cancel(_ ticket: ph_ticket) {
            _ = unsafe rpc.pointee.cancel?(host, ticket)
        }
    }

    /// A call that a task waits for.
    private final class PendingCall: Sendable {
        private struct State {
            var waiter: CheckedContinuation<Received, Never>?
            var ticket: ph_ticket = 0
            var isCancelled = false
        }

        private let state = Mutex(State())

        func begin(_ waiter: CheckedContinuation<Received, Never>) {
            state.withLock { $0.waiter = waiter }
        }

        /// Notes how the call is called off; true when that is wanted already.
        func note(_ ticket: ph_ticket) -> Bool {
            state.withLock { state in
                state.ticket = ticket
                return state.isCancelled && ticket != 0
            }
        }

        /// The ticket to call the call off with, if there is one already.
        func cancel() -> ph_ticket? {
            state.withLock { state in
                state.isCancelled = true
                return state.ticket == 0 ? nil : state.ticket
            }
        }

        func fail(_ status: ph_status) {
            let received = Received()
            unsafe received.take(status, 0, ph_bytes(data: nil, length: 0))
            end(received)
        }

        func end(_ received: Received) {
            let waiter = state.withLock { state in
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume(returning: received)
        }
    }
#endif
