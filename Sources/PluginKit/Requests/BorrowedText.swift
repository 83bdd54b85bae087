import CPluginABI

/// Text of a request, where the host keeps it: read in place, without a copy.
///
/// It cannot outlive the request. `String(text)` makes a copy that can.
@safe
public struct BorrowedText: ~Escapable {
    let start: UnsafePointer<UInt8>?
    /// The length of the text.
    ///
    /// - Units: bytes of UTF-8.
    public let count: Int

    @_lifetime(immortal)
    init(unsafe text: ph_text) {
        unsafe start = UnsafeRawPointer(text.data)?.assumingMemoryBound(to: UInt8.self)
        count = unsafe text.length
    }

    /// Whether there is no text at all.
    public var isEmpty: Bool { count == 0 }

    var buffer: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: start, count: start == nil ? 0 : count)
    }

    /// The bytes of the text.
    public var bytes: Span<UInt8> {
        @_lifetime(copy self)
        get {
            let span = unsafe Span(_unsafeElements: buffer)
            return unsafe _overrideLifetime(span, copying: self)
        }
    }

    /// Whether the text is the same, byte by byte.
    public static func == (text: borrowing BorrowedText, other: StaticString) -> Bool {
        guard text.count == other.utf8CodeUnitCount else { return false }
        return unsafe equalBytes(text.buffer, other.utf8Start, count: text.count)
    }

    /// Whether the text is the same but for the case of ASCII letters.
    public func equalsIgnoringCase(_ other: StaticString) -> Bool {
        guard count == other.utf8CodeUnitCount else { return false }
        for index in 0..<count {
            let left = unsafe lowercased(buffer[index])
            guard unsafe left == lowercased(other.utf8Start[index]) else { return false }
        }
        return true
    }

    /// Whether the text is the same but for the case of ASCII letters.
    func equalsIgnoringCase(_ other: borrowing String) -> Bool {
        guard count == other.utf8.count else { return false }
        var index = 0
        for byte in other.utf8 {
            guard unsafe lowercased(buffer[index]) == lowercased(byte) else { return false }
            index += 1
        }
        return true
    }
}

extension String {
    /// Copies text of a request. Bytes that are not UTF-8 become U+FFFD.
    public init(_ text: borrowing BorrowedText) {
        self = unsafe String(decoding: text.buffer, as: UTF8.self)
    }
}

extension Int {
    /// Reads a whole number, written in decimal digits with an optional minus sign.
    ///
    /// Returns nil for everything else, and for numbers that do not fit.
    public init?(_ text: borrowing BorrowedText) {
        guard let number = unsafe decimal(text.buffer) else { return nil }
        self = number
    }
}

/// Reads digits with an optional minus sign, nothing else.
func decimal(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    var digits = unsafe bytes[...]
    let negative = unsafe digits.first == UInt8(ascii: "-")
    if negative { unsafe digits = digits.dropFirst() }
    guard unsafe !digits.isEmpty else { return nil }
    var value = 0
    for index in unsafe digits.indices {
        let byte = unsafe digits[index]
        guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
        let digit = Int(byte - UInt8(ascii: "0"))
        let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, carry) = scaled.addingReportingOverflow(negative ? -digit : digit)
        guard !overflow, !carry else { return nil }
        value = sum
    }
    return value
}

func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
}

func equalBytes(
    _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafePointer<UInt8>, count: Int
) -> Bool {
    for index in 0..<count {
        guard unsafe left[index] == right[index] else { return false }
    }
    return true
}
