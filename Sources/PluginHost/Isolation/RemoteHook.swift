import CLinux
import CPluginABI
import HostModel
import Synchronization

/// A hook of an isolated plugin, as the engine's chains have it: each call of it is put to one of
/// the plugin's processes.
///
/// What every process of a plugin adds alike is one hook. The process that a request or another
/// piece of work has entered is the one that hears of its end.
final class RemoteHook: Sendable {
    /// A process that has the hook, and the number by which it knows it.
    struct Taker: Sendable {
        let worker: IsolatedWorker
        let number: UInt64
    }

    /// How long a process may take for one call before the hook has failed.
    static let patience = Duration.seconds(10)

    private struct State {
        var takers: [Taker] = []
        var turn = 0
    }

    let point: PointName
    let options: HookOptions
    private let state = Mutex(State())

    init(_ point: PointName, _ options: HookOptions) {
        self.point = point
        self.options = options
    }

    /// What stands in the chains; the hook that has them keeps this.
    var functions: RegisteredHook.Functions {
        var functions = unsafe RegisteredHook.Functions()
        unsafe functions.context = Unmanaged.passUnretained(self).toOpaque()
        switch point {
        case .request:
            // Never called: see `PluginApplication.enterHooks`.
            if options.kind.enters { unsafe functions.enter = { _, _ in ph_status(PH_GONE) } }
            if options.kind.leaves { unsafe functions.leave = { _, _, _ in ph_status(PH_GONE) } }
        case .response:
            unsafe functions.respond = { unsafe RemoteHook.of($0)?.respond($1, $2) ?? gone }
        default:
            if options.kind.enters {
                unsafe functions.pointEnter = {
                    unsafe RemoteHook.of($0)?.enter($1, $2) ?? gone
                }
            }
            if options.kind.leaves {
                unsafe functions.pointLeave = {
                    unsafe RemoteHook.of($0)?.leave($1, $2, $3) ?? gone
                }
            }
        }
        return unsafe functions
    }

    private static func of(_ context: UnsafeMutableRawPointer?) -> RemoteHook? {
        unsafe context.map { unsafe Unmanaged<RemoteHook>.fromOpaque($0).takeUnretainedValue() }
    }

    // MARK: - Processes

    /// Lets a process have the hook; false if it has it already.
    func add(_ worker: IsolatedWorker, as number: UInt64) -> Bool {
        state.withLock { state in
            guard !state.takers.contains(where: { $0.worker === worker }) else { return false }
            state.takers.append(Taker(worker: worker, number: number))
            return true
        }
    }

    func remove(_ worker: IsolatedWorker) {
        state.withLock { $0.takers.removeAll { $0.worker === worker } }
    }

    /// One of the processes; each has its turn.
    func next() -> Taker? {
        state.withLock { state in
            guard !state.takers.isEmpty else { return nil }
            state.turn = (state.turn + 1) % state.takers.count
            return state.takers[state.turn]
        }
    }

    /// The process with a serial number, if it lives; any of them for 0.
    func taker(serial: Int32) -> Taker? {
        if serial == 0 { return next() }
        return state.withLock { $0.takers.first { $0.worker.serial == Int(serial) } }
    }

    /// Why a call came to nothing, in words.
    static func told(_ status: ph_status) -> String? {
        switch Int(status) {
        case Int(PH_GONE): "its process has ended"
        case Int(PH_TIMED_OUT): "it did not come back within \(patience.components.seconds) s"
        default: nil
        }
    }

    /// What an answer, or there being none, means for the hook.
    static func status(of answer: ControlChannel.Answer) -> ph_status {
        switch answer {
        case .success(let content): content.status
        case .failure(let error):
            ph_status(error.code == ControlChannel.silentCode ? PH_TIMED_OUT : PH_GONE)
        }
    }
}

/// What a hook returns that has nobody to be put to.
private let gone = ph_status(PH_GONE)

// MARK: - Other points

extension RemoteHook {
    private func enter(
        _ call: UnsafePointer<ph_point_call>?, _ error: UnsafeMutablePointer<ph_error>?
    ) -> ph_status {
        guard let call = unsafe call else { return gone }
        let taker = next()
        unsafe PointRun.of(call).takers[ObjectIdentifier(self)] = taker
        return unsafe ask(RemoteTopic.enterHook, taker, call, [:], error)
    }

    private func leave(
        _ call: UnsafePointer<ph_point_call>?, _ result: ph_status,
        _ error: UnsafeMutablePointer<ph_error>?
    ) -> ph_status {
        guard let call = unsafe call else { return gone }
        let entered = unsafe PointRun.of(call).takers[ObjectIdentifier(self)]
        let taker = options.kind.enters ? entered : next()
        return unsafe ask(
            RemoteTopic.leaveHook, taker, call, ["result": .status(result)], error)
    }

    /// Puts a call to a process and waits, as whoever does the work waits for any hook.
    private func ask(
        _ topic: String, _ taker: Taker?, _ call: UnsafePointer<ph_point_call>,
        _ json: JSONObject, _ error: UnsafeMutablePointer<ph_error>?
    ) -> ph_status {
        guard let taker else {
            unsafe HookService.write("the hook's process has ended", to: error)
            return gone
        }
        let run = unsafe PointRun.of(call)
        let word = unsafe UInt64(UInt(bitPattern: call.pointee.word?.pointee))
        var json = json
        json["hook"] = .number64(taker.number)
        json["word"] = .number64(word)
        json["depth"] = .number(JSONNumber(PointDepth.current))
        var parcel = Parcel()
        unsafe parcel.put(call.pointee.point)
        unsafe parcel.put(call.pointee.plugin)
        unsafe parcel.put(call.pointee.provider)
        unsafe parcel.put(call.pointee.capability)
        unsafe parcel.put(call.pointee.method)
        unsafe parcel.put(call.pointee.payload)
        let owesLeave = topic == RemoteTopic.enterHook && options.kind.leaves
        let bytes = parcel.bytes
        let kept = json
        taker.worker.hooksCalled.add(1, ordering: .relaxed)
        let answer = taker.worker.channel.wait(topic, json, bytes, within: Self.patience) {
            taker.worker.hooksCalled.subtract(1, ordering: .relaxed)
            // Whoever has entered leaves, even when nobody has waited for it.
            guard owesLeave, case .success(let content) = $0, content.status >= PH_OK else {
                return
            }
            var json = kept
            json["result"] = .status(ph_status(PH_FAILED))
            json["word"] = content.json["word"]
            taker.worker.channel.request(RemoteTopic.leaveHook, json, bytes) { _ in }
        }
        let status = Self.status(of: answer)
        guard case .success(let content) = answer else {
            unsafe HookService.write(Self.told(status) ?? "", to: error)
            return status
        }
        taker.worker.hooksCalled.subtract(1, ordering: .relaxed)
        let bits = content.json["word"]?.number64 ?? 0
        unsafe call.pointee.word?.pointee = UnsafeMutableRawPointer(
            bitPattern: UInt(truncatingIfNeeded: bits))
        if content.json["gives"]?.bool == true {
            _ = unsafe content.bytes.withUnsafeBytes { unsafe run.take($0) }
        }
        if let reason = content.json["reason"]?.string, !reason.isEmpty {
            unsafe HookService.write(reason, to: error)
        }
        return status
    }
}

/// How many points run within one another, those on other threads that led here included.
enum PointDepth {
    /// How deep the calling thread is.
    static var current: Int {
        let depth = linux_enter_depth()
        linux_leave_depth()
        return Int(depth) - 1
    }

    /// Does something for a thread that is that deep.
    static func with<Result>(_ depth: Int, _ body: () -> Result) -> Result {
        let depth = min(max(0, depth), Int(HookService.depthMax))
        for _ in 0..<depth { _ = linux_enter_depth() }
        defer { for _ in 0..<depth { linux_leave_depth() } }
        return body()
    }
}
