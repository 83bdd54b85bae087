import CPluginABI
import Glibc
import Synchronization

/// Where a handle leads: one place of the table that all handles of the process are kept in.
///
/// A `ph_handle` is a place, counted from 1, and in its upper half the stamp of the place, which is
/// odd while it is taken and changes with each use. Places are never freed, so every number can be
/// looked up, and one that is out of date is known by its stamp. Whoever changes where handles lead
/// holds the registry's lock; whoever follows one takes no lock.
struct HandleSlot: ~Copyable {
    /// Counts up whenever the place is taken and given back.
    let stamp = Atomic<UInt32>(0)
    /// The endpoint and its stamp, see `EndpointPointer`; 0: it leads nowhere.
    let target = Atomic<UInt>(0)
    /// Why it leads nowhere; 0: it never led anywhere.
    let reason = Atomic<Int32>(0)
}

/// The address of a place in the table of handles.
@unsafe
struct HandlePointer: @unchecked Sendable {  // because it is only an address
    let slot: UnsafeMutablePointer<HandleSlot>
    let index: UInt32

    private static let countMax = 1 << 18

    private struct Free {
        var indices: [UInt32] = []
        /// How many places have ever been taken.
        var used = 0
    }

    /// All places; there from the first handle on. The kernel has a page of them when it is first
    /// needed. Not a constant that is made when it is first needed: every call would ask whether it
    /// has been.
    // because it is written once, before a handle is told to anybody
    nonisolated(unsafe) private static var places: UnsafeMutablePointer<HandleSlot>?
    private static let free = Mutex(Free())

    /// Takes a place; nil when there are too many handles.
    static func take() -> HandlePointer? {
        let index: UInt32? = unsafe free.withLock { free in
            if let index = free.indices.popLast() { return index }
            guard unsafe free.used < countMax, unsafe reserve() else { return nil }
            free.used += 1
            return UInt32(free.used - 1)
        }
        guard let index, let pointer = unsafe HandlePointer(index) else { return nil }
        unsafe pointer.slot.pointee.stamp.add(1, ordering: .releasing)
        return unsafe pointer
    }

    /// Reserves room for all places: zeros, which is what places that were never taken are.
    private static func reserve() -> Bool {
        if unsafe places != nil { return true }
        let room = unsafe mmap(
            nil, countMax * MemoryLayout<HandleSlot>.stride, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let room = unsafe room, unsafe room != MAP_FAILED else { return false }
        unsafe places = room.assumingMemoryBound(to: HandleSlot.self)
        return true
    }

    /// Gives the place back; nobody's handle leads through it any more.
    func giveBack() {
        unsafe slot.pointee.stamp.add(1, ordering: .releasing)
        unsafe lead(nowhere: ph_status(PH_STALE))
        let index = unsafe index
        unsafe Self.free.withLock { $0.indices.append(index) }
    }

    @inline(__always)
    private init?(_ index: UInt32) {
        guard unsafe Int(index) < Self.countMax, let first = unsafe Self.places else { return nil }
        unsafe slot = first + Int(index)
        unsafe self.index = index
    }

    /// The place of a handle; nil when it has been given back, or never was one. A number that
    /// nobody was told may lead to a place that is not taken, which leads nowhere.
    @inline(__always)
    init?(_ handle: ph_handle) {
        guard let pointer = unsafe HandlePointer(UInt32(truncatingIfNeeded: handle) &- 1),
            unsafe pointer.slot.pointee.stamp.load(ordering: .acquiring)
                == UInt32(truncatingIfNeeded: handle >> 32)
        else { return nil }
        unsafe self = pointer
    }

    /// What the plugin is handed.
    var handle: ph_handle {
        let stamp = unsafe slot.pointee.stamp.load(ordering: .relaxed)
        return unsafe ph_handle(stamp) << 32 | ph_handle(index + 1)
    }

    /// Why the place leads nowhere.
    var reason: ph_status {
        let reason = unsafe slot.pointee.reason.load(ordering: .acquiring)
        return reason < 0 ? reason : ph_status(PH_STALE)
    }

    func lead(to target: UInt) {
        unsafe slot.pointee.target.store(target, ordering: .releasing)
    }

    func lead(nowhere reason: ph_status) {
        unsafe slot.pointee.reason.store(reason, ordering: .releasing)
        unsafe slot.pointee.target.store(0, ordering: .releasing)
    }
}
