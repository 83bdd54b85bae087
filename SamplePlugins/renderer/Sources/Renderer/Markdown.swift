/// Markdown to HTML: headings, paragraphs, lists, quotes, code, rules, emphasis, links and images.
///
/// The HTML is safe to put into a page, whoever wrote the Markdown: every character that means
/// something in HTML is escaped, tags included, and links lead to the web, to mail or to the page's
/// own site, never to `javascript:`.
enum Markdown {
    /// How deep lists and quotes may be within each other; what is deeper is plain text.
    static var depthMax: Int { 8 }

    static func html(of document: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(document.count + document.count / 2)
        var blocks = Blocks(lines: lines(of: document), depth: 0)
        blocks.write(to: &output)
        return output
    }

    /// The lines without their ends, and with tabs as four spaces.
    private static func lines(of document: [UInt8]) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var line: [UInt8] = []
        for byte in document {
            switch byte {
            case UInt8(ascii: "\n"):
                lines.append(line)
                line = []
            case UInt8(ascii: "\r"): break
            case UInt8(ascii: "\t"): line += [32, 32, 32, 32]
            default: line.append(byte)
            }
        }
        if !line.isEmpty { lines.append(line) }
        return lines
    }
}

extension [UInt8] {
    static func += (output: inout [UInt8], text: StaticString) {
        output.append(
            contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends a number in decimal digits.
    mutating func write(_ number: Int) {
        if number >= 10 { write(number / 10) }
        append(UInt8(48 + number % 10))
    }

    /// Appends a character of the document, escaped where it means something in HTML.
    mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "&"): self += "&amp;"
        case UInt8(ascii: "<"): self += "&lt;"
        case UInt8(ascii: ">"): self += "&gt;"
        case UInt8(ascii: "\""): self += "&quot;"
        case UInt8(ascii: "'"): self += "&#39;"
        case 0: self += "\u{FFFD}"
        default: append(byte)
        }
    }

    mutating func escape(_ text: ArraySlice<UInt8>) {
        for byte in text { escape(byte) }
    }
}
