import CPluginABI
import DynamicLibrary
import HostModel
import Synchronization

/// `ph.rpc/1` where the host is another process.
///
/// What the plugin offers is noted here and offered by the host in its stead; what it calls is put
/// to the host, which finds the provider and sees to deadlines, depth and circles.
enum RemoteRPCService {
    /// The table that plugins are handed; it lives as long as the process.
    // because it is written once, here
    nonisolated(unsafe) static let table: UnsafePointer<ph_rpc> = {
        let table = UnsafeMutablePointer<ph_rpc>.allocate(capacity: 1)
        unsafe table.initialize(
            to: ph_rpc(
                size: UInt32(MemoryLayout<ph_rpc>.size),
                provide: { unsafe provide($0, $1, $2, $3) },
                method: { unsafe method($0, $1, $2, $3) },
                release: { unsafe RemoteRegistryService.release($0, $1) },
                call: { unsafe call($0, $1, $2, $3, $4, $5) },
                call_async: { unsafe callAsync($0, $1, $2, $3, $4, $5, $6) },
                cancel: { unsafe cancel($0, $1) },
                cast: { unsafe cast($0, $1, $2) },
                reply: { unsafe RPCService.table.pointee.reply($0, $1) },
                refuse: { unsafe RPCService.table.pointee.refuse($0, $1, $2) },
                is_over: { unsafe RPCService.table.pointee.is_over($0) }))
        return unsafe UnsafePointer(table)
    }()

    // MARK: - Offering and binding

    private static func provide(
        _ host: UnsafePointer<ph_host>?, _ capability: ph_text,
        _ methods: UnsafePointer<ph_method>?, _ count: Int
    ) -> ph_status {
        let status = unsafe RPCService.provide(host, capability, methods, count)
        guard status == ph_status(PH_OK), let host = unsafe host else { return status }
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        let name = unsafe String(capability)
        guard let remote = unsafe HostObject.door(of: host).remote,
            let offered = unsafe OfferedMethod.read(methods, count: count, capability: name)
        else { return ph_status(PH_INVALID) }
        return remote.status(
            RemoteTopic.provide,
            [
                "capability": .string(name),
                "methods": .array(offered.map { .string($0.key.name) }),
            ])
    }

    private static func method(
        _ host: UnsafePointer<ph_host>?, _ selector: UnsafePointer<ph_selector>?,
        _ name: ph_text, _ result: UnsafeMutablePointer<ph_handle>?
    ) -> ph_status {
        guard let name = unsafe String(checking: name, bytesMax: OfferedMethod.nameBytesMax),
            !name.isEmpty
        else { return ph_status(PH_INVALID) }
        return unsafe RemoteRegistryService.bind(host, selector, method: name, result)
    }

    // MARK: - Calling

    private static func call(
        _ host: UnsafePointer<ph_host>?, _ handle: ph_handle, _ payload: ph_bytes,
        _ options: UnsafePointer<ph_call_options>?, _ receive: InlineCall.Receiver?,
        _ context: UnsafeMutableRawPointer?
    ) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let order = unsafe RemoteCall(host, handle, payload, options) else {
            return ph_status(PH_INVALID)
        }
        let receiver = unsafe RemoteReceiver(receive: receive, context: context, image: plugin)
        let answer = order.remote.channel.wait(RemoteTopic.call, order.json, order.payload)
        unsafe RPCService.release(options)
        let (status, code, reply) = RemoteCall.outcome(of: answer)
        receiver.tell(status, code, reply)
        return status
    }

    private static func callAsync(
        _ host: UnsafePointer<ph_host>?, _ handle: ph_handle, _ payload: ph_bytes,
        _ options: UnsafePointer<ph_call_options>?, _ receive: InlineCall.Receiver?,
        _ context: UnsafeMutableRawPointer?, _ ticket: UnsafeMutablePointer<ph_ticket>?
    ) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        unsafe ticket?.pointee = 0
        guard unsafe receive != nil,
            let order = unsafe RemoteCall(host, handle, payload, options)
        else { return ph_status(PH_INVALID) }
        let remote = order.remote
        let number = remote.begin(
            unsafe RemoteReceiver(receive: receive, context: context, image: plugin))
        unsafe ticket?.pointee = number
        var json = order.json
        json["ticket"] = .number64(number)
        remote.channel.request(RemoteTopic.call, json, order.payload) { answer in
            // The thread of the channel has to stay free for what the receiver may ask for.
            remote.lane.run {
                guard let receiver = remote.end(number) else { return }
                let (status, code, reply) = RemoteCall.outcome(of: answer)
                receiver.tell(status, code, reply)
            }
        }
        unsafe RPCService.release(options)
        return ph_status(PH_OK)
    }

    private static func cancel(_ host: UnsafePointer<ph_host>?, _ ticket: ph_ticket) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let host = unsafe host, let remote = unsafe HostObject.door(of: host).remote else {
            return ph_status(PH_INVALID)
        }
        guard let receiver = remote.end(ticket) else { return ph_status(PH_WRONG_STATE) }
        receiver.tell(ph_status(PH_CANCELLED), 0, nil)
        remote.channel.request(RemoteTopic.cancel, ["ticket": .number64(ticket)]) { _ in }
        return ph_status(PH_OK)
    }

    private static func cast(
        _ host: UnsafePointer<ph_host>?, _ handle: ph_handle, _ payload: ph_bytes
    ) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let order = unsafe RemoteCall(host, handle, payload, nil) else {
            return ph_status(PH_INVALID)
        }
        return order.remote.status(RemoteTopic.cast, order.json, order.payload)
    }

    // MARK: - What others call

    /// Calls a method that the plugin offers, for the host.
    static func serve(
        _ request: ControlChannel.Request, _ remote: RemoteServices, _ host: HostObject
    ) {
        remote.lane.run {
            let key = OfferedMethod.Key(
                capability: request.json["capability"]?.string ?? "",
                name: request.json["method"]?.string ?? "")
            guard let handle = remote.handle(key, bind: { bind(key, host) }) else {
                return answer(request, ph_status(PH_NO_METHOD), 0, nil)
            }
            let frames = unsafe CallFramesPointer.current
            let depth = request.json["depth"]?.integer.flatMap { Int(exactly: $0) } ?? 0
            unsafe frames.pointee.depth = min(max(0, depth), CallFrames.depthMax)
            unsafe frames.pointee.depthElsewhere = frames.pointee.depth
            defer {
                unsafe frames.pointee.depth = 0
                unsafe frames.pointee.depthElsewhere = 0
            }
            let timeout = request.json["milliseconds"]?.integer.flatMap { UInt32(exactly: $0) } ?? 0
            var options = unsafe ph_call_options(
                size: UInt32(MemoryLayout<ph_call_options>.size), timeout_milliseconds: timeout,
                release: nil, release_context: nil)
            let waiting = unsafe Unmanaged.passRetained(ServedCall(request))
            let status = unsafe request.bytes.withUnsafeBufferPointer { bytes in
                unsafe RPCService.callAsync(
                    host.pointer, handle,
                    ph_bytes(data: bytes.baseAddress, length: bytes.count), &options,
                    { context, status, code, reply in
                        guard let context = unsafe context else { return }
                        let served = unsafe Unmanaged<ServedCall>.fromOpaque(context)
                            .takeRetainedValue()
                        unsafe served.end(status, code, reply)
                    }, waiting.toOpaque(), nil)
            }
            guard status != ph_status(PH_OK) else { return }
            unsafe waiting.release()
            answer(request, status, 0, nil)
        }
    }

    private static func bind(_ key: OfferedMethod.Key, _ host: HostObject) -> ph_handle? {
        let door = unsafe HostObject.door(of: host.pointer)
        var selector = Selector()
        selector.plugin = door.member.name
        selector.capability = CapabilityName(key.capability)
        let bound = door.switchboard.registry.bind(
            selector, method: key.name, isOfGeneration: false, for: door.member)
        guard case .success(let handle) = bound else { return nil }
        return handle
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
}

/// A call of another process that is being carried out here.
final class ServedCall: Sendable {
    private let request: ControlChannel.Request
    private let whenOver: @Sendable () -> Void
    private let over = Atomic(false)

    /// Whether the other process has been told.
    var isOver: Bool { over.load(ordering: .acquiring) }

    init(_ request: ControlChannel.Request, whenOver: @escaping @Sendable () -> Void = {}) {
        self.request = request
        self.whenOver = whenOver
    }

    /// Tells the other process what came of it; copies the reply.
    func end(_ status: ph_status, _ code: Int32, _ reply: ph_bytes) {
        let former = ImageContext.enter(0)
        defer { ImageContext.leave(former) }
        let bytes = unsafe [UInt8](UnsafeBufferPointer(start: reply.data, count: reply.length))
        over.store(true, ordering: .releasing)
        RemoteRPCService.answer(request, status, code, bytes)
        whenOver()
    }
}

/// What a plugin wants called, copied.
struct RemoteCall: Sendable {
    let remote: RemoteServices
    let json: JSONObject
    let payload: [UInt8]

    /// The most that crosses in one call.
    static let payloadBytesMax = 64 << 20

    init?(
        _ host: UnsafePointer<ph_host>?, _ handle: ph_handle, _ payload: ph_bytes,
        _ options: UnsafePointer<ph_call_options>?
    ) {
        guard let host = unsafe host, unsafe payload.data != nil || payload.length == 0,
            unsafe payload.length <= Self.payloadBytesMax, unsafe LaterCalls.isValid(options),
            let remote = unsafe HostObject.door(of: host).remote
        else { return nil }
        self.remote = remote
        self.payload = unsafe Array(
            UnsafeBufferPointer(start: payload.data, count: payload.length))
        let frames = unsafe CallFramesPointer.current
        var milliseconds =
            unsafe options.map { unsafe UInt64($0.pointee.timeout_milliseconds) } ?? 0
        if milliseconds == 0 { milliseconds = RPCService.timeoutMilliseconds }
        let limit = unsafe frames.pointee.expires
        if limit != 0 {
            milliseconds = min(milliseconds, (limit &- min(limit, PooledCall.now)) / 1_000_000)
        }
        json = [
            "handle": .number64(handle), "milliseconds": .number(JSONNumber(max(1, milliseconds))),
            "depth": .number(JSONNumber(unsafe frames.pointee.depth)),
        ]
    }

    /// What the host has answered.
    static func outcome(
        of answer: ControlChannel.Answer
    ) -> (ph_status, code: Int32, reply: [UInt8]?) {
        guard case .success(let content) = answer else { return (ph_status(PH_GONE), 0, nil) }
        let status = content.status
        let code = content.json["code"]?.integer.flatMap { Int32(exactly: $0) } ?? 0
        let hasWords = status == ph_status(PH_OK) || status == ph_status(PH_REFUSED)
        return (status, code, hasWords ? content.bytes : nil)
    }
}
