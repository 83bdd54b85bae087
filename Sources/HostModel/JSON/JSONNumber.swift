/// A JSON number, kept exactly as it was written.
///
/// Two numbers are equal when they are written alike: `1` and `1.0` are not.
public struct JSONNumber: Hashable, Sendable, CustomStringConvertible {
    /// The digits, as RFC 8259 writes numbers.
    public let text: String

    /// Takes text that the parser has found to be a number.
    init(validated text: String) { self.text = text }

    /// Makes a number from an integer.
    public init(_ value: some BinaryInteger) { text = String(value) }

    /// Makes a number from a floating-point value, or returns nil for infinities and NaN, which
    /// JSON cannot write.
    public init?(_ value: Double) {
        guard value.isFinite else { return nil }
        text = value.description
    }

    /// The value, when it is written without fraction and exponent and fits.
    public var integer: Int64? { Int64(text) }

    /// The value rounded to the nearest `Double`; infinite when it is out of range.
    public var double: Double { Double(text) ?? .nan }

    public var description: String { text }
}
