/// What stands in a line: emphasis, code, links, images, and text that is escaped.
///
/// Time is linear in the length of the text, whatever it is made of: that a mark has no counterpart
/// is found out once for each kind of mark.
struct Inline {
    private let text: ArraySlice<UInt8>
    private var at: Int
    /// Marks of which no further counterpart follows: a number of backticks, or a mark of emphasis
    /// with how often it stands in its upper byte.
    private var missing: [UInt16] = []
    private let depth: Int

    static func write(_ text: ArraySlice<UInt8>, to output: inout [UInt8]) {
        var trimmed = text
        while trimmed.last == 32 { trimmed.removeLast() }
        var inline = Inline(trimmed, depth: 0)
        inline.write(to: &output)
    }

    private init(_ text: ArraySlice<UInt8>, depth: Int) {
        self.text = text
        self.depth = depth
        at = text.startIndex
    }

    private func byte(_ index: Int) -> UInt8 {
        index >= text.startIndex && index < text.endIndex ? text[index] : 32
    }

    private mutating func write(to output: inout [UInt8]) {
        while at < text.endIndex {
            switch text[at] {
            case UInt8(ascii: "\\"): writeEscaped(to: &output)
            case UInt8(ascii: "`"): writeCode(to: &output)
            case UInt8(ascii: "*"), UInt8(ascii: "_"): writeEmphasis(to: &output)
            case UInt8(ascii: "["): writeLink(to: &output)
            case UInt8(ascii: "!") where byte(at + 1) == UInt8(ascii: "["):
                writeImage(to: &output)
            case UInt8(ascii: "<"): writeAddress(to: &output)
            case 32: writeSpaces(to: &output)
            default: writePlain(to: &output)
            }
        }
    }

    private mutating func writePlain(to output: inout [UInt8]) {
        output.escape(text[at])
        at += 1
    }

    /// A backslash takes the meaning from the mark behind it; at the end of a line it breaks that.
    private mutating func writeEscaped(to output: inout [UInt8]) {
        let next = byte(at + 1)
        if next == 10 {
            output += "<br>\n"
            at += 2
        } else if Self.isPunctuation(next), at + 1 < text.endIndex {
            output.escape(next)
            at += 2
        } else {
            writePlain(to: &output)
        }
    }

    /// Two or more spaces at the end of a line break it.
    private mutating func writeSpaces(to output: inout [UInt8]) {
        var end = at
        while end < text.endIndex, text[end] == 32 { end += 1 }
        if end < text.endIndex, text[end] == 10 {
            output += end - at >= 2 ? "<br>\n" : "\n"
            end += 1
        } else {
            output.append(contentsOf: text[at..<end])
        }
        at = end
    }

    // MARK: - Code

    private mutating func writeCode(to output: inout [UInt8]) {
        var start = at
        while start < text.endIndex, text[start] == UInt8(ascii: "`") { start += 1 }
        let count = start - at
        guard let end = codeEnd(from: start, count) else {
            output.append(contentsOf: text[at..<start])
            at = start
            return
        }
        var code = text[start..<end]
        if code.count > 2, code.first == 32, code.last == 32 {
            code = code.dropFirst().dropLast()
        }
        output += "<code>"
        output.escape(code)
        output += "</code>"
        at = end + count
    }

    /// Where as many backticks stand again; nil if they do not.
    private mutating func codeEnd(from start: Int, _ count: Int) -> Int? {
        let mark = UInt16(min(count, 255))
        guard !missing.contains(mark) else { return nil }
        var index = start
        while index < text.endIndex {
            guard text[index] == UInt8(ascii: "`") else {
                index += 1
                continue
            }
            var end = index
            while end < text.endIndex, text[end] == UInt8(ascii: "`") { end += 1 }
            if end - index == count { return index }
            index = end
        }
        missing.append(mark)
        return nil
    }

    // MARK: - Emphasis

    private mutating func writeEmphasis(to output: inout [UInt8]) {
        let mark = text[at]
        var start = at
        while start < text.endIndex, text[start] == mark { start += 1 }
        let count = start - at
        let isInWord = mark == UInt8(ascii: "_") && Self.isWord(byte(at - 1))
        guard depth < Markdown.depthMax, count <= 3, !isInWord, byte(start) > 32,
            let end = emphasisEnd(from: start, mark, count)
        else {
            output.append(contentsOf: text[at..<start])
            at = start
            return
        }
        if count != 2 { output += "<em>" }
        if count != 1 { output += "<strong>" }
        var inner = Inline(text[start..<end], depth: depth + 1)
        inner.write(to: &output)
        if count != 1 { output += "</strong>" }
        if count != 2 { output += "</em>" }
        at = end + count
    }

    /// Where the emphasis ends that so many marks began; nil if it does not.
    private mutating func emphasisEnd(from start: Int, _ mark: UInt8, _ count: Int) -> Int? {
        let kind = UInt16(count) << 8 | UInt16(mark)
        guard !missing.contains(kind) else { return nil }
        var index = start
        while index < text.endIndex {
            switch text[index] {
            case UInt8(ascii: "\\"): index += 2
            case UInt8(ascii: "`"):
                let code = index
                while index < text.endIndex, text[index] == UInt8(ascii: "`") { index += 1 }
                if let end = codeEnd(from: index, index - code) { index = end + index - code }
            case mark:
                let first = index
                while index < text.endIndex, text[index] == mark { index += 1 }
                let closes = count == 1 ? (index - first) % 2 == 1 : index - first >= count
                let isInWord = mark == UInt8(ascii: "_") && Self.isWord(byte(index))
                if closes, !isInWord, text[first - 1] > 32 { return index - count }
            default: index += 1
            }
        }
        missing.append(kind)
        return nil
    }

    // MARK: - Links

    private mutating func writeLink(to output: inout [UInt8]) {
        guard depth < Markdown.depthMax, let link = link(from: at) else {
            return writePlain(to: &output)
        }
        output += "<a href=\""
        writeTarget(link.target, to: &output)
        output += "\" rel=\"nofollow noopener\">"
        var inner = Inline(link.text, depth: Markdown.depthMax)
        inner.write(to: &output)
        output += "</a>"
        at = link.end
    }

    private mutating func writeImage(to output: inout [UInt8]) {
        guard let link = link(from: at + 1) else { return writePlain(to: &output) }
        output += "<img src=\""
        writeTarget(link.target, to: &output)
        output += "\" alt=\""
        output.escape(link.text)
        output += "\">"
        at = link.end
    }

    /// Reads `[text](target)`; neither part holds a bracket of its own.
    private func link(
        from start: Int
    ) -> (text: ArraySlice<UInt8>, target: ArraySlice<UInt8>, end: Int)? {
        var middle = start + 1
        while middle < text.endIndex, text[middle] != UInt8(ascii: "]") {
            if text[middle] == UInt8(ascii: "[") { return nil }
            middle += 1
        }
        guard middle < text.endIndex, byte(middle + 1) == UInt8(ascii: "(") else { return nil }
        var end = middle + 2
        while end < text.endIndex, text[end] != UInt8(ascii: ")") {
            if text[end] == UInt8(ascii: "(") || text[end] == UInt8(ascii: "[") || text[end] <= 32 {
                return nil
            }
            end += 1
        }
        guard end < text.endIndex else { return nil }
        return (text[(start + 1)..<middle], text[(middle + 2)..<end], end + 1)
    }

    /// An address in angle brackets, as in `<https://example.org>`.
    private mutating func writeAddress(to output: inout [UInt8]) {
        var end = at + 1
        while end < text.endIndex, text[end] > 32, text[end] != UInt8(ascii: ">"),
            text[end] != UInt8(ascii: "<")
        {
            end += 1
        }
        let target = text[(at + 1)..<end]
        guard byte(end) == UInt8(ascii: ">"), target.contains(UInt8(ascii: ":")),
            Self.isSafe(target)
        else { return writePlain(to: &output) }
        output += "<a href=\""
        output.escape(target)
        output += "\" rel=\"nofollow noopener\">"
        output.escape(target)
        output += "</a>"
        at = end + 1
    }

    private func writeTarget(_ target: ArraySlice<UInt8>, to output: inout [UInt8]) {
        if Self.isSafe(target) { output.escape(target) } else { output += "#" }
    }

    /// Whether an address leads to the web, to mail, or to a place that it names without a scheme.
    private static func isSafe(_ target: ArraySlice<UInt8>) -> Bool {
        let scheme = target.prefix {
            $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?")
                && $0 != UInt8(ascii: "#")
        }
        guard scheme.endIndex < target.endIndex, target[scheme.endIndex] == UInt8(ascii: ":")
        else { return true }
        return isSame(scheme, "http") || isSame(scheme, "https") || isSame(scheme, "mailto")
    }

    /// Whether a text is the same as another one in lower case, but for the case of its letters.
    private static func isSame(_ text: ArraySlice<UInt8>, _ other: StaticString) -> Bool {
        guard text.count == other.utf8CodeUnitCount else { return false }
        for (index, byte) in text.enumerated() where byte | 0x20 != other.utf8Start[index] {
            return false
        }
        return true
    }

    // MARK: - Characters

    private static func isPunctuation(_ byte: UInt8) -> Bool {
        switch byte {
        case 33...47, 58...64, 91...96, 123...126: true
        default: false
        }
    }

    /// Whether the character is part of a word; every one beyond ASCII is held to be.
    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...90, 97...122, 128...255: true
        default: false
        }
    }
}
