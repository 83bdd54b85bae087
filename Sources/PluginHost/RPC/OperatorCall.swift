import CPluginABI
import DynamicLibrary
import HostModel

/// A call of a plugin's method that an operator makes, and not another plugin.
///
/// It goes the way of all calls: the hooks of calls see it, and its deadline ends it.
final class OperatorCall: Sendable {
    /// What is called, and what it is sent.
    struct Order: Sendable {
        var plugin: PluginName
        /// Empty for a method of the plugin itself.
        var capability: String
        var method: String
        var payload: [UInt8]
        var timeoutMilliseconds: UInt32
    }

    /// What came of it: the reply, or the words of who refused it.
    struct Outcome: Sendable {
        var status: ph_status
        var code: Int32 = 0
        var bytes: [UInt8] = []
    }

    /// What the caller is called where callers have names.
    private static let callerName = "host"
    /// How much later than its deadline a call is given up that runs on this very thread.
    private static let patience = Duration.seconds(1)

    private let order: Order
    private let object: HostObject

    /// - Returns: nil when the host has no name for itself, which it has.
    init?(_ order: Order, through switchboard: Switchboard, log: HostLog) {
        guard let name = PluginName(Self.callerName) else { return nil }
        self.order = order
        let manifest = Manifest(
            name: name, version: SemanticVersion(0, 0, 0),
            abi: ABIVersion(rawValue: HostVersion.abi), library: Manifest.Library(file: ""))
        object = unsafe HostObject(
            door: ServiceDoor(
                member: Member(manifest: manifest, number: 0), granted: [PH_RPC_ID],
                switchboard: switchboard, log: log),
            directories: PluginDirectories(
                root: "", staticFiles: "", sqlite: "", events: "", run: ""),
            http: PluginHTTP.table)
    }

    /// Makes the call on a thread of its own, and waits.
    func answer() async -> Outcome {
        let deadline = Duration.milliseconds(order.timeoutMilliseconds) + Self.patience
        let outcome = await LifecycleThread.run("call", deadline: deadline) { self.carryOut() }
        switch outcome {
        case .finished(let outcome): return outcome
        case .late: return Outcome(status: ph_status(PH_TIMED_OUT))
        case .noThread: return Outcome(status: ph_status(PH_BUSY))
        }
    }

    private func carryOut() -> Outcome {
        var handle: ph_handle = 0
        let bound = bind(&handle)
        guard bound >= PH_OK else { return Outcome(status: bound) }
        let rpc = unsafe RPCService.table
        defer { _ = unsafe rpc.pointee.release(object.pointer, handle) }
        let heard = Heard()
        var options = unsafe ph_call_options()
        unsafe options.size = UInt32(MemoryLayout<ph_call_options>.size)
        unsafe options.timeout_milliseconds = order.timeoutMilliseconds
        let status = unsafe order.payload.withUnsafeBufferPointer { bytes in
            unsafe rpc.pointee.call(
                object.pointer, handle, ph_bytes(data: bytes.baseAddress, length: bytes.count),
                &options, Heard.hear, Unmanaged.passUnretained(heard).toOpaque())
        }
        return Outcome(status: status, code: heard.code, bytes: heard.bytes)
    }

    private func bind(_ handle: inout ph_handle) -> ph_status {
        unsafe withText(order.plugin.text) { plugin in
            unsafe withText(order.capability) { capability in
                unsafe withText(order.method) { method in
                    var selector = unsafe ph_selector()
                    unsafe selector.size = UInt32(MemoryLayout<ph_selector>.size)
                    unsafe selector.plugin = unsafe plugin
                    unsafe selector.capability = unsafe capability
                    return unsafe RPCService.table.pointee.method(
                        object.pointer, &selector, method, &handle)
                }
            }
        }
    }
}

/// What the operator's call brings, until it returns.
private final class Heard {
    var code: Int32 = 0
    var bytes: [UInt8] = []

    static let hear: InlineCall.Receiver = { context, _, code, reply in
        guard let context = unsafe context else { return }
        let heard = unsafe Unmanaged<Heard>.fromOpaque(context).takeUnretainedValue()
        heard.code = code
        heard.bytes = unsafe Array(
            UnsafeRawBufferPointer(start: reply.data, count: reply.length))
    }
}
