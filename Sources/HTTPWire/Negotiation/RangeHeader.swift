/// A run of bytes of a representation.
public struct ByteRange: Equatable, Sendable {
    /// The position of the first byte.
    public var first: UInt64
    /// The position of the last byte, which belongs to the range.
    public var last: UInt64

    /// Makes the range from `first` to `last`, both included.
    public init(first: UInt64, last: UInt64) {
        self.first = first
        self.last = last
    }

    /// The number of bytes.
    public var length: UInt64 { last - first + 1 }
}

/// What a `Range` field asks for.
public enum RangeOutcome: Equatable, Sendable {
    /// Answer as if the field were not there: another unit, a syntax error, or an unreasonable
    /// request.
    case ignored
    /// The first `count` places of the buffer hold the ranges, in the order in which they came.
    case satisfiable(count: Int)
    /// Answer 416: no range touches the representation.
    case unsatisfiable
}

/// Reads the `Range` field.
public enum RangeHeader {
    /// Resolves the ranges of a field value against a representation of `size` bytes.
    ///
    /// Ranges that lie beyond the end are dropped; those that cross it are cut. A request for more
    /// ranges than the buffer holds, or for more bytes than there are, gains the client nothing
    /// and is ignored.
    ///
    /// - Source: RFC 9110, sections 14.1.1, 14.1.2 and 14.2.
    public static func parse(
        _ value: ByteSlice, size: UInt64, into ranges: UnsafeMutableBufferPointer<ByteRange>
    ) -> RangeOutcome {
        guard value.count > 6, value[0..<6].equalsIgnoringCase("bytes=") else { return .ignored }
        var list = ListElements(value[6..<value.count])
        var count = 0
        var total: UInt64 = 0
        while let element = list.next() {
            switch resolve(element, size: size) {
            case .invalid: return .ignored
            case .beyond: continue
            case .range(let range):
                let (sum, overflow) = total.addingReportingOverflow(range.length)
                guard count < ranges.count, !overflow, sum <= size else { return .ignored }
                unsafe ranges[count] = range
                count += 1
                total = sum
            }
        }
        if list.count == 0 { return .ignored }
        return count > 0 ? .satisfiable(count: count) : .unsatisfiable
    }

    private enum Resolved {
        case invalid, beyond
        case range(ByteRange)
    }

    private static func resolve(_ text: ByteSlice, size: UInt64) -> Resolved {
        guard let dash = text.firstIndex(of: UInt8(ascii: "-")) else { return .invalid }
        let right = text[(dash + 1)..<text.count]
        if dash == 0 {
            guard let suffix = position(right), size > 0 || suffix == 0 else { return .invalid }
            if suffix == 0 { return .beyond }
            return .range(ByteRange(first: size - min(suffix, size), last: size - 1))
        }
        guard let first = position(text[0..<dash]) else { return .invalid }
        var last = UInt64.max
        if !right.isEmpty {
            guard let end = position(right), end >= first else { return .invalid }
            last = end
        }
        return first < size ? .range(ByteRange(first: first, last: min(last, size - 1))) : .beyond
    }

    /// A decimal position; what exceeds 64 bits is as far away as can be.
    private static func position(_ digits: ByteSlice) -> UInt64? {
        guard !digits.isEmpty else { return nil }
        for index in 0..<digits.count where !CharacterClass.isDigit(digits[index]) { return nil }
        return digits.asInteger ?? .max
    }
}
