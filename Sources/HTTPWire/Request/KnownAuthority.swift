/// The last authority of a short length that was found to be valid: the next request's is nearly
/// always the same, and a comparison is quicker than another judgement.
///
/// It is no part of what a head says, and so any two are equal.
@usableFromInline
@safe
struct KnownAuthority: Equatable {
    /// -1: none.
    private var count = -1
    /// The first sixteen bytes and the last sixteen, which may overlap.
    private var first: UInt64 = 0
    private var second: UInt64 = 0
    private var third: UInt64 = 0
    private var last: UInt64 = 0

    @usableFromInline
    init() {}

    @usableFromInline
    static func == (left: KnownAuthority, right: KnownAuthority) -> Bool { true }

    /// Whether these are the bytes that were noted.
    @inline(__always)
    func isSame(_ bytes: ByteSlice) -> Bool {
        guard bytes.count == count, let start = unsafe bytes.base else { return false }
        let tail = unsafe start + (count &- 8)
        if unsafe Word.load(start) != first || Word.load(tail) != last { return false }
        return unsafe count <= 16
            || (Word.load(start + 8) == second && Word.load(tail - 8) == third)
    }

    /// Notes an authority that is valid, if its length allows.
    mutating func note(_ bytes: ByteSlice) {
        guard bytes.count >= 8, bytes.count <= 32, let start = unsafe bytes.base else { return }
        count = bytes.count
        let tail = unsafe start + (count - 8)
        first = unsafe Word.load(start)
        last = unsafe Word.load(tail)
        second = unsafe count > 16 ? Word.load(start + 8) : 0
        third = unsafe count > 16 ? Word.load(tail - 8) : 0
    }
}
