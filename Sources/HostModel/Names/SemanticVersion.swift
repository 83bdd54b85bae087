/// A version as Semantic Versioning 2.0.0 defines it.
///
/// - Source: semver.org, items 2 and 9 to 11. Numbers have no upper bound there, so they are kept
///   as digits.
public struct SemanticVersion: Hashable, Sendable, CustomStringConvertible {
    /// The longest version text that is read.
    public static let bytesMax = 128
    /// The shape of a version, in words for an error message.
    public static let shape =
        "a version is MAJOR.MINOR.PATCH without leading zeros, then if need be -PRERELEASE, +BUILD"

    /// A number of any size, written without leading zeros.
    public struct Number: Hashable, Comparable, Sendable, CustomStringConvertible {
        let digits: String

        /// Takes decimal digits, or returns nil when there is another character, none, or a zero in
        /// front.
        init?(_ text: some StringProtocol) {
            guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                text == "0" || text.utf8.first != 0x30
            else { return nil }
            digits = String(text)
        }

        init(_ value: UInt64) { digits = String(value) }

        private init(digits: String) { self.digits = digits }

        static let zero = Number(0)

        /// The next number.
        var successor: Number {
            var bytes = Array(digits.utf8)
            var index = bytes.endIndex
            while index > 0 {
                index -= 1
                if bytes[index] != UInt8(ascii: "9") {
                    bytes[index] += 1
                    return Number(digits: String(decoding: bytes, as: UTF8.self))
                }
                bytes[index] = UInt8(ascii: "0")
            }
            return Number(digits: "1" + String(decoding: bytes, as: UTF8.self))
        }

        /// The value, or nil when it is above `UInt64.max`.
        public var value: UInt64? { UInt64(digits) }

        public var description: String { digits }

        public static func < (left: Number, right: Number) -> Bool {
            (left.digits.utf8.count, left.digits) < (right.digits.utf8.count, right.digits)
        }
    }

    /// One dot-separated part of a pre-release.
    enum Identifier: Hashable, Comparable {
        case number(Number)
        case word(String)

        /// Item 11.4: numbers compare as numbers, words in ASCII order, and a number comes first.
        static func < (left: Identifier, right: Identifier) -> Bool {
            switch (left, right) {
            case (.number(let a), .number(let b)): a < b
            case (.word(let a), .word(let b)): a.utf8.lexicographicallyPrecedes(b.utf8)
            case (.number, .word): true
            case (.word, .number): false
            }
        }
    }

    public let major: Number
    public let minor: Number
    public let patch: Number
    /// The part after the hyphen, or nil.
    public let prerelease: String?
    /// The part after the plus sign, or nil.
    public let build: String?
    private let identifiers: [Identifier]

    /// Makes a release's version.
    public init(_ major: UInt64, _ minor: UInt64, _ patch: UInt64) {
        self.init(Number(major), Number(minor), Number(patch))
    }

    /// Reads a version, or returns nil when the text does not have the shape.
    public init?(_ text: String) {
        guard text.utf8.count <= Self.bytesMax else { return nil }
        let plus = text.split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)
        let hyphen = plus[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let core = hyphen[0].split(separator: ".", omittingEmptySubsequences: false)
        guard core.count == 3, let major = Number(core[0]), let minor = Number(core[1]),
            let patch = Number(core[2])
        else { return nil }
        self.major = major
        self.minor = minor
        self.patch = patch
        if plus.count > 1 {
            guard Self.parts(plus[1]) != nil else { return nil }
            build = String(plus[1])
        } else {
            build = nil
        }
        if hyphen.count > 1 {
            guard let parts = Self.parts(hyphen[1]) else { return nil }
            var identifiers: [Identifier] = []
            for part in parts {
                if part.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) {
                    guard let number = Number(part) else { return nil }
                    identifiers.append(.number(number))
                } else {
                    identifiers.append(.word(String(part)))
                }
            }
            self.identifiers = identifiers
            prerelease = String(hyphen[1])
        } else {
            identifiers = []
            prerelease = nil
        }
    }

    /// Makes a version of its numbers.
    ///
    /// - Parameter isLowest: whether it is the pre-release `-0`, before which there is none.
    init(_ major: Number, _ minor: Number, _ patch: Number, isLowest: Bool = false) {
        self.major = major
        self.minor = minor
        self.patch = patch
        prerelease = isLowest ? "0" : nil
        build = nil
        identifiers = isLowest ? [.number(.zero)] : []
    }

    /// Says whether the versions differ in what comes after their numbers, if at all.
    func hasSameNumbers(as other: SemanticVersion) -> Bool {
        (major, minor, patch) == (other.major, other.minor, other.patch)
    }

    public var description: String {
        "\(major).\(minor).\(patch)" + (prerelease.map { "-" + $0 } ?? "")
            + (build.map { "+" + $0 } ?? "")
    }

    /// Splits at dots when every part is one or more of `[0-9A-Za-z-]`.
    private static func parts(_ text: Substring) -> [Substring]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let valid = parts.allSatisfy { part in
            !part.isEmpty
                && part.utf8.allSatisfy { byte in
                    switch byte {
                    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D: true
                    default: false
                    }
                }
        }
        return valid ? parts : nil
    }
}

extension SemanticVersion: Comparable {
    /// Orders by precedence; versions that differ in build metadata only, and so have the same
    /// precedence, are put in the order of that metadata to make the order total.
    public static func < (left: SemanticVersion, right: SemanticVersion) -> Bool {
        if left.precedes(right) { return true }
        if right.precedes(left) { return false }
        return (left.build ?? "").utf8.lexicographicallyPrecedes((right.build ?? "").utf8)
    }

    /// Says whether this version has the lower precedence; build metadata does not count.
    ///
    /// - Source: semver.org, item 11.
    public func precedes(_ other: SemanticVersion) -> Bool {
        let core = (major, minor, patch)
        let otherCore = (other.major, other.minor, other.patch)
        guard core == otherCore else { return core < otherCore }
        switch (identifiers.isEmpty, other.identifiers.isEmpty) {
        case (true, _): return false
        case (false, true): return true
        case (false, false): return identifiers.lexicographicallyPrecedes(other.identifiers)
        }
    }
}
