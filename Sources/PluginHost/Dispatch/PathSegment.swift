/// One segment of a path, read eight bytes at a time, with the key that it is looked up by.
@safe
struct PathSegment {
    /// Where the segment begins.
    let start: UnsafePointer<UInt8>
    /// The slash behind it, or the end of the path.
    let end: UnsafePointer<UInt8>
    let key: SegmentKey

    /// Reads the segment that begins at `start`.
    ///
    /// - Shape: the eight bytes before `pathEnd` may be read, as they may in every path that begins
    ///   with `/plugin/`, or has something behind `/api/` and a method before it: the last bytes
    ///   are loaded with what stands before them, so that nothing behind the path is touched.
    @inline(__always)
    init(_ start: UnsafePointer<UInt8>, pathEnd: UnsafePointer<UInt8>) {
        unsafe self.start = start
        let left = unsafe pathEnd - start
        let word =
            unsafe left >= 8
            ? Self.load(start)
            : (Self.load(pathEnd - 8) &>> UInt64(truncatingIfNeeded: 56 &- left &* 8)) &>> 8
        let slashes = Self.slashes(word)
        if slashes != 0 {
            let count = slashes.trailingZeroBitCount >> 3
            unsafe end = start + count
            key = SegmentKey(head: word & Self.mask(count), tail: 0, count: count)
        } else if left <= 8 {
            unsafe end = pathEnd
            key = SegmentKey(head: word, tail: 0, count: left)
        } else {
            unsafe end = Self.slash(start + 8, pathEnd)
            let count = unsafe end - start
            let tail = unsafe count > 8 ? Self.load(end - 8) : 0
            key = SegmentKey(head: word, tail: tail, count: count)
        }
    }

    var count: Int { key.count }

    @inline(__always)
    private static func load(_ address: UnsafePointer<UInt8>) -> UInt64 {
        unsafe UInt64(
            littleEndian: UnsafeRawPointer(address).loadUnaligned(as: UInt64.self))
    }

    /// The high bit of each byte that is a slash; a false hit can only follow a true one.
    @inline(__always)
    private static func slashes(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let difference = word ^ (ones &* UInt64(UInt8(ascii: "/")))
        return (difference &- ones) & ~difference & 0x8080_8080_8080_8080
    }

    /// Ones in the lowest `count` bytes; `count` is below eight.
    @inline(__always)
    private static func mask(_ count: Int) -> UInt64 {
        (1 &<< UInt64(truncatingIfNeeded: count &* 8)) &- 1
    }

    private static func slash(
        _ from: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8> {
        var at = unsafe from
        while unsafe end - at >= 8 {
            let slashes = unsafe slashes(load(at))
            if slashes != 0 { return unsafe at + slashes.trailingZeroBitCount >> 3 }
            unsafe at += 8
        }
        while unsafe at < end && at.pointee != UInt8(ascii: "/") { unsafe at += 1 }
        return unsafe at
    }
}

/// The length of a segment, its first eight bytes and, if it has more, its last eight: all there is
/// to one of up to 16 bytes.
struct SegmentKey: Equatable {
    var head: UInt64 = 0
    var tail: UInt64 = 0
    var count = 0

    @inline(__always)
    init(head: UInt64, tail: UInt64, count: Int) {
        self.head = head
        self.tail = tail
        self.count = count
    }

    init() {}

    /// Makes the key of a text; the same as that of a segment with these bytes.
    init(_ text: String) {
        let bytes = Array(text.utf8)
        func word(_ bytes: some BidirectionalCollection<UInt8>) -> UInt64 {
            bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        self.init(
            head: word(bytes.prefix(8)), tail: bytes.count > 8 ? word(bytes.suffix(8)) : 0,
            count: bytes.count)
    }

    /// A hash of the key and the place it is looked up at; any of its bits will do.
    ///
    /// Names tend to differ in their last bytes, which are the highest of a word: only the upper
    /// half of a product depends on them in every bit.
    @inline(__always)
    func hash(_ seed: UInt32) -> Int {
        let first = (head ^ UInt64(seed) &* 0x9E37_79B9_7F4A_7C15)
            .multipliedFullWidth(by: 0xFF51_AFD7_ED55_8CCD)
        let second = (tail ^ UInt64(truncatingIfNeeded: count) ^ first.high ^ first.low)
            .multipliedFullWidth(by: 0xC4CE_B9FE_1A85_EC53)
        return Int(truncatingIfNeeded: second.high ^ second.low)
    }

    /// Compares what the key leaves out of longer segments.
    @inline(__always)
    static func middlesAreEqual(
        _ left: UnsafePointer<UInt8>, _ right: UnsafePointer<UInt8>, count: Int
    ) -> Bool {
        var at = 8
        while at < count &- 8 {
            if unsafe left[at] != right[at] { return false }
            at &+= 1
        }
        return true
    }
}
