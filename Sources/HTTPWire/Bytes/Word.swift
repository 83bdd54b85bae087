/// Eight bytes at a time: the arithmetic that finds bytes without looking at each.
///
/// Each test sets the high bit of the bytes that answer it. A false hit can follow a true one (a
/// borrow runs upwards), but never precedes it; so the lowest hit is exact, and several tests may
/// be joined with `|`.
enum Word {
    static let lows: UInt64 = 0x0101_0101_0101_0101
    static let highs: UInt64 = 0x8080_8080_8080_8080

    /// Eight copies of a byte.
    @inline(__always)
    static func all(_ byte: UInt8) -> UInt64 { UInt64(byte) &* lows }

    /// Reads eight bytes, the first one lowest.
    @inline(__always)
    static func load(_ address: UnsafePointer<UInt8>) -> UInt64 {
        unsafe UInt64(
            littleEndian: UnsafeRawPointer(address).loadUnaligned(as: UInt64.self))
    }

    /// Reads four bytes, the first one lowest.
    @inline(__always)
    static func load4(_ address: UnsafePointer<UInt8>) -> UInt32 {
        unsafe UInt32(
            littleEndian: UnsafeRawPointer(address).loadUnaligned(as: UInt32.self))
    }

    /// Writes eight bytes, the lowest first.
    @inline(__always)
    static func store(_ word: UInt64, _ address: UnsafeMutablePointer<UInt8>) {
        unsafe UnsafeMutableRawPointer(address).storeBytes(
            of: word.littleEndian, as: UInt64.self)
    }

    /// Copies the bytes of one value of the type, wherever they lie.
    @inline(__always)
    static func copy<Bytes: BitwiseCopyable>(
        _: Bytes.Type, _ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>
    ) {
        unsafe UnsafeMutableRawPointer(to).storeBytes(
            of: UnsafeRawPointer(from).loadUnaligned(as: Bytes.self), as: Bytes.self)
    }

    /// Bytes below `limit`, which is at most 128.
    @inline(__always)
    static func below(_ limit: UInt8, _ word: UInt64) -> UInt64 {
        (word &- all(limit)) & ~word & highs
    }

    /// Bytes equal to `byte`.
    @inline(__always)
    static func equal(_ byte: UInt8, _ word: UInt64) -> UInt64 {
        let difference = word ^ all(byte)
        return (difference &- lows) & ~difference & highs
    }

    /// Control bytes, the tab among them.
    @inline(__always)
    static func control(_ word: UInt64) -> UInt64 { below(0x20, word) | equal(0x7F, word) }

    /// Bytes from 0x7F up.
    @inline(__always)
    static func fromDelete(_ word: UInt64) -> UInt64 {
        ((word &+ lows) | word) & highs
    }

    /// Bytes that are neither ASCII letters nor hyphens; exact in every byte.
    ///
    /// Without its high bit, no byte can carry into the next: adding `0x80 - low` sets the high bit
    /// from `low` up, and adding `0x7F - high` sets it above `high`.
    @inline(__always)
    static func notLetterOrHyphen(_ word: UInt64) -> UInt64 {
        let seven = word & ~highs
        let folded = seven | all(0x20)
        let letters = (folded &+ all(0x80 - 0x61)) & ~(folded &+ all(0x7F - 0x7A))
        let others = (seven ^ all(UInt8(ascii: "-"))) &+ all(0x7F)
        return ((others & ~letters) | word) & highs
    }

    /// The position of the lowest hit, 0 to 7; 8 when there is none.
    @inline(__always)
    static func position(_ hits: UInt64) -> Int { hits.trailingZeroBitCount >> 3 }
}
