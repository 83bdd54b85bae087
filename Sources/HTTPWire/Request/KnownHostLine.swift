/// The last line with a valid Host field that a head began with, as it came, case and blanks
/// included.
///
/// Clients send Host first (RFC 9110, section 7.2), and the next request's is nearly always the
/// same: then one comparison stands for finding the field, its name and its value, and for judging
/// them. It is no part of what a head says, and so any two are equal.
@usableFromInline
@safe
struct KnownHostLine: Equatable {
    /// The length of the lines that are remembered, with their end.
    private static let lengths = 16...48

    /// Of the line; beyond every input when there is none.
    private(set) var length = Int.max
    private var valueOffset = 0
    private var valueCount = 0
    /// The first bytes of the line, as far as it has them, and the last eight.
    private var first: UInt64 = 0
    private var second: UInt64 = 0
    private var third: UInt64 = 0
    private var fourth: UInt64 = 0
    private var fifth: UInt64 = 0
    private var last: UInt64 = 0

    @usableFromInline
    init() {}

    @usableFromInline
    static func == (left: KnownHostLine, right: KnownHostLine) -> Bool { true }

    /// The field, if the line that begins at `at` is this one.
    @inline(__always)
    func field(
        _ at: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> HeaderField? {
        guard unsafe end - at >= length, unsafe Word.load(at) == first,
            unsafe Word.load(at + 8) == second
        else { return nil }
        guard unsafe Word.load(at + (length &- 8)) == last else { return nil }
        if length > 24 {
            guard unsafe Word.load(at + 16) == third else { return nil }
            if length > 32 {
                guard unsafe Word.load(at + 24) == fourth else { return nil }
                if length > 40 {
                    guard unsafe Word.load(at + 32) == fifth else { return nil }
                }
            }
        }
        return unsafe HeaderField(
            name: ByteSlice(at, count: 4), value: ByteSlice(at + valueOffset, count: valueCount))
    }

    /// Remembers the line of a field that has been read, if it is one with a valid Host and nothing
    /// but the line's end stands behind the value.
    @inline(never)
    mutating func note(_ field: HeaderField) {
        guard field.name.equalsIgnoringCase("host"), let start = unsafe field.name.base,
            let value = unsafe field.value.base
        else { return }
        let end = unsafe value + field.value.count
        let length = unsafe end + 2 - start
        guard Self.lengths.contains(length), unsafe end[0] == 0x0D, unsafe end[1] == 0x0A else {
            return
        }
        self.length = length
        valueOffset = unsafe value - start
        valueCount = field.value.count
        unsafe first = Word.load(start)
        unsafe second = Word.load(start + 8)
        unsafe third = length > 24 ? Word.load(start + 16) : 0
        unsafe fourth = length > 32 ? Word.load(start + 24) : 0
        unsafe fifth = length > 40 ? Word.load(start + 32) : 0
        unsafe last = Word.load(end - 6)
    }
}
