/// A regular expression, taken apart.
indirect enum PatternExpression {
    case step(SchemaPattern.Step)
    case sequence([PatternExpression])
    case choice(PatternExpression, PatternExpression)
    /// - Parameter most: nil for as many as there are.
    case repetition(PatternExpression, least: Int, most: Int?)
}

/// Reads the text of a regular expression; groups inside each other are limited.
struct PatternParser {
    typealias Failure = SchemaPattern.Failure

    private static let depthMax = 64
    private let scalars: [Unicode.Scalar]
    private var index = 0
    private var depth = 0

    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    /// Reads all of it.
    mutating func expression() throws(Failure) -> PatternExpression {
        let result = try choice()
        guard index == scalars.count else { throw Failure(message: "a \")\" closes no group") }
        return result
    }

    private var current: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard current == scalar else { return false }
        index += 1
        return true
    }

    private mutating func choice() throws(Failure) -> PatternExpression {
        let first = try sequence()
        guard take("|") else { return first }
        return .choice(first, try choice())
    }

    private mutating func sequence() throws(Failure) -> PatternExpression {
        var parts: [PatternExpression] = []
        while let scalar = current, scalar != "|", scalar != ")" {
            parts.append(try quantified(try atom()))
        }
        return .sequence(parts)
    }

    private mutating func atom() throws(Failure) -> PatternExpression {
        guard let scalar = current else { return .sequence([]) }
        index += 1
        switch scalar {
        case "^": return .step(.start)
        case "$": return .step(.end)
        case ".": return .step(.character(.anyButLineEnd))
        case "(": return try group()
        case "[": return .step(.character(try characterClass()))
        case "\\": return .step(.character(try escape()))
        case "*", "+", "?":
            throw Failure(message: "there is nothing before \"\(scalar)\" to repeat")
        case "{", "}", "]": throw Failure(message: "write \"\\\(scalar)\" for that character")
        default: return .step(.character(Self.single(scalar)))
        }
    }

    private mutating func group() throws(Failure) -> PatternExpression {
        if take("?") {
            guard take(":") else {
                throw Failure(message: "of groups that begin with \"(?\" only \"(?:\" is offered")
            }
        }
        guard depth < Self.depthMax else {
            throw Failure(message: "more than \(Self.depthMax) groups are inside each other")
        }
        depth += 1
        let result = try choice()
        depth -= 1
        guard take(")") else { throw Failure(message: "a group is not closed") }
        return result
    }

    private mutating func quantified(
        _ part: PatternExpression
    ) throws(Failure) -> PatternExpression {
        var result = part
        if take("*") {
            result = .repetition(part, least: 0, most: nil)
        } else if take("+") {
            result = .repetition(part, least: 1, most: nil)
        } else if take("?") {
            result = .repetition(part, least: 0, most: 1)
        } else if take("{") {
            let least = try number()
            let hasComma = take(",")
            let most = hasComma ? (current == "}" ? nil : try number()) : least
            guard take("}") else { throw Failure(message: "a \"{\" is not closed") }
            if let most, most < least {
                throw Failure(message: "{\(least),\(most)} asks for more than it allows")
            }
            result = .repetition(part, least: least, most: most)
        } else {
            return part
        }
        // A lazy quantifier finds another match, but never none where there is one.
        _ = take("?")
        return result
    }

    private mutating func number() throws(Failure) -> Int {
        var digits = ""
        while let scalar = current, ("0"..."9").contains(scalar) {
            digits.unicodeScalars.append(scalar)
            index += 1
        }
        guard let value = Int(digits), value <= SchemaPattern.repetitionsMax else {
            throw Failure(
                message: "a repetition is a number up to \(SchemaPattern.repetitionsMax)")
        }
        return value
    }

    private mutating func characterClass() throws(Failure) -> SchemaCharacterClass {
        var result = SchemaCharacterClass()
        result.isNegated = take("^")
        while !take("]") {
            let first = try classMember()
            guard current == "-", index + 1 < scalars.count, scalars[index + 1] != "]" else {
                result.ranges += first.positiveRanges
                continue
            }
            index += 1
            let last = try classMember()
            guard let from = Self.only(first), let to = Self.only(last), from <= to else {
                throw Failure(message: "a range of characters goes from a lower to a higher one")
            }
            result.ranges.append(from...to)
        }
        return result
    }

    private mutating func classMember() throws(Failure) -> SchemaCharacterClass {
        guard let scalar = current else { throw Failure(message: "a \"[\" is not closed") }
        index += 1
        guard scalar == "\\" else { return Self.single(scalar) }
        if take("b") { return Self.single("\u{8}") }
        return try escape()
    }

    private mutating func escape() throws(Failure) -> SchemaCharacterClass {
        guard let scalar = current else { throw Failure(message: "it ends in a backslash") }
        index += 1
        switch scalar {
        case "d": return .digits
        case "D": return .digits.opposite
        case "w": return .word
        case "W": return .word.opposite
        case "s": return .space
        case "S": return .space.opposite
        case "t": return Self.single("\t")
        case "n": return Self.single("\n")
        case "r": return Self.single("\r")
        case "f": return Self.single("\u{C}")
        case "v": return Self.single("\u{B}")
        case "x": return try hex(2)
        case "u": return try unicode()
        case "-", "^", "$", "\\", ".", "*", "+", "?", "(", ")", "[", "]", "{", "}", "|", "/":
            return Self.single(scalar)
        default:
            throw Failure(message: "\"\\\(scalar)\" is not offered")
        }
    }

    private mutating func unicode() throws(Failure) -> SchemaCharacterClass {
        guard take("{") else { return try hex(4) }
        let digits = scalars[index...].prefix { $0 != "}" }.count
        guard (1...6).contains(digits) else {
            throw Failure(message: "\\u{...} takes one to six hex digits")
        }
        let result = try hex(digits)
        _ = take("}")
        return result
    }

    private mutating func hex(_ count: Int) throws(Failure) -> SchemaCharacterClass {
        let digits = String(String.UnicodeScalarView(scalars[index...].prefix(count)))
        guard digits.unicodeScalars.count == count, digits.allSatisfy(\.isHexDigit),
            let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value)
        else { throw Failure(message: "an escape takes \(count) hex digits of a character") }
        index += count
        return Self.single(scalar)
    }

    private static func single(_ scalar: Unicode.Scalar) -> SchemaCharacterClass {
        SchemaCharacterClass(ranges: [scalar.value...scalar.value])
    }

    private static func only(_ set: SchemaCharacterClass) -> UInt32? {
        guard !set.isNegated, set.ranges.count == 1, set.ranges[0].count == 1 else { return nil }
        return set.ranges[0].lowerBound
    }
}
