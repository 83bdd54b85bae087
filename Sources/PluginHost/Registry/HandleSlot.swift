import CPluginABI
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
    /// Why it leads nowhere.
    let reason = Atomic<Int32>(Int32(PH_STALE))
}

/// The address of a place in the table of handles.
@unsafe
struct HandlePointer: @unchecked Sendable {  // because it is only an address
    let slot: UnsafeMutablePointer<HandleSlot>
    let index: UInt32

    private static let chunkShift: UInt32 = 8
    private static let chunkCount = 1 << chunkShift
    private static let chunksMax = 1_024

    private struct Free {
        var indices: [UInt32] = []
        var chunks = 0
    }

    /// The chunks; only ever added to, and there from the first handle on. Not a constant that is
    /// made when it is first needed: every call would ask whether it has been.
    // because a chunk is there before a handle of it is told to anybody
    nonisolated(unsafe) private static var chunks:
        UnsafeMutablePointer<UnsafeMutablePointer<HandleSlot>?>?
    private static let free = Mutex(Free())

    /// Takes a place; nil when there are too many handles.
    static func take() -> HandlePointer? {
        let index: UInt32? = unsafe free.withLock { free in
            if free.indices.isEmpty {
                guard unsafe free.chunks < chunksMax else { return nil }
                if unsafe chunks == nil {
                    let all = unsafe UnsafeMutablePointer<UnsafeMutablePointer<HandleSlot>?>
                        .allocate(capacity: chunksMax)
                    unsafe all.initialize(repeating: nil, count: chunksMax)
                    unsafe chunks = unsafe all
                }
                let chunk = unsafe UnsafeMutablePointer<HandleSlot>.allocate(capacity: chunkCount)
                for offset in unsafe 0..<chunkCount {
                    unsafe (chunk + offset).initialize(to: HandleSlot())
                }
                unsafe chunks?[free.chunks] = chunk
                let first = unsafe UInt32(free.chunks * chunkCount)
                free.chunks += 1
                free.indices = unsafe (first..<first + UInt32(chunkCount)).reversed()
            }
            return free.indices.popLast()
        }
        guard let index, let pointer = unsafe HandlePointer(index) else { return nil }
        unsafe pointer.slot.pointee.stamp.add(1, ordering: .releasing)
        return unsafe pointer
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
        let chunk = unsafe Int(index >> Self.chunkShift)
        guard unsafe chunk < Self.chunksMax, let first = unsafe Self.chunks?[chunk] else {
            return nil
        }
        unsafe slot = first + Int(index & UInt32(Self.chunkCount - 1))
        unsafe self.index = index
    }

    /// The place of a handle; nil when it has been given back, or never was one.
    @inline(__always)
    init?(_ handle: ph_handle) {
        guard let pointer = unsafe HandlePointer(UInt32(truncatingIfNeeded: handle) &- 1),
            unsafe pointer.slot.pointee.stamp.load(ordering: .acquiring)
                == UInt32(truncatingIfNeeded: handle >> 32),
            handle >> 32 & 1 == 1
        else { return nil }
        unsafe self = pointer
    }

    /// What the plugin is handed.
    var handle: ph_handle {
        let stamp = unsafe slot.pointee.stamp.load(ordering: .relaxed)
        return unsafe ph_handle(stamp) << 32 | ph_handle(index + 1)
    }

    func lead(to target: UInt) {
        unsafe slot.pointee.target.store(target, ordering: .releasing)
    }

    func lead(nowhere reason: ph_status) {
        unsafe slot.pointee.reason.store(reason, ordering: .releasing)
        unsafe slot.pointee.target.store(0, ordering: .releasing)
    }
}
