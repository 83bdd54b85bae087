/// A decimal number without rounding, for the comparisons of a schema: 1.0 is 1, and 0.0075 is a
/// multiple of 0.0001.
struct ExactNumber: Equatable, Comparable {
    private let isNegative: Bool
    /// The significant digits, neither end a zero; empty for zero.
    private let digits: [UInt8]
    /// The power of ten that the last digit counts.
    private let exponent: Int

    private static let exponentMax = 1 << 40

    init(_ number: JSONNumber) {
        var digits: [UInt8] = []
        var exponent = 0
        var isFraction = false
        var rest = Substring(number.text)
        let isNegative = rest.hasPrefix("-")
        if isNegative { rest = rest.dropFirst() }
        while let byte = rest.utf8.first, byte != UInt8(ascii: "e"), byte != UInt8(ascii: "E") {
            rest = rest.dropFirst()
            if byte == UInt8(ascii: ".") {
                isFraction = true
            } else {
                digits.append(byte - UInt8(ascii: "0"))
                if isFraction { exponent -= 1 }
            }
        }
        if !rest.isEmpty {
            let text = rest.dropFirst()
            let limit = text.hasPrefix("-") ? -Self.exponentMax : Self.exponentMax
            let written = Int(text) ?? limit
            exponent += min(max(written, -Self.exponentMax), Self.exponentMax)
        }
        while digits.last == 0 {
            digits.removeLast()
            exponent += 1
        }
        self.digits = Array(digits.drop { $0 == 0 })
        self.exponent = self.digits.isEmpty ? 0 : exponent
        self.isNegative = isNegative && !self.digits.isEmpty
    }

    /// Whether it is whole.
    var isInteger: Bool { exponent >= 0 }

    var isPositive: Bool { !isNegative && !digits.isEmpty }

    /// As a count; nil when it is not whole, negative, or more than `max`.
    func count(max: Int) -> Int? {
        guard isInteger, !isNegative, digits.count + exponent <= 18 else { return nil }
        var value = digits.reduce(0) { $0 * 10 + Int($1) }
        for _ in 0..<exponent { value *= 10 }
        return value <= max ? value : nil
    }

    /// The digits as one number; nil when there are more than fit.
    private var significand: UInt64? {
        guard digits.count <= 18 else { return nil }
        return digits.reduce(0) { $0 * 10 + UInt64($1) }
    }

    /// Whether it can be divided by with `isMultiple`.
    var isDivisor: Bool { isPositive && significand != nil }

    /// Whether it is a whole number of times as large as a divisor.
    func isMultiple(of divisor: ExactNumber) -> Bool {
        guard let modulus = divisor.significand, modulus > 0 else { return false }
        if digits.isEmpty { return true }
        // Neither ends in a zero: a larger power of ten below leaves a fraction.
        guard exponent >= divisor.exponent else { return false }
        let wide = UInt128(modulus)
        var rest: UInt128 = 0
        for digit in digits { rest = (rest * 10 + UInt128(digit)) % wide }
        var power: UInt128 = 10 % wide
        var zeros = exponent - divisor.exponent
        while zeros > 0 {
            if zeros & 1 == 1 { rest = rest * power % wide }
            power = power * power % wide
            zeros >>= 1
        }
        return rest == 0
    }

    static func < (left: ExactNumber, right: ExactNumber) -> Bool {
        if left.isNegative != right.isNegative { return left.isNegative }
        return left.isNegative
            ? right.isSmallerMagnitude(than: left) : left.isSmallerMagnitude(than: right)
    }

    private func isSmallerMagnitude(than other: ExactNumber) -> Bool {
        if digits.isEmpty || other.digits.isEmpty { return digits.isEmpty && !other.digits.isEmpty }
        let (size, otherSize) = (digits.count + exponent, other.digits.count + other.exponent)
        if size != otherSize { return size < otherSize }
        return digits.lexicographicallyPrecedes(other.digits)
    }
}

extension JSONValue {
    /// Whether two values are the same for a schema: numbers by value, texts character by
    /// character.
    ///
    /// - Source: JSON Schema 2020-12 core, section 4.2.2.
    func isSame(as other: JSONValue) -> Bool {
        switch (self, other) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.number(let left), .number(let right)): ExactNumber(left) == ExactNumber(right)
        case (.string(let left), .string(let right)):
            left.unicodeScalars.elementsEqual(right.unicodeScalars)
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.isSame(as: $1) }
        case (.object(let left), .object(let right)):
            left.count == right.count
                && left.members.allSatisfy { key, value in
                    right[key].map { value.isSame(as: $0) } ?? false
                }
        default: false
        }
    }
}
