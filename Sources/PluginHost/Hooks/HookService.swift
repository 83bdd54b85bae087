import CLinux
import CPluginABI
import DynamicLibrary
import HTTPWire
import HostModel

/// `ph.hooks/1`: the hooks and the points of plugins.
enum HookService {
    /// The table that plugins are handed; it lives as long as the process.
    // because it is written once, here
    nonisolated(unsafe) static let table: UnsafePointer<ph_hooks> = {
        let table = UnsafeMutablePointer<ph_hooks>.allocate(capacity: 1)
        unsafe table.initialize(
            to: ph_hooks(
                size: UInt32(MemoryLayout<ph_hooks>.size),
                add_request: { unsafe addRequest($0, $1, $2) },
                add_response: { unsafe addResponse($0, $1, $2) },
                add: { unsafe add($0, $1, $2, $3) },
                head_status: { unsafe $0.map { unsafe UInt32(ResponseHead.of($0).status) } ?? 0 },
                head_value: { unsafe headValue($0, $1) },
                head_set: { unsafe headAdd($0, $1, $2, replaces: true) },
                head_add: { unsafe headAdd($0, $1, $2, replaces: false) },
                head_remove: { unsafe headRemove($0, $1) },
                set_payload: { unsafe setPayload($0, $1) },
                define_point: { unsafe definePoint($0, $1, $2) },
                run: { unsafe run($0, $1, $2, $3, $4) }))
        return unsafe UnsafePointer(table)
    }()

    // MARK: - Adding

    private static func addRequest(
        _ host: UnsafePointer<ph_host>?, _ hook: UnsafePointer<ph_hook>?,
        _ functions: UnsafePointer<ph_request_hook>?
    ) -> ph_status {
        asHost {
            guard let functions = unsafe functions, let options = unsafe options(hook),
                unsafe Int(functions.pointee.size) >= MemoryLayout<ph_request_hook>.size,
                unsafe (functions.pointee.enter != nil) == options.kind.enters,
                unsafe (functions.pointee.leave != nil) == options.kind.leaves
            else { return code(PH_INVALID) }
            return unsafe register(
                .request, options, host,
                RegisteredHook.Functions(
                    context: hook?.pointee.context, enter: functions.pointee.enter,
                    leave: functions.pointee.leave))
        }
    }

    private static func addResponse(
        _ host: UnsafePointer<ph_host>?, _ hook: UnsafePointer<ph_hook>?,
        _ functions: UnsafePointer<ph_response_hook>?
    ) -> ph_status {
        asHost {
            guard let functions = unsafe functions, let options = unsafe options(hook),
                unsafe Int(functions.pointee.size) >= MemoryLayout<ph_response_hook>.size,
                options.fits(.response), let respond = unsafe functions.pointee.respond
            else { return code(PH_INVALID) }
            return unsafe register(
                .response, options, host,
                RegisteredHook.Functions(context: hook?.pointee.context, respond: respond))
        }
    }

    private static func add(
        _ host: UnsafePointer<ph_host>?, _ point: ph_text, _ hook: UnsafePointer<ph_hook>?,
        _ functions: UnsafePointer<ph_point_hook>?
    ) -> ph_status {
        asHost {
            guard let functions = unsafe functions, let options = unsafe options(hook),
                unsafe point.length <= 2 * PluginName.bytesMax + 1,
                let name = unsafe PointName(String(point)), name != .request, name != .response,
                unsafe Int(functions.pointee.size) >= MemoryLayout<ph_point_hook>.size,
                unsafe (functions.pointee.enter != nil) == options.kind.enters,
                unsafe (functions.pointee.leave != nil) == options.kind.leaves,
                options.fits(name)
            else { return code(PH_INVALID) }
            return unsafe register(
                name, options, host,
                RegisteredHook.Functions(
                    context: hook?.pointee.context, pointEnter: functions.pointee.enter,
                    pointLeave: functions.pointee.leave))
        }
    }

    private static func options(_ hook: UnsafePointer<ph_hook>?) -> HookOptions? {
        guard let hook = unsafe hook,
            unsafe Int(hook.pointee.size) >= MemoryLayout<ph_hook>.size,
            let kind = unsafe HookOptions.Kind(rawValue: hook.pointee.kind),
            let policy = unsafe HookOptions.Policy(
                hook.pointee.on_failure, hook.pointee.failures_max),
            unsafe hook.pointee.flags & ~UInt32(PH_HOOK_BLOCKING) == 0
        else { return nil }
        return unsafe HookOptions(
            kind: kind, priority: hook.pointee.priority, policy: policy,
            blocks: hook.pointee.flags & UInt32(PH_HOOK_BLOCKING) != 0)
    }

    private static func register(
        _ point: PointName, _ options: HookOptions, _ host: UnsafePointer<ph_host>?,
        _ functions: RegisteredHook.Functions
    ) -> ph_status {
        guard let host = unsafe host else { return code(PH_INVALID) }
        let door = unsafe HostObject.door(of: host)
        let hook = unsafe RegisteredHook(
            point, options, functions, of: door.member, log: door.log)
        if let remote = door.remote { return remote.add(hook) }
        return door.switchboard.hooks.add(hook) ? code(PH_OK) : code(PH_LIMIT)
    }

    // MARK: - Heads

    private static func headValue(_ head: OpaquePointer?, _ name: ph_text) -> ph_text {
        guard let head = unsafe head, let name = unsafe slice(name) else { return unsafe ph_text() }
        return unsafe ResponseHead.of(head).value(name)?.text ?? ph_text()
    }

    private static func headAdd(
        _ head: OpaquePointer?, _ name: ph_text, _ value: ph_text, replaces: Bool
    ) -> ph_status {
        guard let head = unsafe head, let name = unsafe slice(name),
            let value = unsafe slice(value)
        else { return code(PH_INVALID) }
        return asHost {
            unsafe ResponseHead.of(head).add(name, value, replaces: replaces)
                ? code(PH_OK) : code(PH_INVALID)
        }
    }

    private static func headRemove(_ head: OpaquePointer?, _ name: ph_text) -> UInt32 {
        guard let head = unsafe head, let name = unsafe slice(name) else { return 0 }
        return unsafe UInt32(ResponseHead.of(head).remove(name))
    }

    // MARK: - Points

    private static func setPayload(
        _ call: UnsafePointer<ph_point_call>?, _ payload: ph_bytes
    ) -> ph_status {
        guard let call = unsafe call, let bytes = unsafe buffer(payload) else {
            return code(PH_INVALID)
        }
        return asHost { unsafe PointRun.of(call).take(bytes) ? code(PH_OK) : code(PH_LIMIT) }
    }

    private static func definePoint(
        _ host: UnsafePointer<ph_host>?, _ name: ph_text,
        _ point: UnsafeMutablePointer<UnsafeMutablePointer<ph_point>?>?
    ) -> ph_status {
        asHost {
            guard let host = unsafe host, let point = unsafe point,
                unsafe name.length <= PluginName.bytesMax,
                let name = unsafe PluginName(String(name))
            else { return code(PH_INVALID) }
            let door = unsafe HostObject.door(of: host)
            let full = PointName(name, of: door.member.name)
            let made: HookPoint? =
                if let remote = door.remote {
                    remote.point(full)
                } else { door.switchboard.hooks.point(full) }
            guard let made else { return code(PH_FAILED) }
            unsafe point.pointee = made.pointer
            return code(PH_OK)
        }
    }

    /// How many points run within one another on the calling thread, at the most.
    static let depthMax: Int32 = 16

    private static func run(
        _ host: UnsafePointer<ph_host>?, _ pointer: UnsafeMutablePointer<ph_point>?,
        _ payload: ph_bytes, _ work: UnsafePointer<ph_work>?,
        _ error: UnsafeMutablePointer<ph_error>?
    ) -> ph_status {
        guard let host = unsafe host, let pointer = unsafe pointer,
            let payload = unsafe buffer(payload),
            unsafe work.map({ unsafe Int($0.pointee.size) >= MemoryLayout<ph_work>.size }) ?? true
        else { return code(PH_INVALID) }
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        let depth = linux_enter_depth()
        defer { linux_leave_depth() }
        guard depth <= depthMax else { return code(PH_LIMIT) }
        let point = unsafe HookPoint.of(pointer)
        let door = unsafe HostObject.door(of: host)
        let chain = point.hooks ?? PointChain([])
        let run = unsafe PointRun(
            point, chain, plugin: door.member.name.text, payload: payload)
        let perform: (PointRun) -> ph_status = { run in
            guard let work = unsafe work, let perform = unsafe work.pointee.perform else {
                return code(PH_OK)
            }
            ImageContext.leave(plugin)
            defer { _ = ImageContext.enter(0) }
            return unsafe run.show { unsafe perform(work.pointee.context, $0, error) }
        }
        var reason: String?
        let status: ph_status
        if let remote = door.remote, !point.isEmpty {
            (status, reason) = remote.run(run, depth: Int(depth), perform)
        } else {
            status = run.run(perform)
            reason = run.refusal?.reason
        }
        if let reason { unsafe write(reason, to: error) }
        if status >= PH_OK, let take = unsafe work?.pointee.take {
            ImageContext.leave(plugin)
            let bytes = unsafe run.payload
            unsafe take(
                work?.pointee.context,
                ph_bytes(
                    data: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    length: bytes.count))
            _ = ImageContext.enter(0)
        }
        return status
    }

    /// Writes why something failed to where that is wanted.
    static func write(_ message: String, to error: UnsafeMutablePointer<ph_error>?) {
        guard let error = unsafe error, let text = unsafe error.pointee.text else { return }
        var length = 0
        for byte in message.utf8 where unsafe length < error.pointee.capacity {
            unsafe text[length] = CChar(bitPattern: byte)
            length += 1
        }
        unsafe error.pointee.length = length
    }

    // MARK: - Arguments

    /// What the host does for a plugin is the host's, not the plugin's.
    private static func asHost<Result>(_ body: () -> Result) -> Result {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        return body()
    }

    private static func slice(_ text: ph_text) -> ByteSlice? {
        guard unsafe text.length >= 0, unsafe text.data != nil || text.length == 0 else {
            return nil
        }
        return unsafe ByteSlice(UnsafeRawBufferPointer(start: text.data, count: text.length))
    }

    private static func buffer(_ bytes: ph_bytes) -> UnsafeRawBufferPointer? {
        guard unsafe bytes.length >= 0, unsafe bytes.data != nil || bytes.length == 0 else {
            return nil
        }
        return unsafe UnsafeRawBufferPointer(start: bytes.data, count: bytes.length)
    }

    private static func code(_ status: Int) -> ph_status { ph_status(truncatingIfNeeded: status) }
}
