import CPluginABI
import DynamicLibrary
import HTTPServer
import HTTPWire
import Synchronization

/// The response that a hook of a worker may give to a request which is the host's: collected here,
/// and sent to the host when it is complete.
///
/// A `ph_response` of it is a number that no address is, so that one which is kept for too long
/// leads nowhere.
final class HookResponse: Sendable {
    /// What was given: the status, 0 where it was aborted; a parcel of the headers and the body.
    struct Given {
        var status: UInt32
        var bytes: [UInt8]
    }

    private enum Phase: Sendable { case owed, begun, complete }

    private struct State: Sendable {
        var phase: Phase
        var status: UInt32 = 0
        var head = Parcel()
        var body: [UInt8] = []
        var isNamed = false
        var isAborted = false
        var whenComplete: (@Sendable () -> Void)?
    }

    /// The most octets of a body.
    static let bodyBytesMax = 16 << 20
    private static let living = Mutex<[UInt: HookResponse]>([:])
    private static let lastNumber = Atomic<UInt>(0)

    private let shown: ShownRequest
    private let number = lastNumber.wrappingAdd(1, ordering: .relaxed).newValue
    private let state: Mutex<State>

    /// - Parameter mayAnswer: whether the hook may give the response, and not only ask for names.
    init(_ shown: ShownRequest, mayAnswer: Bool) {
        self.shown = shown
        state = Mutex(State(phase: mayAnswer ? .owed : .complete))
    }

    /// Whether the hook has asked what the request is called.
    var isNamed: Bool { state.withLock { $0.isNamed } }

    /// Makes what the hook is handed, until `end`.
    func begin() -> OpaquePointer? {
        Self.living.withLock { $0[number] = self }
        return unsafe OpaquePointer(bitPattern: number << 1 | 1)
    }

    /// What a plugin was handed, if it is one of these that has not ended.
    static func of(_ response: OpaquePointer?) -> HookResponse? {
        let bits = UInt(bitPattern: response)
        guard bits & 1 != 0 else { return nil }
        return living.withLock { $0[bits >> 1] }
    }

    /// Ends it; returns the response if it is complete, and whether it was only begun.
    func end() -> (given: Given?, isUnfinished: Bool) {
        _ = Self.living.withLock { $0.removeValue(forKey: number) }
        return state.withLock { state in
            defer { state.phase = .complete }
            if state.isAborted { return (Given(status: 0, bytes: []), false) }
            guard state.phase == .complete, state.status != 0 else {
                return (nil, state.phase == .begun)
            }
            state.head.put(state.body)
            return (Given(status: state.status, bytes: state.head.bytes), false)
        }
    }

    /// Has a closure called once it is complete, which may be now.
    func whenComplete(_ body: @escaping @Sendable () -> Void) {
        let isComplete = state.withLock { state in
            if state.phase != .complete { state.whenComplete = body }
            return state.phase == .complete
        }
        if isComplete { body() }
    }

    // MARK: - Functions of the plugin's table

    func begin(
        _ status: UInt32, _ headers: UnsafePointer<ph_header>?, _ count: Int
    ) -> ph_status {
        guard state.withLock({ $0.phase == .owed }) else { return ph_status(PH_WRONG_STATE) }
        guard PluginHTTP.finalStatus(status) != nil,
            let fields = unsafe PluginHTTP.fields(headers, count),
            unsafe fields.allSatisfy({ Exchange.allows($0) })
        else { return ph_status(PH_INVALID) }
        var head = Parcel()
        unsafe head.put(headers, count)
        return state.withLock { state in
            guard state.phase == .owed else { return ph_status(PH_WRONG_STATE) }
            state.phase = .begun
            state.status = status
            state.head = head
            return ph_status(PH_OK)
        }
    }

    func write(_ piece: ph_bytes) -> ph_status {
        guard let bytes = unsafe PluginHTTP.buffer(piece) else { return ph_status(PH_INVALID) }
        return state.withLock { state in
            guard state.phase == .begun else { return ph_status(PH_WRONG_STATE) }
            guard bytes.count <= Self.bodyBytesMax - state.body.count else {
                return ph_status(PH_LIMIT)
            }
            unsafe state.body.append(contentsOf: bytes)
            return ph_status(PH_OK)
        }
    }

    func finish() -> ph_status {
        complete { $0.phase == .begun }
    }

    func abort() {
        _ = complete { state in
            guard state.phase != .complete else { return false }
            state.isAborted = true
            return true
        }
    }

    func respond(
        _ status: UInt32, _ headers: UnsafePointer<ph_header>?, _ count: Int, _ body: ph_bytes
    ) -> ph_status {
        guard let bytes = unsafe PluginHTTP.buffer(body) else { return ph_status(PH_INVALID) }
        guard bytes.count <= Self.bodyBytesMax else { return ph_status(PH_LIMIT) }
        let begun = unsafe begin(status, headers, count)
        guard begun == ph_status(PH_OK) else { return begun }
        _ = unsafe write(body)
        return finish()
    }

    func requestID() -> ph_text {
        state.withLock { $0.isNamed = true }
        return unsafe shown.names.request
    }

    func traceParent() -> ph_text { unsafe shown.names.trace }

    private func complete(_ mayBe: (inout State) -> Bool) -> ph_status {
        let (isDone, tell) = state.withLock { state -> (Bool, (@Sendable () -> Void)?) in
            guard mayBe(&state) else { return (false, nil) }
            state.phase = .complete
            defer { state.whenComplete = nil }
            return (true, state.whenComplete)
        }
        tell?()
        return ph_status(isDone ? PH_OK : PH_WRONG_STATE)
    }
}

/// The functions by which the plugin of a worker answers: requests that came to the worker as
/// anywhere, and those that its hooks see by way of the host.
enum WorkerHTTP {
    /// The table; never freed. Unsafe, but sound because it is not written to again.
    nonisolated(unsafe) static let table: UnsafePointer<ph_http> = {
        var functions = unsafe PluginHTTP.table.pointee
        unsafe functions.respond = { response, status, headers, count, body in
            unsafe asHost(response) { unsafe $0.respond(status, headers, count, body) }
                ?? PluginHTTP.respond(response, status, headers, count, body)
        }
        unsafe functions.begin = { response, status, headers, count, length in
            unsafe asHost(response) { unsafe $0.begin(status, headers, count) }
                ?? PluginHTTP.begin(response, status, headers, count, length)
        }
        unsafe functions.write = { response, piece in
            unsafe asHost(response) { unsafe $0.write(piece) } ?? PluginHTTP.write(response, piece)
        }
        unsafe functions.finish = { response in
            unsafe asHost(response) { $0.finish() } ?? PluginHTTP.finish(response)
        }
        unsafe functions.abort = { response in
            unsafe asHost(response) { $0.abort() } ?? PluginHTTP.abort(response)
        }
        unsafe functions.request_id = { response in
            unsafe asHost(response) { unsafe $0.requestID() } ?? PluginHTTP.requestID(response)
        }
        unsafe functions.trace_parent = { response in
            unsafe asHost(response) { unsafe $0.traceParent() } ?? PluginHTTP.traceParent(response)
        }
        let table = UnsafeMutablePointer<ph_http>.allocate(capacity: 1)
        unsafe table.initialize(to: functions)
        return unsafe UnsafePointer(table)
    }()

    /// Does something for the response to a hook; nil when it is none.
    private static func asHost<Result>(
        _ response: OpaquePointer?, _ body: (HookResponse) -> Result
    ) -> Result? {
        guard UInt(bitPattern: response) & 1 != 0 else { return nil }
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        return unsafe HookResponse.of(response).map(body)
    }
}
