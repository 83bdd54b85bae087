/// Writes a response's head, and the framing of chunks, into memory that the caller reserved.
///
/// A head of status line, cached date, one field and length costs 265 instructions in a release
/// build (`valgrind --tool=callgrind`, x86-64). Each function writes all of its bytes or, when it
/// returns false, none of them. Reserve what `ResponseWriter.lengthMax` says, and false means only
/// that the bytes were refused.
@safe
public struct ResponseWriter {
    private let start: UnsafeMutablePointer<UInt8>
    private let end: UnsafeMutablePointer<UInt8>
    private var next: UnsafeMutablePointer<UInt8>

    /// The bytes written so far.
    @inline(__always)
    public var count: Int { unsafe next - start }

    /// Makes a writer at the start of the room, which must have an address and outlive it.
    public init(_ room: UnsafeMutableRawBufferPointer) {
        guard let base = room.baseAddress else {
            preconditionFailure("a writer needs room")
        }
        unsafe start = base.assumingMemoryBound(to: UInt8.self)
        unsafe end = start + room.count
        unsafe next = start
    }

    /// The most bytes that a head takes, apart from its fields: status line, `Date`,
    /// `Content-Length` and the empty line.
    public static let frameLengthMax = StatusLine.lengthMax + 37 + 38 + 2

    /// The most bytes of a head with these fields beside `Date` and `Content-Length`.
    ///
    /// - Shape: `fieldBytes` is the sum of the lengths of all names and values.
    public static func lengthMax(fieldCount: Int, fieldBytes: Int) -> Int {
        frameLengthMax + 4 * fieldCount + fieldBytes
    }

    /// Writes the status line; a code without a registered reason gets an empty one.
    ///
    /// Returns false for codes outside 100 to 999, which is all that three digits can say.
    ///
    /// - Source: RFC 9112, section 4.
    public mutating func statusLine(_ status: UInt16) -> Bool {
        if status == 200 { return put(ByteSlice("HTTP/1.1 200 OK\r\n")) }
        if let text = StatusLine.text(of: status) { return verbatim(ByteSlice(text)) }
        guard status >= 100, status <= 999, let out = unsafe reserve(15) else { return false }
        unsafe Self.copy(ByteSlice("HTTP/1.1 "), to: out)
        unsafe out[9] = UInt8(ascii: "0") + UInt8(status / 100)
        unsafe out[10] = UInt8(ascii: "0") + UInt8(status / 10 % 10)
        unsafe out[11] = UInt8(ascii: "0") + UInt8(status % 10)
        unsafe out[12] = 0x20
        unsafe out[13] = 0x0D
        unsafe out[14] = 0x0A
        return true
    }

    /// Writes a field line whose name and value come from elsewhere.
    ///
    /// Returns false when the name is not a token or the value has a control byte other than a
    /// tab: CR and LF would let the value write further fields, or a body.
    ///
    /// - Source: RFC 9110, section 5.5; RFC 9112, section 11.1.
    public mutating func field(_ name: ByteSlice, _ value: ByteSlice) -> Bool {
        guard Scan.isToken(name) else { return false }
        return write(name, value)
    }

    /// Writes what nearly every head consists of in one go: lines that were made earlier, fields
    /// that come from elsewhere, and `Content-Length` unless there is no `length`.
    ///
    /// Returns false when a field is refused, as `field` does or because it is reserved; then some
    /// of the others may have been written.
    ///
    /// - Shape: as for `ready`.
    public mutating func head(
        ready lines: UnsafePointer<UInt8>, count: Int,
        _ fields: UnsafeBufferPointer<HeaderField>, length: UInt64?
    ) -> Bool {
        // In a variable of its own the place is kept in a register.
        var writer = self
        guard unsafe writer.putReady(lines, count: count) else { return false }
        for index in 0..<fields.count {
            let field = unsafe fields[index]
            if Self.isContentType(field.name) {
                guard writer.writeContentType(field.value) else { return false }
            } else {
                guard !ReservedField.includes(field.name), Scan.isToken(field.name),
                    writer.write(field.name, field.value)
                else { return false }
            }
        }
        if let length {
            guard writer.putLength(length) else { return false }
        }
        self = writer
        return true
    }

    /// "Content-", "Type" and "t-Type: " as `Word` reads them.
    private static let contentAndHyphen: UInt64 = 0x2D74_6E65_746E_6F43
    private static let type: UInt32 = 0x6570_7954
    private static let endOfContentType: UInt64 = 0x203A_6570_7954_2D74

    /// Whether this is the name that most heads have, in the case in which they have it.
    @inline(__always)
    private static func isContentType(_ name: ByteSlice) -> Bool {
        guard name.count == 12, let start = unsafe name.base else { return false }
        return unsafe Word.load(start) == contentAndHyphen && Word.load4(start + 8) == type
    }

    @inline(__always)
    private mutating func writeContentType(_ value: ByteSlice) -> Bool {
        guard Scan.isFieldValue(value), let out = unsafe reserve(value.count &+ 16) else {
            return false
        }
        unsafe Word.store(Self.contentAndHyphen, out)
        unsafe Word.store(Self.endOfContentType, out + 6)
        unsafe Self.copy(value, to: out + 14)
        let end = unsafe out + (14 &+ value.count)
        unsafe end[0] = 0x0D
        unsafe end[1] = 0x0A
        return true
    }

    /// Writes a field line with a name that the program states, and so is a token.
    public mutating func field(_ name: StaticString, _ value: ByteSlice) -> Bool {
        write(ByteSlice(name), value)
    }

    /// Writes `Content-Length`.
    public mutating func contentLength(_ length: UInt64) -> Bool { putLength(length) }

    @inline(__always)
    private mutating func putLength(_ length: UInt64) -> Bool {
        let digits = Self.decimalDigits(length)
        guard let out = unsafe reserve(18 &+ digits) else { return false }
        unsafe Self.copy(ByteSlice("Content-Length: "), to: out)
        if length < 100 {
            unsafe Self.putPair(Int(truncatingIfNeeded: length), digits, out + 16)
        } else {
            unsafe Self.putDecimal(length, digits, out + 16)
        }
        unsafe out[16 &+ digits] = 0x0D
        unsafe out[17 &+ digits] = 0x0A
        return true
    }

    /// Writes `Date` for a time in seconds since 1970; costs far more than copying a line that was
    /// made once a second.
    public mutating func date(secondsSinceEpoch: Int64) -> Bool {
        guard let out = unsafe reserve(37) else { return false }
        unsafe Self.copy(ByteSlice("Date: "), to: out)
        unsafe HTTPDate.format(
            secondsSinceEpoch: secondsSinceEpoch,
            into: UnsafeMutableRawBufferPointer(start: out + 6, count: HTTPDate.length))
        unsafe out[35] = 0x0D
        unsafe out[36] = 0x0A
        return true
    }

    /// Writes bytes as they are: lines made earlier, a body, the CR LF after a chunk.
    public mutating func verbatim(_ bytes: ByteSlice) -> Bool { put(bytes) }

    /// Counts bytes as written that the caller has put there.
    public mutating func skip(_ count: Int) { _ = unsafe reserve(count) }

    /// How much of ready lines is copied in one go.
    public static let readyBytesMax = 80

    /// Writes lines that were made earlier and come with most heads: without a look at how long
    /// they are, where they are of the usual length.
    ///
    /// - Shape: `readyBytesMax` bytes may be read from `lines` on, whatever `count` is.
    public mutating func ready(_ lines: UnsafePointer<UInt8>, count: Int) -> Bool {
        unsafe putReady(lines, count: count)
    }

    @inline(__always)
    private mutating func putReady(_ lines: UnsafePointer<UInt8>, count: Int) -> Bool {
        guard count <= Self.readyBytesMax, unsafe end - next >= Self.readyBytesMax else {
            return unsafe put(ByteSlice(lines, count: count))
        }
        let out = unsafe next
        unsafe Word.copy(SIMD2<UInt64>.self, lines, out)
        unsafe Word.copy(SIMD2<UInt64>.self, lines + 16, out + 16)
        unsafe Word.copy(SIMD2<UInt64>.self, lines + 32, out + 32)
        unsafe Word.copy(SIMD2<UInt64>.self, lines + 48, out + 48)
        unsafe Word.copy(SIMD2<UInt64>.self, lines + 64, out + 64)
        unsafe next = out + count
        return true
    }

    /// Writes the empty line that ends a head or a trailer section.
    public mutating func endOfHead() -> Bool {
        guard let out = unsafe reserve(2) else { return false }
        unsafe out[0] = 0x0D
        unsafe out[1] = 0x0A
        return true
    }

    /// The most bytes of a chunk's size line.
    public static let chunkSizeLengthMax = 18

    /// Writes a chunk's size line; the data and CR LF follow.
    ///
    /// - Shape: lower-case hex digits and CR LF. Size 0 is the last chunk and wants `endOfHead`
    ///   after it instead of data.
    /// - Source: RFC 9112, section 7.1.
    public mutating func chunkSize(_ size: UInt64) -> Bool {
        let digits = max(1, (67 - size.leadingZeroBitCount) >> 2)
        guard let out = unsafe reserve(digits + 2) else { return false }
        var rest = size
        var at = digits
        while at > 0 {
            at -= 1
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            unsafe out[at] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
            rest >>= 4
        }
        unsafe out[digits] = 0x0D
        unsafe out[digits + 1] = 0x0A
        return true
    }

    @inline(__always)
    private mutating func put(_ bytes: ByteSlice) -> Bool {
        guard let out = unsafe reserve(bytes.count) else { return false }
        unsafe Self.copy(bytes, to: out)
        return true
    }

    @inline(__always)
    private mutating func write(_ name: ByteSlice, _ value: ByteSlice) -> Bool {
        guard Scan.isFieldValue(value) else { return false }
        guard let out = unsafe reserve(name.count &+ value.count &+ 4) else { return false }
        unsafe Self.copy(name, to: out)
        unsafe out[name.count] = UInt8(ascii: ":")
        unsafe out[name.count &+ 1] = 0x20
        unsafe Self.copy(value, to: out + (name.count &+ 2))
        let end = unsafe out + (name.count &+ 2 &+ value.count)
        unsafe end[0] = 0x0D
        unsafe end[1] = 0x0A
        return true
    }

    /// Takes `length` bytes of the room, or nothing when there are fewer.
    @inline(__always)
    private mutating func reserve(_ length: Int) -> UnsafeMutablePointer<UInt8>? {
        let place = unsafe next
        guard unsafe length <= end - place else { return nil }
        unsafe next = place + length
        return unsafe place
    }

    /// Copies in steps that fit what heads are made of, which is cheaper than a call.
    ///
    /// The last step overlaps the one before it.
    @inline(__always)
    private static func copy(_ bytes: ByteSlice, to out: UnsafeMutablePointer<UInt8>) {
        guard let from = unsafe bytes.base else { return }
        let length = bytes.count
        if length > 128 {
            unsafe copyMany(from, length, out)
        } else if length >= 16 {
            var at = 0
            while at &+ 16 < length {
                unsafe Word.copy(SIMD2<UInt64>.self, from + at, out + at)
                at &+= 16
            }
            let last = length &- 16
            unsafe Word.copy(SIMD2<UInt64>.self, from + last, out + last)
        } else if length >= 8 {
            let last = length &- 8
            unsafe Word.copy(UInt64.self, from, out)
            unsafe Word.copy(UInt64.self, from + last, out + last)
        } else if length >= 4 {
            let last = length &- 4
            unsafe Word.copy(UInt32.self, from, out)
            unsafe Word.copy(UInt32.self, from + last, out + last)
        } else {
            for at in 0..<length { unsafe out[at] = from[at] }
        }
    }

    @inline(never)
    private static func copyMany(
        _ from: UnsafePointer<UInt8>, _ length: Int, _ out: UnsafeMutablePointer<UInt8>
    ) {
        unsafe UnsafeMutableRawPointer(out).copyMemory(from: from, byteCount: length)
    }

    @inline(__always)
    private static func decimalDigits(_ value: UInt64) -> Int {
        if value < 10 { return 1 }
        if value < 100 { return 2 }
        if value < 1_000 { return 3 }
        if value < 10_000 { return 4 }
        return manyDigits(value)
    }

    @inline(never)
    private static func manyDigits(_ value: UInt64) -> Int {
        var digits = 4
        var rest = value / 10_000
        while rest > 0 {
            digits += 1
            rest /= 10
        }
        return digits
    }

    /// The numbers below 100, two digits each.
    @inline(__always)
    private static var pairs: StaticString {
        """
        0001020304050607080910111213141516171819\
        2021222324252627282930313233343536373839\
        4041424344454647484950515253545556575859\
        6061626364656667686970717273747576777879\
        8081828384858687888990919293949596979899
        """
    }

    /// Writes a number below 100; one that has one digit may be followed by a byte that the caller
    /// writes over.
    @inline(__always)
    private static func putPair(
        _ value: Int, _ digits: Int, _ out: UnsafeMutablePointer<UInt8>
    ) {
        unsafe Word.copy(UInt16.self, pairs.utf8Start + (2 &* value &+ 2 &- digits), out)
    }

    /// Writes the digits two at a time.
    @inline(never)
    private static func putDecimal(
        _ value: UInt64, _ digits: Int, _ out: UnsafeMutablePointer<UInt8>
    ) {
        var rest = value
        var at = digits
        while at >= 2 {
            let quotient = rest / 100
            let pair = Int(truncatingIfNeeded: rest &- quotient &* 100)
            at &-= 2
            unsafe Word.copy(UInt16.self, pairs.utf8Start + 2 &* pair, out + at)
            rest = quotient
        }
        if at == 1 { unsafe out[0] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest) }
    }
}
