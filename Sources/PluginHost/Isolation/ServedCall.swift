import CPluginABI
import DynamicLibrary
import HostModel
import Synchronization

/// A call that is carried out here for another process: for a worker in the engine, and for the
/// engine in a worker.
final class ServedCall: Sendable {
    private let request: ControlChannel.Request
    private let whenOver: @Sendable () -> Void
    private let over = Atomic(false)

    /// Whether the other process has been told.
    fileprivate var isOver: Bool { over.load(ordering: .acquiring) }

    private init(_ request: ControlChannel.Request, whenOver: @escaping @Sendable () -> Void) {
        self.request = request
        self.whenOver = whenOver
    }

    /// Begins a call.
    ///
    /// - Parameters:
    ///   - host: in whose name it is made.
    ///   - ticket: what the other process calls it off with; nil if it cannot.
    static func begin(
        _ request: ControlChannel.Request, _ handle: ph_handle, by host: HostObject,
        _ origin: CallOrigin, _ tickets: CallTickets, ticket: String?
    ) {
        var options = unsafe ph_call_options(
            size: UInt32(MemoryLayout<ph_call_options>.size),
            timeout_milliseconds: origin.milliseconds, release: nil, release_context: nil)
        let served = ServedCall(request) {
            if let ticket { tickets.remove(ticket) }
        }
        let waiting = unsafe Unmanaged.passRetained(served)
        var number: ph_ticket = 0
        let status = origin.stand {
            unsafe request.bytes.withUnsafeBufferPointer { bytes in
                unsafe RPCService.callAsync(
                    host.pointer, handle,
                    ph_bytes(data: bytes.baseAddress, length: bytes.count), &options,
                    { context, status, code, reply in
                        guard let context = unsafe context else { return }
                        let served = unsafe Unmanaged<ServedCall>.fromOpaque(context)
                            .takeRetainedValue()
                        unsafe served.end(status, code, reply)
                    }, waiting.toOpaque(), &number)
            }
        }
        guard status == ph_status(PH_OK) else {
            unsafe waiting.release()
            return answer(request, status, 0, nil)
        }
        if let ticket, number != 0 { tickets.put(number, as: ticket, unless: served) }
    }

    /// Answers a call: the reply, or the provider's words where it was refused.
    static func answer(
        _ request: ControlChannel.Request, _ status: ph_status, _ code: Int32, _ reply: [UInt8]?
    ) {
        let hasWords = status == ph_status(PH_OK) || status == ph_status(PH_REFUSED)
        request.reply(
            ["status": .status(status), "code": .number(JSONNumber(code))],
            hasWords ? reply ?? [] : [])
    }

    /// Tells the other process what came of it; copies the reply.
    private func end(_ status: ph_status, _ code: Int32, _ reply: ph_bytes) {
        let former = ImageContext.enter(0)
        defer { ImageContext.leave(former) }
        let bytes = unsafe [UInt8](UnsafeBufferPointer(start: reply.data, count: reply.length))
        over.store(true, ordering: .releasing)
        Self.answer(request, status, code, bytes)
        whenOver()
    }
}

/// The calls that are carried out for other processes and that those may call off, by what these
/// call them.
final class CallTickets: Sendable {
    private let state = Mutex<[String: ph_ticket]>([:])

    fileprivate func put(_ ticket: ph_ticket, as key: String, unless served: ServedCall) {
        // One that is over has been removed, or is about to be.
        state.withLock { if !served.isOver { $0[key] = ticket } }
    }

    fileprivate func remove(_ key: String) {
        _ = state.withLock { $0.removeValue(forKey: key) }
    }

    /// Calls one off.
    func cancel(_ key: String, for host: HostObject) -> ph_status {
        guard let ticket = state.withLock({ $0.removeValue(forKey: key) }) else {
            return ph_status(PH_WRONG_STATE)
        }
        return unsafe RPCService.cancel(host.pointer, ticket)
    }

    /// Forgets those of a process that has ended.
    func forget(_ prefix: String) {
        state.withLock { $0 = $0.filter { !$0.key.hasPrefix(prefix) } }
    }
}
