import CPluginABI
import HostModel
import Synchronization

/// A point whose hooks are called where its work is done, on whatever thread that is.
///
/// `@unchecked Sendable` because the count in the block is only read and written atomically, and
/// nothing else in it changes.
@safe
final class HookPoint: @unchecked Sendable {
    /// What a plugin is handed as its `ph_point`.
    @unsafe
    struct Block {
        var point: ph_point
        let owner: Unmanaged<HookPoint>
    }

    let name: PointName
    private let block: UnsafeMutablePointer<Block>
    private let chain = Mutex<PointChain?>(nil)
    private let listeners = Mutex<[ObjectIdentifier: @Sendable () -> Void]>([:])

    init(_ name: PointName) {
        self.name = name
        unsafe block = .allocate(capacity: 1)
        unsafe block.initialize(
            to: Block(
                point: ph_point(size: UInt32(MemoryLayout<ph_point>.size), hook_count: 0),
                owner: Unmanaged.passUnretained(self)))
    }

    deinit { unsafe block.deallocate() }

    /// Whether nothing hangs on it: one branch, for whoever does the work.
    @inline(__always)
    var isEmpty: Bool { unsafe ph_point_is_empty(pointer) != 0 }

    var pointer: UnsafeMutablePointer<ph_point> {
        unsafe UnsafeMutableRawPointer(block).assumingMemoryBound(to: ph_point.self)
    }

    /// The point behind what a plugin was handed.
    static func of(_ pointer: UnsafeMutablePointer<ph_point>) -> HookPoint {
        unsafe UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: Block.self).pointee.owner
            .takeUnretainedValue()
    }

    /// The hooks as they are now; nil when there are none.
    var hooks: PointChain? { chain.withLock { $0 } }

    /// Has a closure called after the first hook has come and after the last one has gone, until
    /// `ignore` is called for the same listener; it must not wait.
    func whenFilledOrEmptied(
        for listener: AnyObject, _ body: @escaping @Sendable () -> Void
    ) {
        listeners.withLock { $0[ObjectIdentifier(listener)] = body }
    }

    func ignore(_ listener: AnyObject) {
        _ = listeners.withLock { $0.removeValue(forKey: ObjectIdentifier(listener)) }
    }

    /// Hangs these hooks on it, in order, and no other ones; for one caller at a time.
    func set(_ hooks: [RegisteredHook]) {
        let wasEmpty = isEmpty
        chain.withLock { $0 = hooks.isEmpty ? nil : PointChain(hooks) }
        show(UInt32(hooks.count))
        guard wasEmpty != hooks.isEmpty else { return }
        for listener in listeners.withLock({ Array($0.values) }) { listener() }
    }

    /// Says how many hooks hang on it; where those are in another process, none hangs on it here.
    func show(_ hookCount: UInt32) {
        let offset = MemoryLayout<ph_point>.offset(of: \.hook_count) ?? 0
        let count = unsafe (UnsafeMutableRawPointer(pointer) + offset).assumingMemoryBound(
            to: Atomic<UInt32>.self)
        unsafe count.pointee.store(hookCount, ordering: .relaxed)
    }
}

/// The hooks of one point in the order in which they are called.
final class PointChain: Sendable {
    /// A hook, and its generation, which must not go before the hook is forgotten.
    struct Link: Sendable {
        let hook: RegisteredHook
        let member: Member
    }

    let outer: [Link]
    let replacing: [Link]

    init(_ hooks: [RegisteredHook]) {
        let links = hooks.map { Link(hook: $0, member: $0.member) }
        outer = links.filter { $0.hook.options.kind != .replace }
        replacing = links.filter { $0.hook.options.kind == .replace }
    }

    /// The same without the hooks of one plugin; nil if none is left.
    func without(_ name: PluginName) -> PointChain? {
        let others = (outer + replacing).filter { $0.member.name != name }
        return others.isEmpty ? nil : PointChain(others.map(\.hook))
    }
}
