import CPluginABI
import HostModel
import Synchronization

/// One hook of one generation, with its functions and what is counted of it.
///
/// `@unchecked Sendable` because the functions are never changed, the figures are atomic, and what
/// the record gets when the hook takes effect is written under the lock of the hooks, before a
/// chain with it is published.
@safe
final class RegisteredHook: @unchecked Sendable {
    typealias PointEnter =
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafePointer<ph_point_call>?, UnsafeMutablePointer<ph_error>?
        ) -> ph_status
    typealias PointLeave =
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafePointer<ph_point_call>?, ph_status,
            UnsafeMutablePointer<ph_error>?
        ) -> ph_status

    /// What the plugin gave; which of them a kind needs has been checked.
    @unsafe
    struct Functions {
        var context: UnsafeMutableRawPointer?
        var enter: HookRecord.Enter?
        var leave: HookRecord.Leave?
        var respond: HookRecord.Respond?
        var pointEnter: PointEnter?
        var pointLeave: PointLeave?
    }

    let point: PointName
    let options: HookOptions
    let functions: Functions
    /// Whose hook it is; unowned because the member keeps its hooks.
    unowned let member: Member
    let record: UnsafeMutablePointer<HookRecord>
    /// What leads to its functions where they are in another process.
    private let remote: RemoteHook?
    private let log: HostLog
    private let failures = Atomic<Int>(0)
    /// Calls that no reactor has counted.
    private let otherCalls = Atomic<Int>(0)
    private var reactorCount = 0

    init(
        _ point: PointName, _ options: HookOptions, _ functions: Functions, of member: Member,
        log: HostLog, remote: RemoteHook? = nil
    ) {
        self.point = point
        self.options = options
        unsafe self.functions = functions
        self.member = member
        self.log = log
        self.remote = remote
        unsafe record = .allocate(capacity: 1)
        unsafe record.initialize(
            to: HookRecord(
                context: functions.context, enter: functions.enter, leave: functions.leave,
                respond: functions.respond, image: member.image, serving: nil, cells: nil,
                isPooled: Atomic(options.blocks), owner: nil,
                remote: remote.map { unsafe Unmanaged.passUnretained($0) }))
        unsafe record.pointee.owner = Unmanaged.passUnretained(self)
    }

    deinit {
        unsafe record.pointee.cells?.deallocate()
        unsafe record.deinitialize(count: 1)
        unsafe record.deallocate()
    }

    /// Tells the record of the generation that it belongs to; false as long as there is none.
    func takeEffect() -> Bool {
        if unsafe record.pointee.serving != nil { return true }
        guard let generation = member.generation else { return false }
        reactorCount = generation.reactorCount
        let cells = UnsafeMutableRawPointer.allocate(
            byteCount: max(1, reactorCount) * HookCell.strideBytes,
            alignment: HookCell.strideBytes)
        for reactor in 0..<reactorCount {
            unsafe (cells + reactor * HookCell.strideBytes).initializeMemory(
                as: HookCell.self, to: HookCell())
        }
        unsafe record.pointee.cells = cells
        unsafe record.pointee.serving = generation.serving
        return true
    }

    // MARK: - Figures

    var isDisabled: Bool { unsafe record.pointee.isDisabled.load(ordering: .relaxed) }
    var isPooled: Bool { unsafe record.pointee.isPooled.load(ordering: .relaxed) }
    var failureCount: Int { failures.load(ordering: .relaxed) }

    /// How often it has been called, entering and leaving counted once.
    var callCount: Int {
        guard let cells = unsafe record.pointee.cells else {
            return otherCalls.load(ordering: .relaxed)
        }
        return (0..<reactorCount).reduce(otherCalls.load(ordering: .relaxed)) { sum, reactor in
            let cell = unsafe (cells + reactor * HookCell.strideBytes).assumingMemoryBound(
                to: HookCell.self)
            return unsafe sum + cell.pointee.calls.load(ordering: .relaxed)
        }
    }

    func countCall() { otherCalls.add(1, ordering: .relaxed) }

    // MARK: - Failures

    /// Counts and tells of a failure, and says whether it ends the work.
    ///
    /// The first one is told, the second, the fourth and so on.
    func fail(_ what: String) -> Bool {
        let count = failures.add(1, ordering: .relaxed).newValue
        if case .disable(let limit) = options.policy, count >= limit {
            let wasDisabled = unsafe record.pointee.isDisabled.exchange(true, ordering: .relaxed)
            if !wasDisabled { say(.error, "\(what); it is out after \(count) failures") }
            return false
        }
        if count & (count - 1) == 0 {
            say(.error, count == 1 ? what : "\(what) (failures so far: \(count))")
        }
        return options.policy == .fail
    }

    /// Tells of a call that overran its time, and has its calls run on the pool from now on.
    func noteOverrun(thread: Int32) {
        let wasPooled = unsafe record.pointee.isPooled.exchange(true, ordering: .relaxed)
        let then = wasPooled ? "" : "; it runs on the plugin's own threads from now on"
        say(.warning, "it overran its time on thread \(thread)\(then)")
    }

    func say(_ level: HostLog.Level, _ what: String) {
        log.write(level, "hook \(options.kind) \(point): \(what)", about: member.subject)
    }
}
