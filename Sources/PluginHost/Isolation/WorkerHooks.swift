import CLinux
import CPluginABI
import DynamicLibrary
import HTTPWire
import HostModel
import Synchronization

/// The hooks and the points of a worker's plugin, which hang in the host.
final class WorkerHooks: Sendable {
    private struct State {
        var hooks: [UInt64: RegisteredHook] = [:]
        var lastNumber: UInt64 = 0
        var points: [PointName: HookPoint] = [:]
    }

    /// How many hooks are called at a time.
    private static let threadsMax = 64

    /// Not those of the pool, which may wait for hooks.
    private let threads = WorkerThreads("hooks", countMax: threadsMax)
    private let state = Mutex(State())

    /// Notes a hook, and returns the number that it goes by.
    func add(_ hook: RegisteredHook) -> UInt64 {
        state.withLock { state in
            state.lastNumber += 1
            state.hooks[state.lastNumber] = hook
            return state.lastNumber
        }
    }

    func remove(_ number: UInt64) {
        _ = state.withLock { $0.hooks.removeValue(forKey: number) }
    }

    /// A point of the plugin, and whether it is new.
    func point(_ name: PointName) -> (point: HookPoint, isNew: Bool) {
        state.withLock { state in
            if let point = state.points[name] { return (point, false) }
            let point = HookPoint(name)
            state.points[name] = point
            return (point, true)
        }
    }

    // MARK: - What the host asks

    /// Learns whether something hangs on a point of the plugin; on the channel's thread.
    func noteState(_ request: ControlChannel.Request) {
        if let name = request.json["point"]?.string.flatMap({ PointName($0) }) {
            let point = state.withLock { $0.points[name] }
            point?.show(request.json["hooked"]?.bool == true ? 1 : 0)
        }
        request.reply()
    }

    /// Calls a function of a hook; on the channel's thread.
    func call(_ request: ControlChannel.Request) {
        let number = request.json["hook"]?.number64 ?? 0
        guard let hook = state.withLock({ $0.hooks[number] }) else {
            return request.reply(["status": .status(ph_status(PH_GONE))])
        }
        threads.run {
            switch hook.point {
            case .request where request.topic == RemoteTopic.enterHook:
                Self.enterRequest(hook, request)
            case .request: Self.leaveRequest(hook, request)
            case .response: Self.respond(hook, request)
            default: Self.callAtPoint(hook, request)
            }
        }
    }

    // MARK: - Requests

    private static func enterRequest(_ hook: RegisteredHook, _ request: ControlChannel.Request) {
        var reader = ParcelReader(request.bytes)
        let shown = ShownRequest(&reader)
        let response = HookResponse(shown, mayAnswer: true)
        var word: UnsafeMutableRawPointer?
        let status = unsafe shown.withCall(&word, response.begin()) { call in
            within(hook) {
                unsafe hook.functions.enter?(hook.functions.context, call) ?? ph_status(PH_GONE)
            }
        }
        let bits = UInt(bitPattern: word)
        let reply: @Sendable (ph_status) -> Void = { status in
            let (given, isUnfinished) = response.end()
            var json: JSONObject = [
                "status": .status(isUnfinished ? ph_status(PH_WRONG_STATE) : status),
                "word": .number64(UInt64(bits)), "named": .bool(response.isNamed),
            ]
            json["answer"] = given.map { .number(JSONNumber($0.status)) }
            request.reply(.object(json), given?.bytes ?? [])
        }
        guard hook.options.kind == .replace, status == ph_status(PH_PENDING) else {
            return reply(status)
        }
        response.whenComplete { reply(ph_status(PH_OK)) }
    }

    private static func leaveRequest(_ hook: RegisteredHook, _ request: ControlChannel.Request) {
        let json = request.json
        var reader = ParcelReader(request.bytes)
        let shown = ShownRequest(&reader)
        var outcome = ph_request_outcome()
        outcome.size = UInt32(MemoryLayout<ph_request_outcome>.size)
        outcome.status = json["status"]?.integer.flatMap { UInt32(exactly: $0) } ?? 0
        outcome.body_bytes = json["body_bytes"]?.number64 ?? 0
        outcome.nanoseconds = json["nanoseconds"]?.number64 ?? 0
        outcome.flags = json["flags"]?.integer.flatMap { UInt32(exactly: $0) } ?? 0
        var word = unsafe word(json)
        let status = unsafe shown.withCall(&word, nil) { call in
            within(hook) {
                unsafe hook.functions.leave?(hook.functions.context, call, &outcome)
                    ?? ph_status(PH_GONE)
            }
        }
        request.reply(["status": .status(status)])
    }

    private static func respond(_ hook: RegisteredHook, _ request: ControlChannel.Request) {
        let number = request.json["status"]?.integer.flatMap { UInt16(exactly: $0) } ?? 0
        var reader = ParcelReader(request.bytes)
        let shown = ShownRequest(&reader)
        let fields = unsafe reader.headers().map {
            unsafe HeaderField(name: ByteSlice($0.name), value: ByteSlice($0.value))
        }
        let head = unsafe fields.withUnsafeBufferPointer { unsafe ResponseHead(number, $0) }
        let response = HookResponse(shown, mayAnswer: false)
        var word: UnsafeMutableRawPointer?
        let status = unsafe shown.withCall(&word, response.begin()) { call in
            within(hook) {
                unsafe hook.functions.respond?(hook.functions.context, call, head.pointer)
                    ?? ph_status(PH_GONE)
            }
        }
        _ = response.end()
        var parcel = Parcel()
        parcel.put(UInt64(head.edits.count))
        for edit in head.edits {
            parcel.put(edit.kind.rawValue)
            unsafe parcel.put(edit.name.text)
            unsafe parcel.put(edit.value.text)
        }
        request.reply(
            ["status": .status(status), "named": .bool(response.isNamed)], parcel.bytes)
    }

    private static func within(_ hook: RegisteredHook, _ body: () -> ph_status) -> ph_status {
        let host = unsafe ImageContext.enter(hook.record.pointee.image)
        defer { ImageContext.leave(host) }
        return body()
    }

    private static func word(_ json: JSONValue) -> UnsafeMutableRawPointer? {
        unsafe UnsafeMutableRawPointer(
            bitPattern: UInt(truncatingIfNeeded: json["word"]?.number64 ?? 0))
    }

    // MARK: - Other points

    private static func callAtPoint(_ hook: RegisteredHook, _ request: ControlChannel.Request) {
        let json = request.json
        var reader = ParcelReader(request.bytes)
        _ = reader.string()
        let plugin = reader.string()
        let provider = reader.string()
        let key = OfferedMethod.Key(capability: reader.string(), name: reader.string())
        let payload = unsafe reader.data()
        let run = unsafe PointRun(
            HookPoint(hook.point), PointChain([]), plugin: plugin,
            callee: provider.isEmpty ? nil : PointRun.Callee(provider: provider, method: key),
            payload: UnsafeRawBufferPointer(start: payload.data, count: payload.length))
        var word = unsafe word(json)
        let result = json["result"]?.integer.flatMap { ph_status(exactly: $0) } ?? 0
        let depth = json["depth"]?.integer.flatMap { Int(exactly: $0) } ?? 0
        let (status, reason) = PointDepth.with(depth) {
            unsafe run.call(hook, &word) { context, call, error in
                if request.topic == RemoteTopic.leaveHook {
                    return unsafe hook.functions.pointLeave?(context, call, result, error)
                        ?? ph_status(PH_GONE)
                }
                return unsafe hook.functions.pointEnter?(context, call, error)
                    ?? ph_status(PH_GONE)
            }
        }
        let given = unsafe run.hasOtherPayload ? Array(run.payload) : []
        withExtendedLifetime(reader.octets) {}
        request.reply(
            [
                "status": .status(status), "reason": .string(reason),
                "word": .number64(UInt64(UInt(bitPattern: word))),
                "gives": .bool(run.hasOtherPayload),
            ], given)
    }
}

// MARK: - What the plugin asks

extension RemoteServices {
    /// Hangs a hook in the host.
    func add(_ hook: RegisteredHook) -> ph_status {
        // It may be called before the answer is there.
        let number = hooks.add(hook)
        var json = hook.options.json
        json["number"] = .number64(number)
        json["point"] = .string(hook.point.description)
        let status = status(RemoteTopic.addHook, json)
        if status != ph_status(PH_OK) { hooks.remove(number) }
        return status
    }

    /// Makes a point of the plugin; nil when the host does not.
    func point(_ name: PointName) -> HookPoint? {
        let (point, isNew) = hooks.point(name)
        guard isNew else { return point }
        let status = status(RemoteTopic.point, ["point": .string(name.description)])
        return status == ph_status(PH_OK) ? point : nil
    }

    /// Does the work of a point between the hooks that hang on it in the host.
    ///
    /// - Returns: what it came to, and why, where a hook has ended it.
    func run(
        _ run: PointRun, depth: Int, _ perform: (PointRun) -> ph_status
    ) -> (ph_status, reason: String?) {
        let entered = channel.wait(
            RemoteTopic.enterPoint,
            [
                "point": .string(run.point.name.description),
                "depth": .number(JSONNumber(depth)),
            ], unsafe Array(run.payload))
        guard case .success(let content) = entered else { return (ph_status(PH_FAILED), nil) }
        take(content, for: run)
        guard let number = content.json["run"]?.number64 else {
            return (content.status, content.json["reason"]?.string)
        }
        let given = run.payloadsGiven
        let status = perform(run)
        let gives = run.payloadsGiven > given
        let left = channel.wait(
            RemoteTopic.leavePoint,
            ["run": .number64(number), "status": .status(status), "gives": .bool(gives)],
            unsafe gives ? Array(run.payload) : [])
        if case .success(let content) = left { take(content, for: run) }
        return (status, nil)
    }

    private func take(_ content: ControlChannel.Content, for run: PointRun) {
        guard content.json["gives"]?.bool == true else { return }
        unsafe content.bytes.withUnsafeBytes { unsafe run.settle($0) }
    }
}

extension HookOptions {
    /// The options as they cross to the host.
    var json: JSONObject {
        var onFailure = PH_HOOK_FAIL
        var failuresMax = 0
        switch policy {
        case .fail: break
        case .skip: onFailure = PH_HOOK_SKIP
        case .disable(let count):
            onFailure = PH_HOOK_DISABLE
            failuresMax = count
        }
        return [
            "kind": .number(JSONNumber(kind.rawValue)), "priority": .number(JSONNumber(priority)),
            "on_failure": .number(JSONNumber(onFailure)),
            "failures_max": .number(JSONNumber(failuresMax)), "blocks": .bool(blocks),
        ]
    }

    /// Takes some that have crossed; nil when they are malformed.
    init?(json: JSONValue) {
        func number<Number: FixedWidthInteger>(_ name: String) -> Number? {
            json[name]?.integer.flatMap { Number(exactly: $0) }
        }
        guard let kind = number("kind").flatMap({ Kind(rawValue: $0) }),
            let priority: Int32 = number("priority"),
            let policy = Policy(number("on_failure") ?? .max, number("failures_max") ?? 0)
        else { return nil }
        self.init(
            kind: kind, priority: priority, policy: policy, blocks: json["blocks"]?.bool == true)
    }
}
