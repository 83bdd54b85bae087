import CPluginABI
import DynamicLibrary
import HostModel
import Synchronization

/// What the services of a worker have to do with the host, which is at the other end of a channel.
///
/// What a plugin calls is put to the host and waited for. What the host calls comes on the
/// channel's thread, which never runs the plugin's code: that is done on the pool, on the threads
/// for hooks, or on the one for receivers.
final class RemoteServices: Sendable {
    /// A call of `call_async` whose receiver has not been called.
    struct Pending: Sendable {
        let receiver: RemoteReceiver
    }

    private struct State {
        var targets: [UInt64: EventTarget] = [:]
        var lastTarget: UInt64 = 0
        var pending: [ph_ticket: Pending] = [:]
        var lastTicket: ph_ticket = 0
        /// Local handles of the methods that the plugin offers.
        var handles: [OfferedMethod.Key: ph_handle] = [:]
    }

    let channel: HostLine
    /// Where the receivers of calls are called, one after the other.
    let lane = WorkerThreads("services", countMax: 1)
    let hooks = WorkerHooks()
    /// The calls of the plugin's methods that the host may still call off.
    let tickets = CallTickets()
    private let state = Mutex(State())

    init(channel: HostLine) {
        self.channel = channel
    }

    /// Puts something to the host and returns the status that it answers; `PH_GONE` without one.
    func status(_ topic: String, _ json: JSONObject, _ bytes: [UInt8] = []) -> ph_status {
        switch channel.wait(topic, json, bytes) {
        case .success(let content): content.status
        case .failure: ph_status(PH_GONE)
        }
    }

    // MARK: - Events

    /// Notes who takes the events of a subscription, and returns the number that it goes by.
    func add(_ target: EventTarget) -> UInt64 {
        state.withLock { state in
            state.lastTarget += 1
            state.targets[state.lastTarget] = target
            return state.lastTarget
        }
    }

    func target(_ number: UInt64) -> EventTarget? { state.withLock { $0.targets[number] } }

    func removeTarget(_ number: UInt64) -> EventTarget? {
        channel.forget(subscription: number)
        return state.withLock { $0.targets.removeValue(forKey: number) }
    }

    // MARK: - Calls

    func begin(_ receiver: RemoteReceiver) -> ph_ticket {
        state.withLock { state in
            state.lastTicket += 1
            state.pending[state.lastTicket] = Pending(receiver: receiver)
            return state.lastTicket
        }
    }

    /// Takes a call upon oneself; nil when somebody else has.
    func end(_ ticket: ph_ticket) -> RemoteReceiver? {
        state.withLock { $0.pending.removeValue(forKey: ticket)?.receiver }
    }

    /// The handle of a method that the plugin itself offers.
    func handle(
        _ key: OfferedMethod.Key, bind: () -> ph_handle?
    ) -> ph_handle? {
        if let handle = state.withLock({ $0.handles[key] }) { return handle }
        guard let handle = bind() else { return nil }
        state.withLock { $0.handles[key] = handle }
        return handle
    }
}

/// Whom a plugin wants told what came of a call.
///
/// `@unchecked Sendable` because it is written once; the plugin lets any thread use its context.
@safe
struct RemoteReceiver: @unchecked Sendable {
    let receive: InlineCall.Receiver?
    let context: UnsafeMutableRawPointer?
    /// The image of the caller.
    let image: UInt32

    /// Tells what came of the call, with the host's words where there is no reply.
    func tell(_ status: ph_status, _ code: Int32, _ reply: [UInt8]?) {
        guard let receive = unsafe receive else { return }
        let former = ImageContext.enter(image)
        defer { ImageContext.leave(former) }
        guard let reply else {
            return unsafe receive(context, status, code, CallWords.bytes(for: status))
        }
        unsafe reply.withUnsafeBufferPointer { bytes in
            unsafe receive(
                context, status, code, ph_bytes(data: bytes.baseAddress, length: bytes.count))
        }
    }
}

extension ControlChannel.Content {
    /// The status that the other side has answered.
    var status: ph_status {
        json["status"]?.integer.flatMap { ph_status(exactly: $0) } ?? ph_status(PH_GONE)
    }
}

extension JSONValue {
    /// A number that has 64 bits.
    var number64: UInt64? { string.flatMap { UInt64($0) } }

    static func number64(_ value: UInt64) -> JSONValue { .string(String(value)) }

    static func status(_ value: ph_status) -> JSONValue { .number(JSONNumber(value)) }
}
