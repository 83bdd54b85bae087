import CLinux
import CPluginABI
import DynamicLibrary
import Glibc
import Synchronization

/// A call that runs on a pool, as its provider sees it.
///
/// A `ph_call` is the address of such a record with the low 16 bits of its serial number in the
/// upper 16 bits, which no user-space address has. Records are never freed, only used again with
/// the next serial, so what a provider answers too late goes nowhere.
@unsafe
struct CallRecord: ~Copyable {
    /// How far a call has come.
    enum Phase: UInt64 {
        /// There is no call.
        case free = 0
        /// It is to be completed.
        case owed = 1
        /// Somebody is completing it.
        case delivering = 2
        /// It is completed, and the caller is about to find out.
        case complete = 3
    }

    static let serialShift: UInt64 = 16
    static let phaseMask: UInt64 = 0xFF

    /// The serial number and the phase.
    let word = Atomic<UInt64>(0)
    /// What else there is to the call.
    var pooled: Unmanaged<PooledCall>?
    var next: CallPointer?
}

/// The address of a record.
@unsafe
struct CallPointer: @unchecked Sendable {  // because it is only an address
    let record: UnsafeMutablePointer<CallRecord>

    private static let unused = unsafe Mutex<CallPointer?>(nil)
    private static let slabCount = 32

    @inline(__always)
    init(_ record: UnsafeMutablePointer<CallRecord>) { unsafe self.record = record }

    /// Takes a record for a call.
    static func take() -> CallPointer {
        unsafe unused.withLock { unused in
            if unsafe unused == nil {
                let slab = unsafe UnsafeMutablePointer<CallRecord>.allocate(capacity: slabCount)
                for index in unsafe 0..<slabCount {
                    unsafe (slab + index).initialize(to: CallRecord())
                    unsafe (slab + index).pointee.next = unused
                    unsafe unused = CallPointer(slab + index)
                }
            }
            guard let taken = unsafe unused else { preconditionFailure("a slab is empty") }
            unsafe unused = taken.record.pointee.next
            return unsafe taken
        }
    }

    /// Gives a record back that `take` has returned; the call is complete.
    func giveBack() {
        unsafe Self.unused.withLock { unused in
            unsafe record.pointee.next = unused
            unsafe unused = self
        }
    }

    /// Begins a call, and returns its word.
    @inline(__always)
    func begin() -> UInt64 {
        let serial =
            unsafe (record.pointee.word.load(ordering: .relaxed) >> CallRecord.serialShift) &+ 1
        let word = unsafe serial << CallRecord.serialShift | CallRecord.Phase.owed.rawValue
        unsafe record.pointee.word.store(word, ordering: .releasing)
        return word
    }

    /// What the provider is handed.
    @inline(__always)
    func handle(_ word: UInt64) -> OpaquePointer? {
        let serial = unsafe UInt(truncatingIfNeeded: word >> CallRecord.serialShift) << 48
        return unsafe OpaquePointer(bitPattern: UInt(bitPattern: record) | serial)
    }

    /// The record of a call, and its word, if it is still to be completed.
    @inline(__always)
    static func owed(_ handle: OpaquePointer?) -> (CallPointer, word: UInt64)? {
        let bits = UInt(bitPattern: handle)
        guard
            let record = unsafe UnsafeMutablePointer<CallRecord>(
                bitPattern: bits & 0xFFFF_FFFF_FFF8)
        else { return nil }
        let word = unsafe record.pointee.word.load(ordering: .acquiring)
        let tag = unsafe UInt(truncatingIfNeeded: word >> CallRecord.serialShift) << 48
        guard tag == bits & ~0xFFFF_FFFF_FFFF,
            unsafe word & CallRecord.phaseMask == CallRecord.Phase.owed.rawValue
        else { return nil }
        return unsafe (CallPointer(record), word)
    }

    /// Whether nobody has begun to complete the call.
    func isOwed(_ word: UInt64) -> Bool {
        unsafe record.pointee.word.load(ordering: .acquiring) == word
    }

    /// Takes it upon oneself to complete the call; false when somebody else does.
    @inline(__always)
    func claim(_ word: UInt64) -> Bool {
        unsafe record.pointee.word.compareExchange(
            expected: word, desired: word ^ 3, ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// Marks a call as completed that was claimed.
    @inline(__always)
    func complete(_ word: UInt64) {
        unsafe record.pointee.word.store(word | 3, ordering: .releasing)
    }
}

/// What a thread has need of to make calls to other plugins: how deep it is in them, and a record
/// for each that is inline. It is the thread's until that ends, and then another's.
@unsafe
struct CallFrames {
    static let depthMax = Int(PH_RPC_DEPTH_MAX)

    /// The record of the call that is made next; as many calls as there are before it are within
    /// each other here, those on other threads that led here included.
    var top: UnsafeMutablePointer<InlineCall>
    /// Behind the last record.
    let end: UnsafeMutablePointer<InlineCall>
    let records: UnsafeMutablePointer<InlineCall>
    /// How many of them are on other threads.
    var depthElsewhere = 0
    /// The images that wait for what this thread does, on other threads and in other processes.
    var imagesElsewhere: [UInt32] = []
    /// Whether somebody in another process waits for the call that is made next.
    var isAwaitedElsewhere = false
    /// The call that the thread works on.
    var pooled: Unmanaged<PooledCall>?
    /// When the call that this thread works on ends, in nanoseconds; 0: it works on none.
    var expires: UInt64 = 0

    init(records: UnsafeMutablePointer<InlineCall>) {
        unsafe self.records = unsafe records
        unsafe top = unsafe records
        unsafe end = unsafe records + Self.depthMax
    }

    var depth: Int {
        get { unsafe top - records }
        set { unsafe top = unsafe records + newValue }
    }

    /// Whom calls that are made now lead back to: all who wait for what this thread does.
    func images(with current: UInt32) -> [UInt32] {
        unsafe imagesElsewhere
            + (depthElsewhere..<max(depth, depthElsewhere)).map {
                unsafe records[$0].callerImage
            } + [current]
    }
}

/// The address of a thread's frames.
@unsafe
struct CallFramesPointer: @unchecked Sendable {  // because it is only an address
    let frames: UnsafeMutablePointer<CallFrames>

    private static let unused = unsafe Mutex<[CallFramesPointer]>([])

    /// Tells when a thread ends.
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        unsafe pthread_key_create(&key) { frames in
            guard let frames = unsafe frames else { return }
            linux_set_call_frames(nil)
            let pointer = unsafe CallFramesPointer(
                frames: frames.assumingMemoryBound(to: CallFrames.self))
            unsafe CallFramesPointer.unused.withLock { unsafe $0.append(pointer) }
        }
        return key
    }()

    /// Those of the calling thread.
    @inline(__always)
    static var current: UnsafeMutablePointer<CallFrames> {
        if let frames = unsafe linux_get_call_frames() {
            return unsafe frames.assumingMemoryBound(to: CallFrames.self)
        }
        return unsafe make()
    }

    @inline(never)
    private static func make() -> UnsafeMutablePointer<CallFrames> {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        let former = unsafe unused.withLock { unsafe $0.popLast() }
        let frames: UnsafeMutablePointer<CallFrames>
        if let former = unsafe former {
            unsafe frames = unsafe former.frames
        } else {
            unsafe frames = allocate()
        }
        unsafe pthread_setspecific(key, frames)
        unsafe linux_set_call_frames(frames)
        return unsafe frames
    }

    private static func allocate() -> UnsafeMutablePointer<CallFrames> {
        let records = unsafe UnsafeMutablePointer<InlineCall>.allocate(
            capacity: CallFrames.depthMax)
        let frames = UnsafeMutablePointer<CallFrames>.allocate(capacity: 1)
        for index in unsafe 0..<CallFrames.depthMax {
            let record = unsafe records + index
            unsafe record.initialize(to: InlineCall(at: record, of: frames))
        }
        unsafe frames.initialize(to: CallFrames(records: records))
        return unsafe frames
    }
}
