/// The blocks of a document, or of a list item or quote within it, line by line.
struct Blocks {
    let lines: [[UInt8]]
    let depth: Int
    private var next = 0

    init(lines: [[UInt8]], depth: Int) {
        self.lines = lines
        self.depth = depth
    }

    mutating func write(to output: inout [UInt8]) {
        while next < lines.count {
            let line = lines[next]
            if isBlank(line) {
                next += 1
            } else if let level = heading(line) {
                writeHeading(level, to: &output)
            } else if let fence = fence(line) {
                writeCode(fence, to: &output)
            } else if isRule(line) {
                output += "<hr>\n"
                next += 1
            } else if depth < Markdown.depthMax, line[indent(line)] == UInt8(ascii: ">") {
                writeQuote(to: &output)
            } else if depth < Markdown.depthMax, let item = item(line) {
                writeList(item, to: &output)
            } else {
                writeParagraph(to: &output)
            }
        }
    }

    // MARK: - What a line is

    private func indent(_ line: [UInt8]) -> Int {
        var count = 0
        while count < line.count, line[count] == 32 { count += 1 }
        return count
    }

    private func isBlank(_ line: [UInt8]) -> Bool { indent(line) == line.count }

    /// The level of a heading: one to six number signs and a space.
    private func heading(_ line: [UInt8]) -> Int? {
        var count = 0
        while count < line.count, line[count] == UInt8(ascii: "#") { count += 1 }
        guard (1...6).contains(count), count == line.count || line[count] == 32 else { return nil }
        return count
    }

    /// The marks around a block of code: three or more backticks or tildes.
    private func fence(_ line: [UInt8]) -> (mark: UInt8, count: Int, info: ArraySlice<UInt8>)? {
        let start = indent(line)
        guard start < line.count else { return nil }
        let mark = line[start]
        guard mark == UInt8(ascii: "`") || mark == UInt8(ascii: "~") else { return nil }
        var end = start
        while end < line.count, line[end] == mark { end += 1 }
        guard end - start >= 3 else { return nil }
        let info = line[end...]
        return info.contains(UInt8(ascii: "`")) ? nil : (mark, end - start, info)
    }

    /// A rule: three or more of one of `-`, `*` and `_`, and nothing else but spaces.
    private func isRule(_ line: [UInt8]) -> Bool {
        let start = indent(line)
        let mark = line[start]
        let isMark =
            mark == UInt8(ascii: "-") || mark == UInt8(ascii: "*") || mark == UInt8(ascii: "_")
        var count = 0
        for byte in line where byte != 32 {
            guard isMark, byte == mark else { return false }
            count += 1
        }
        return count >= 3
    }

    /// How an item of a list begins: where, with which mark, and where its text does.
    private struct Item {
        var indent: Int
        /// Nil: the list is not numbered.
        var number: Int?
        var text: Int
    }

    private func item(_ line: [UInt8]) -> Item? {
        let start = indent(line)
        guard start < line.count else { return nil }
        var end = start
        var number: Int?
        switch line[start] {
        case UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "+"): end += 1
        default:
            var value = 0
            while end < line.count, end - start < 9, line[end] >= 48, line[end] <= 57 {
                value = value * 10 + Int(line[end] - 48)
                end += 1
            }
            guard end > start, end < line.count,
                line[end] == UInt8(ascii: ".") || line[end] == UInt8(ascii: ")")
            else { return nil }
            number = value
            end += 1
        }
        if end < line.count {
            guard line[end] == 32 else { return nil }
            end += 1
        }
        return Item(indent: start, number: number, text: end)
    }

    /// Whether a paragraph goes on with this line.
    private func continuesParagraph(_ line: [UInt8]) -> Bool {
        !isBlank(line) && heading(line) == nil && fence(line) == nil && !isRule(line)
            && line[indent(line)] != UInt8(ascii: ">") && item(line) == nil
    }

    // MARK: - Writing

    private mutating func writeHeading(_ level: Int, to output: inout [UInt8]) {
        var text = lines[next][level...]
        while let last = text.last, last == 32 || last == UInt8(ascii: "#") { text.removeLast() }
        let digit = UInt8(48 + level)
        output += "<h"
        output.append(digit)
        output += ">"
        Inline.write(text.drop { $0 == 32 }, to: &output)
        output += "</h"
        output.append(digit)
        output += ">\n"
        next += 1
    }

    private mutating func writeCode(
        _ fence: (mark: UInt8, count: Int, info: ArraySlice<UInt8>), to output: inout [UInt8]
    ) {
        let margin = indent(lines[next])
        output += "<pre><code"
        let language = fence.info.drop { $0 == 32 }.prefix { $0 != 32 }
        if !language.isEmpty {
            output += " class=\"language-"
            output.escape(language)
            output += "\""
        }
        output += ">"
        next += 1
        while next < lines.count {
            let line = lines[next]
            next += 1
            if let end = self.fence(line), end.mark == fence.mark, end.count >= fence.count,
                end.info.allSatisfy({ $0 == 32 })
            {
                break
            }
            output.escape(line[min(margin, indent(line))...])
            output += "\n"
        }
        output += "</code></pre>\n"
    }

    private mutating func writeQuote(to output: inout [UInt8]) {
        var inner: [[UInt8]] = []
        while next < lines.count {
            let line = lines[next]
            let start = indent(line)
            if start < line.count, line[start] == UInt8(ascii: ">") {
                let text = line[(start + 1)...]
                inner.append(Array(text.first == 32 ? text.dropFirst() : text))
            } else if continuesParagraph(line), let last = inner.last, !isBlank(last) {
                inner.append(line)
            } else {
                break
            }
            next += 1
        }
        output += "<blockquote>\n"
        var blocks = Blocks(lines: inner, depth: depth + 1)
        blocks.write(to: &output)
        output += "</blockquote>\n"
    }

    private mutating func writeList(_ first: Item, to output: inout [UInt8]) {
        if let number = first.number {
            output += "<ol"
            if number != 1 {
                output += " start=\""
                output.write(number)
                output += "\""
            }
            output += ">\n"
        } else {
            output += "<ul>\n"
        }
        while next < lines.count, let item = item(lines[next]), !isRule(lines[next]),
            item.indent < first.text, (item.number == nil) == (first.number == nil)
        {
            writeItem(item, to: &output)
        }
        output += first.number == nil ? "</ul>\n" : "</ol>\n"
    }

    /// Writes one item: its first line, and what is indented below it.
    private mutating func writeItem(_ item: Item, to output: inout [UInt8]) {
        var inner = [Array(lines[next][item.text...])]
        next += 1
        while next < lines.count {
            let line = lines[next]
            if isBlank(line) {
                guard next + 1 < lines.count, indent(lines[next + 1]) >= item.text,
                    !isBlank(lines[next + 1])
                else { break }
                inner.append([])
            } else if indent(line) >= item.text {
                inner.append(Array(line[item.text...]))
            } else if continuesParagraph(line), let last = inner.last, !isBlank(last) {
                inner.append(Array(line[indent(line)...]))
            } else {
                break
            }
            next += 1
        }
        while next < lines.count, isBlank(lines[next]), next + 1 < lines.count,
            self.item(lines[next + 1]) != nil
        {
            next += 1
        }
        output += "<li>"
        var blocks = Blocks(lines: inner, depth: depth + 1)
        if inner.count > 1, blocks.isSimple == false {
            output += "\n"
            blocks.write(to: &output)
        } else {
            Inline.write(blocks.paragraph[...], to: &output)
        }
        output += "</li>\n"
    }

    /// Whether there is nothing here but one paragraph.
    private var isSimple: Bool { lines.dropFirst().allSatisfy(continuesParagraph) }

    private var paragraph: [UInt8] {
        var text: [UInt8] = []
        for line in lines {
            if !text.isEmpty { text.append(10) }
            text += line[indent(line)...]
        }
        return text
    }

    private mutating func writeParagraph(to output: inout [UInt8]) {
        var text = Array(lines[next][indent(lines[next])...])
        next += 1
        while next < lines.count, continuesParagraph(lines[next]) {
            text.append(10)
            text += lines[next][indent(lines[next])...]
            next += 1
        }
        output += "<p>"
        Inline.write(text[...], to: &output)
        output += "</p>\n"
    }
}
