/// A regular expression of a schema: the part of ECMA-262 that JSON Schema recommends.
///
/// It takes time in proportion to the text, whatever the expression: all ways through it are gone
/// at once, and none is gone twice.
///
/// - Shape: characters, `.`, classes with ranges, `\d \w \s` and their opposites, groups, `|`, the
///   anchors `^` and `$`, and the quantifiers `* + ? {n} {n,} {n,m}`, also lazy. There are no
///   look-around, back references, word boundaries or Unicode properties.
/// - Source: JSON Schema 2020-12 core, section 6.4.
struct SchemaPattern: Sendable {
    /// Why an expression is not taken.
    struct Failure: Error {
        let message: String
    }

    /// The most steps that an expression may come to.
    static let stepsMax = 10_000
    static let repetitionsMax = 1_000

    enum Step: Sendable {
        case character(SchemaCharacterClass)
        case start
        case end
        /// Goes on at both.
        case split(Int, Int)
        case jump(Int)
        case match
    }

    private let steps: [Step]

    init(_ text: String) throws(Failure) {
        var parser = PatternParser(text)
        let expression = try parser.expression()
        var steps: [Step] = []
        try Self.append(expression, to: &steps)
        steps.append(.match)
        self.steps = steps
    }

    private static func append(
        _ expression: PatternExpression, to steps: inout [Step]
    ) throws(Failure) {
        guard steps.count < stepsMax else {
            throw Failure(message: "it comes to more than \(stepsMax) steps")
        }
        switch expression {
        case .step(let step): steps.append(step)
        case .sequence(let parts):
            for part in parts { try append(part, to: &steps) }
        case .choice(let left, let right):
            let fork = steps.count
            steps.append(.split(fork + 1, 0))
            try append(left, to: &steps)
            let jump = steps.count
            steps.append(.jump(0))
            steps[fork] = .split(fork + 1, steps.count)
            try append(right, to: &steps)
            steps[jump] = .jump(steps.count)
        case .repetition(let part, let least, let most):
            for _ in 0..<least { try append(part, to: &steps) }
            guard let most else {
                let fork = steps.count
                steps.append(.split(fork + 1, 0))
                try append(part, to: &steps)
                steps.append(.jump(fork))
                steps[fork] = .split(fork + 1, steps.count)
                return
            }
            var forks: [Int] = []
            for _ in least..<max(least, most) {
                forks.append(steps.count)
                steps.append(.split(0, 0))
                try append(part, to: &steps)
            }
            for fork in forks { steps[fork] = .split(fork + 1, steps.count) }
        }
    }

    /// Whether it matches anywhere in the text.
    func matches(_ text: String) -> Bool {
        let scalars = Array(text.unicodeScalars)
        var current: [Int] = []
        var next: [Int] = []
        var seen = [Int](repeating: -1, count: steps.count)
        for position in 0...scalars.count {
            let isLast = position == scalars.count
            /// Follows what takes no character; true at a match.
            func enter(_ first: Int, into list: inout [Int], at position: Int) -> Bool {
                var waiting = [first]
                while let step = waiting.popLast() {
                    guard seen[step] != position else { continue }
                    seen[step] = position
                    switch steps[step] {
                    case .match: return true
                    case .jump(let target): waiting.append(target)
                    case .split(let one, let other): waiting += [other, one]
                    case .start: if position == 0 { waiting.append(step + 1) }
                    case .end: if position == scalars.count { waiting.append(step + 1) }
                    case .character: list.append(step)
                    }
                }
                return false
            }
            if enter(0, into: &current, at: position) { return true }
            guard !isLast else { return false }
            next.removeAll(keepingCapacity: true)
            for step in current {
                if case .character(let set) = steps[step], set.contains(scalars[position]),
                    enter(step + 1, into: &next, at: position + 1)
                {
                    return true
                }
            }
            swap(&current, &next)
        }
        return false
    }
}

/// Some characters.
struct SchemaCharacterClass: Sendable {
    var ranges: [ClosedRange<UInt32>] = []
    var isNegated = false

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        ranges.contains { $0.contains(scalar.value) } != isNegated
    }

    static let digits = SchemaCharacterClass(ranges: [0x30...0x39])
    static let word = SchemaCharacterClass(
        ranges: [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
    /// Source: ECMA-262, WhiteSpace and LineTerminator.
    static let space = SchemaCharacterClass(
        ranges: [
            0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A,
            0x2028...0x2029, 0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
        ])
    static let anyButLineEnd = SchemaCharacterClass(
        ranges: [0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029], isNegated: true)

    var opposite: SchemaCharacterClass {
        SchemaCharacterClass(ranges: ranges, isNegated: !isNegated)
    }

    /// The same characters without `isNegated`.
    var positiveRanges: [ClosedRange<UInt32>] {
        guard isNegated else { return ranges }
        var result: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > next { result.append(next...(range.lowerBound - 1)) }
            next = max(next, range.upperBound + 1)
        }
        if next <= 0x10FFFF { result.append(next...0x10FFFF) }
        return result
    }
}
