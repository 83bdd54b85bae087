extension VersionRange {
    /// Reads a range, or returns nil when the text does not have the shape.
    public init?(_ text: String) {
        guard text.utf8.count <= Self.bytesMax else { return nil }
        var alternatives: [[Comparator]] = []
        for part in Self.alternatives(of: text) {
            guard let comparators = Self.comparators(in: part) else { return nil }
            alternatives.append(comparators)
        }
        self.init(text: text, alternatives: Self.simplified(alternatives))
    }

    /// Splits at each `||`.
    private static func alternatives(of text: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = text[...]
        while let bar = rest.utf8.firstIndex(of: UInt8(ascii: "|")) {
            let after = rest.utf8.index(after: bar)
            guard after < rest.endIndex, rest.utf8[after] == UInt8(ascii: "|") else { break }
            parts.append(rest[..<bar])
            rest = rest[rest.utf8.index(after: after)...]
        }
        return parts + [rest]
    }

    /// What never holds is left out where something else may, and all else where one always does.
    private static func simplified(_ alternatives: [[Comparator]]) -> [[Comparator]] {
        let possible = alternatives.filter { $0 != [.never] }
        if possible.isEmpty { return [[.never]] }
        return possible.contains([]) ? [[]] : possible
    }

    /// Reads one alternative; nil when it does not have the shape.
    private static func comparators(in text: Substring) -> [Comparator]? {
        var words = text.split(whereSeparator: { $0.isASCII && $0.isWhitespace })[...]
        if words.count == 3, words[words.startIndex + 1] == "-" {
            guard let from = PartialVersion(words[words.startIndex]),
                let to = PartialVersion(words[words.startIndex + 2])
            else { return nil }
            return cleaned(from.atLeast + to.atMost)
        }
        var result: [Comparator] = []
        while let word = words.popFirst() {
            let sign = Sign.leading(word)
            var version = word.dropFirst(sign.rawValue.utf8.count)
            // Spaces may stand between a sign and its version.
            if version.isEmpty, sign != .none { version = words.popFirst() ?? version }
            guard let partial = PartialVersion(version) else { return nil }
            result += partial.comparators(sign)
        }
        return cleaned(result)
    }

    /// Without repetitions, and without what holds for all; just `never` if that is in it.
    private static func cleaned(_ comparators: [Comparator]) -> [Comparator] {
        if comparators.contains(.never) { return [.never] }
        var result: [Comparator] = []
        for comparator in comparators where comparator != .always {
            if !result.contains(comparator) { result.append(comparator) }
        }
        return result
    }

    /// What stands in front of a version.
    fileprivate enum Sign: String, CaseIterable {
        case atLeast = ">="
        case atMost = "<="
        case pessimistic = "~>"
        case greater = ">"
        case less = "<"
        case tilde = "~"
        case caret = "^"
        case equal = "="
        case none = ""

        static func leading(_ word: Substring) -> Sign {
            allCases.first { word.hasPrefix($0.rawValue) } ?? .none
        }
    }
}

extension VersionRange.Comparator {
    /// Nothing comes before the lowest pre-release of 0.0.0.
    fileprivate static let never = Self(
        relation: .less, version: SemanticVersion(.zero, .zero, .zero, isLowest: true))
    fileprivate static let always = Self(
        relation: .atLeast, version: SemanticVersion(.zero, .zero, .zero))
}

/// A version whose right-hand numbers may be open.
private struct PartialVersion {
    typealias Comparator = VersionRange.Comparator
    typealias Number = SemanticVersion.Number

    /// nil: all are open.
    let major: Number?
    /// nil: this one is open, and so is `patch`.
    let minor: Number?
    let patch: Number?
    /// The lowest version that it may stand for.
    let floor: SemanticVersion

    init?(_ word: Substring) {
        let word = word.hasPrefix("v") ? word.dropFirst() : word
        let core = word.prefix { $0 != "-" && $0 != "+" }
        let parts = core.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 3, core.endIndex == word.endIndex || parts.count == 3 else {
            return nil
        }
        var numbers: [Number?] = []
        for part in parts {
            let isOpen = part == "x" || part == "X" || part == "*"
            let number = Number(part)
            guard isOpen || number != nil else { return nil }
            numbers.append(numbers.contains(nil) ? nil : number)
        }
        numbers += [Number?](repeating: nil, count: 3 - numbers.count)
        let digits = numbers.map { $0 ?? .zero }
        // The part behind the numbers must be right even where it says nothing.
        let written = "\(digits[0]).\(digits[1]).\(digits[2])" + word[core.endIndex...]
        guard SemanticVersion(written) != nil else { return nil }
        let isOpen = numbers.contains(nil)
        let numbersOnly = SemanticVersion(digits[0], digits[1], digits[2])
        let withoutBuild = String(written.prefix { $0 != "+" })
        guard let floor = isOpen ? numbersOnly : SemanticVersion(withoutBuild) else { return nil }
        (major, minor, patch) = (numbers[0], numbers[1], numbers[2])
        self.floor = floor
    }

    func comparators(_ sign: VersionRange.Sign) -> [Comparator] {
        switch sign {
        case .none, .equal: equal
        case .atLeast: atLeast
        case .atMost: atMost
        case .greater: greater
        case .less: less
        case .tilde, .pessimistic: tilde
        case .caret: caret
        }
    }

    var atLeast: [Comparator] { [Comparator(relation: .atLeast, version: floor)] }

    var atMost: [Comparator] {
        guard let major else { return [] }
        guard let minor else { return [below(major.successor)] }
        guard patch != nil else { return [below(major, minor.successor)] }
        return [Comparator(relation: .atMost, version: floor)]
    }

    private var equal: [Comparator] {
        patch == nil ? atLeast + atMost : [Comparator(relation: .equal, version: floor)]
    }

    private var greater: [Comparator] {
        guard let major else { return [.never] }
        let next: SemanticVersion
        if let minor {
            guard patch == nil else { return [Comparator(relation: .greater, version: floor)] }
            next = SemanticVersion(major, minor.successor, .zero)
        } else {
            next = SemanticVersion(major.successor, .zero, .zero)
        }
        return [Comparator(relation: .atLeast, version: next)]
    }

    private var less: [Comparator] {
        guard let major else { return [.never] }
        guard patch == nil else { return [Comparator(relation: .less, version: floor)] }
        return [below(major, minor ?? .zero)]
    }

    /// Allows the patch to change, and more where less is said.
    private var tilde: [Comparator] {
        guard let major else { return [] }
        guard let minor else { return atLeast + [below(major.successor)] }
        return atLeast + [below(major, minor.successor)]
    }

    /// Allows what does not change the leftmost number that is not zero.
    private var caret: [Comparator] {
        guard let major else { return [] }
        guard major == .zero, let minor else { return atLeast + [below(major.successor)] }
        guard minor == .zero, let patch else {
            return atLeast + [below(major, minor.successor)]
        }
        return atLeast + [below(major, minor, patch.successor)]
    }

    /// Below every pre-release of that version too.
    private func below(
        _ major: Number, _ minor: Number = .zero, _ patch: Number = .zero
    ) -> Comparator {
        Comparator(relation: .less, version: SemanticVersion(major, minor, patch, isLowest: true))
    }
}
