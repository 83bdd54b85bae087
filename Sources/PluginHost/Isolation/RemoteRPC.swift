import CLinux
import CPluginABI
import DynamicLibrary
import HostModel

/// The functions of `ph.rpc/1` that make calls where the host is another process, which finds the
/// provider and sees to deadlines, depth and circles.
///
/// They are others than those of `RPCService` because that has no time to look who is behind a
/// plugin's door.
enum RemoteRPC {
    /// The table that plugins are handed; it lives as long as the process.
    // because it is written once, here
    nonisolated(unsafe) static let table: UnsafePointer<ph_rpc> = {
        var functions = unsafe RPCService.table.pointee
        unsafe functions.call = { unsafe call($0, $1, $2, $3, $4, $5) }
        unsafe functions.call_async = { unsafe callAsync($0, $1, $2, $3, $4, $5, $6) }
        unsafe functions.cancel = { unsafe cancel($0, $1) }
        unsafe functions.cast = { unsafe cast($0, $1, $2) }
        let table = UnsafeMutablePointer<ph_rpc>.allocate(capacity: 1)
        unsafe table.initialize(to: functions)
        return unsafe UnsafePointer(table)
    }()

    private static func call(
        _ host: UnsafePointer<ph_host>?, _ handle: ph_handle, _ payload: ph_bytes,
        _ options: UnsafePointer<ph_call_options>?, _ receive: InlineCall.Receiver?,
        _ context: UnsafeMutableRawPointer?
    ) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let order = unsafe RemoteCall(host, handle, payload, options, isAwaited: true) else {
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
            let order = unsafe RemoteCall(host, handle, payload, options, isAwaited: false)
        else { return ph_status(PH_INVALID) }
        let remote = order.remote
        let number = remote.begin(
            unsafe RemoteReceiver(receive: receive, context: context, image: plugin))
        unsafe ticket?.pointee = number
        var json = order.json
        json["ticket"] = .number64(number)
        remote.channel.request(RemoteTopic.callAsync, json, order.payload) { answer in
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
        guard let order = unsafe RemoteCall(host, handle, payload, nil, isAwaited: false) else {
            return ph_status(PH_INVALID)
        }
        return order.remote.status(RemoteTopic.cast, order.json, order.payload)
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
        _ options: UnsafePointer<ph_call_options>?, isAwaited: Bool
    ) {
        guard let host = unsafe host, unsafe payload.data != nil || payload.length == 0,
            unsafe payload.length <= Self.payloadBytesMax, unsafe LaterCalls.isValid(options),
            let remote = unsafe HostObject.door(of: host).remote
        else { return nil }
        self.remote = remote
        self.payload = unsafe Array(
            UnsafeBufferPointer(start: payload.data, count: payload.length))
        var origin = CallOrigin.here
        origin.isAwaited = isAwaited
        let own = unsafe options?.pointee.timeout_milliseconds ?? 0
        let timeout = own == 0 ? UInt32(RPCService.timeoutMilliseconds) : own
        origin.milliseconds =
            origin.milliseconds == 0 ? timeout : min(timeout, origin.milliseconds)
        var json = origin.json
        json["handle"] = .number64(handle)
        json["in_hook"] = .bool(linux_is_in_hook() != 0)
        self.json = json
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

extension RemoteServices {
    /// Calls a method that the plugin offers, for the host, or calls that off; on the channel's
    /// thread, where nothing of the plugin's runs.
    func serve(_ request: ControlChannel.Request, for host: HostObject) {
        let ticket = request.json["ticket"]?.string
        guard request.topic == RemoteTopic.serve else {
            if let ticket { _ = tickets.cancel(ticket, for: host) }
            return request.reply()
        }
        let key = OfferedMethod.Key(
            capability: request.json["capability"]?.string ?? "",
            name: request.json["method"]?.string ?? "")
        guard let handle = handle(key, bind: { Self.bind(key, host) }) else {
            return ServedCall.answer(request, ph_status(PH_NO_METHOD), 0, nil)
        }
        ServedCall.begin(
            request, handle, by: host, CallOrigin(json: request.json), tickets, ticket: ticket)
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
}
