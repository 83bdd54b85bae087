internal import Glibc
internal import Synchronization

/// Records on their way from one reactor to the thread that writes the access log.
///
/// One thread puts, one takes, and neither ever waits for the other: when there is no room, the
/// record is dropped and counted. The memory is touched only as far as it is needed.
///
/// `@unchecked Sendable` because the two positions say which part belongs to which thread.
@safe
final class AccessRing: @unchecked Sendable {
    /// What stands before each record: its length with this, or 0 for "go on at the start".
    private static let markBytes = 8

    private let room: UnsafeMutableRawPointer
    private let capacity: Int
    /// How much has been put and taken since the beginning.
    private let put = Atomic<Int>(0)
    private let taken = Atomic<Int>(0)
    private let droppedCount = Atomic<Int>(0)

    /// - Parameter capacity: bytes; a power of two.
    init(capacity: Int = 1 << 20) {
        precondition(capacity & (capacity - 1) == 0, "a ring's capacity is a power of two")
        self.capacity = capacity
        unsafe room = .allocate(byteCount: capacity, alignment: 64)
    }

    deinit { unsafe room.deallocate() }

    /// The longest record, in bytes.
    var recordBytesMax: Int { capacity / 4 }

    /// Whether the writer should not take its time; on either thread.
    var isHalfFull: Bool {
        put.load(ordering: .relaxed) - taken.load(ordering: .relaxed) > capacity / 2
    }

    /// Puts a record that `write` fills, or drops it; on the reactor's thread.
    ///
    /// The last store is sequentially consistent, so that whoever looks afterwards whether the
    /// writer sleeps, and a writer that looks for records before it sleeps, cannot both be wrong.
    func put(count: Int, _ write: (UnsafeMutableRawPointer) -> Void) {
        let length = (Self.markBytes + count + 7) & ~7
        var position = put.load(ordering: .relaxed)
        let free = capacity - (position - taken.load(ordering: .acquiring))
        let offset = position & (capacity - 1)
        let rest = capacity - offset
        let skipped = rest < length ? rest : 0
        guard count <= recordBytesMax, skipped + length <= free else {
            droppedCount.add(1, ordering: .relaxed)
            return
        }
        if skipped > 0 {
            unsafe (room + offset).storeBytes(of: 0, as: Int.self)
            position += skipped
        }
        let start = unsafe room + position & (capacity - 1)
        unsafe start.storeBytes(of: length, as: Int.self)
        unsafe write(start + Self.markBytes)
        put.store(position + length, ordering: .sequentiallyConsistent)
    }

    /// Takes every record that is there; on the writer's thread.
    func takeAll(_ body: (UnsafeRawPointer) -> Void) {
        let end = put.load(ordering: .sequentiallyConsistent)
        var position = taken.load(ordering: .relaxed)
        while position < end {
            let offset = position & (capacity - 1)
            let length = unsafe (room + offset).load(as: Int.self)
            if length > 0 { unsafe body(UnsafeRawPointer(room + offset + Self.markBytes)) }
            position += length > 0 ? length : capacity - offset
            taken.store(position, ordering: .releasing)
        }
    }

    /// How many records were dropped since this was last asked.
    func takeDropped() -> Int { droppedCount.exchange(0, ordering: .relaxed) }
}
