/// A run of bytes that somebody else owns.
///
/// The memory layout is a pointer and a length, 16 bytes, so that an array of slices can be handed
/// to C as it stands. A slice is valid only as long as the buffer that it was cut from stays in
/// place and unchanged: parsers hand out slices of their input, and whoever keeps one beyond the
/// next read copies the bytes first.
@safe
public struct ByteSlice: Equatable {
    /// The address of the first byte; `nil` only when the slice is empty.
    public var base: UnsafePointer<UInt8>?
    /// The number of bytes.
    public var count: Int

    /// Makes the empty slice.
    @inlinable @inline(__always)
    public init() {
        unsafe base = nil
        count = 0
    }

    /// Makes a slice of `count` bytes that start at `base`.
    @inlinable @inline(__always)
    public init(_ base: UnsafePointer<UInt8>?, count: Int) {
        unsafe self.base = unsafe base
        self.count = count
    }

    /// Makes a slice of the constant text; it stays valid for ever.
    @inlinable @inline(__always)
    public init(_ text: StaticString) {
        unsafe base = text.utf8Start
        count = text.utf8CodeUnitCount
    }

    /// Makes a slice of a whole buffer.
    @inlinable @inline(__always)
    public init(_ buffer: UnsafeRawBufferPointer) {
        unsafe base = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        count = buffer.count
    }

    /// Whether there are no bytes.
    @inlinable @inline(__always)
    public var isEmpty: Bool { count == 0 }

    /// The same bytes as the standard library's buffer.
    @inlinable @inline(__always)
    public var buffer: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: base, count: count)
    }

    /// The byte at `index`, which counts from 0 and must be below `count`.
    @inlinable @inline(__always)
    public subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < count, "index outside the slice")
        return unsafe base.unsafelyUnwrapped[index]
    }

    /// The bytes at `range`, which must lie within the slice.
    @inlinable @inline(__always)
    public subscript(range: Range<Int>) -> ByteSlice {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside the slice")
        guard let base = unsafe base else { return ByteSlice() }
        return unsafe ByteSlice(base + range.lowerBound, count: range.count)
    }

    /// Says whether both slices hold the same bytes.
    @inlinable
    public static func == (left: ByteSlice, right: ByteSlice) -> Bool {
        guard left.count == right.count else { return false }
        guard left.count > 0, let a = unsafe left.base, let b = unsafe right.base else {
            return true
        }
        return unsafe ByteSlice.bytesAreEqual(a, b, count: left.count)
    }

    /// Says whether the slice holds exactly the bytes of the text.
    @inlinable @inline(__always)
    public static func == (left: ByteSlice, right: StaticString) -> Bool {
        left == ByteSlice(right)
    }

    /// Says whether the slice begins with the bytes of the text.
    @inlinable
    public func starts(with prefix: StaticString) -> Bool {
        let length = prefix.utf8CodeUnitCount
        return count >= length && self[0..<length] == ByteSlice(prefix)
    }

    /// Says whether the slice equals the text when ASCII letters of both are compared without their
    /// case.
    @inlinable
    public func equalsIgnoringCase(_ text: StaticString) -> Bool {
        equalsIgnoringCase(ByteSlice(text))
    }

    /// Says whether both slices are equal when ASCII letters are compared without their case.
    @inlinable
    public func equalsIgnoringCase(_ other: ByteSlice) -> Bool {
        guard count == other.count else { return false }
        guard count > 0, let a = unsafe base, let b = unsafe other.base else { return true }
        for index in 0..<count
        where unsafe ByteSlice.lowercased(a[index]) != ByteSlice.lowercased(b[index]) {
            return false
        }
        return true
    }

    /// The value of a run of decimal digits; `nil` for anything else, the empty slice and what
    /// exceeds 64 bits.
    @inlinable
    public var asInteger: UInt64? {
        guard count > 0, let base = unsafe base else { return nil }
        var value: UInt64 = 0
        for index in 0..<count {
            let digit = unsafe base[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = shifted.addingReportingOverflow(UInt64(digit))
            if overflow || carry { return nil }
            value = sum
        }
        return value
    }

    /// The position of the first such byte, or `nil`.
    @inlinable
    public func firstIndex(of byte: UInt8) -> Int? {
        guard count > 0, let base = unsafe base else { return nil }
        for index in 0..<count where unsafe base[index] == byte { return index }
        return nil
    }

    @inlinable @inline(__always)
    static func lowercased(_ byte: UInt8) -> UInt8 {
        byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
    }

    /// Compares in steps of eight bytes; the last step overlaps the one before it.
    @usableFromInline
    static func bytesAreEqual(
        _ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, count: Int
    ) -> Bool {
        var index = 0
        while index &+ 8 <= count {
            if unsafe Word.load(a + index) != Word.load(b + index) { return false }
            index &+= 8
        }
        if index == count { return true }
        if count >= 8 { return unsafe Word.load(a + (count &- 8)) == Word.load(b + (count &- 8)) }
        while index < count {
            if unsafe a[index] != b[index] { return false }
            index &+= 1
        }
        return true
    }
}
