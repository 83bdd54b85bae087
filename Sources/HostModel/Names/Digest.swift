/// A SHA-256 value.
///
/// - Shape: 32 bytes; written as 64 lower-case hex digits.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
    /// The length of a digest.
    public static let byteCount = 32

    public let bytes: [UInt8]

    /// What stands where nobody asks for a digest: 32 zeros, which nothing is known to have.
    public static let none = Digest(zeros: byteCount)

    private init(zeros count: Int) { bytes = Array(repeating: 0, count: count) }

    /// Takes 32 bytes, or returns nil when there are more or fewer.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// Reads 64 hex digits of either case, or returns nil.
    public init?(hex: String) {
        let digits = Array(hex.utf8)
        guard digits.count == 2 * Self.byteCount else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = HexDigit.value(digits[index]),
                let low = HexDigit.value(digits[index + 1])
            else { return nil }
            bytes.append(high << 4 | low)
        }
        self.bytes = bytes
    }

    /// The digest as 64 lower-case hex digits.
    public var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(2 * Self.byteCount)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    public var description: String { hex }
}

/// The value of one hexadecimal digit.
enum HexDigit {
    static func value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
