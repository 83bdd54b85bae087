internal import HTTPWire
internal import HostModel

/// How a line of the access log looks.
///
/// Whatever a client sends, a line is one line, and no value can pass for another: bytes that could
/// do that are escaped.
package enum AccessFormat: String, Sendable, CaseIterable {
    /// One JSON object a line; members that would say nothing are left out.
    case json
    /// `ADDRESS - - [TIME] "METHOD TARGET PROTOCOL" STATUS BYTES`, as Apache's Common Log Format.
    case common
    /// The same with `"REFERER" "USER-AGENT"`, as Apache's and nginx's combined format.
    case combined
}

/// Writes entries as lines.
struct AccessLineWriter {
    let format: AccessFormat
    /// The lines so far.
    let lines = LineBuffer(capacity: 128 << 10)
    private(set) var lineCount = 0
    /// What has to be added to the monotonic clock for the time of day.
    var clockOffsetNanoseconds: Int64 = 0
    /// The second that `secondText` says.
    private var second = Int64.min
    private var secondText: [UInt8] = []

    init(_ format: AccessFormat) {
        self.format = format
    }

    /// Forgets the lines, which have been written.
    mutating func clear() {
        lines.removeAll()
        lineCount = 0
    }

    mutating func add(_ entry: AccessEntry) {
        switch format {
        case .json: addJSON(entry)
        case .common, .combined: addText(entry)
        }
        lines.put("\n")
        lineCount += 1
    }

    // MARK: - JSON

    private mutating func addJSON(_ entry: AccessEntry) {
        let figures = entry.figures
        lines.put("{\"time\":\"")
        let nanoseconds = wallClock(figures.endedNanoseconds)
        putSecond(nanoseconds / 1_000_000_000) { second in
            Array(Timestamp(milliseconds: second * 1_000).description.utf8.dropLast(4))
        }
        lines.put(UInt64(clamping: nanoseconds / 1_000_000 % 1_000), width: 3)
        lines.put("Z\"")
        member(",\"remote\":\"", entry[.remoteAddress])
        if figures.remotePort > 0 { member(",\"port\":", UInt64(figures.remotePort)) }
        if !entry[.method].isEmpty {
            member(",\"method\":\"", entry[.method])
            member(",\"path\":\"", entry[.path])
            if figures.hasQuery { member(",\"query\":\"", entry[.query]) }
            member(",\"protocol\":\"", ByteSlice(Self.protocolName(figures)))
        }
        member(",\"status\":", UInt64(figures.status))
        member(",\"bytes\":", figures.bodyBytes)
        member(",\"duration_us\":", figures.durationNanoseconds / 1_000)
        if figures.isCut { lines.put(",\"cut\":true") }
        if !entry[.plugin].isEmpty { member(",\"plugin\":\"", entry[.plugin]) }
        if figures.generation > 0 {
            member(",\"generation\":", figures.generation)
            lines.put(",\"route\":\"")
            escapeJSON(entry[.routeMethod])
            lines.put(" ")
            escapeJSON(entry[.routePattern])
            lines.put("\"")
        }
        member(",\"request_id\":\"", entry[.requestID])
        if !entry[.userAgent].isEmpty { member(",\"user_agent\":\"", entry[.userAgent]) }
        if !entry[.referer].isEmpty { member(",\"referer\":\"", entry[.referer]) }
        lines.put("}")
    }

    private func member(_ start: StaticString, _ value: UInt64) {
        lines.put(start)
        lines.put(value)
    }

    private func member(_ start: StaticString, _ value: ByteSlice) {
        lines.put(start)
        escapeJSON(value)
        lines.put("\"")
    }

    /// - Source: RFC 8259, section 7; bytes that are not UTF-8 become U+FFFD.
    private func escapeJSON(_ text: ByteSlice) {
        if Self.isPlain(text) { return lines.put(text) }
        for scalar in String(decoding: text).unicodeScalars {
            switch scalar {
            case "\"", "\\":
                lines.put("\\")
                lines.put(UInt8(truncatingIfNeeded: scalar.value))
            // Line separators of Unicode too: some readers end a line there.
            case _
            where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                || scalar.value == 0x2028 || scalar.value == 0x2029:
                let digits = String(scalar.value, radix: 16)
                lines.put("\\u")
                for _ in digits.utf8.count..<4 { lines.put("0") }
                lines.put(digits.utf8)
            default: lines.put(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
    }

    /// Whether every byte is printable ASCII that needs no escape.
    private static func isPlain(_ text: ByteSlice) -> Bool {
        guard let base = unsafe text.base else { return true }
        // Without a branch, so that sixteen bytes are looked at together.
        var odd: UInt8 = 0
        for index in 0..<text.count {
            let byte = unsafe base[index]
            odd |= byte &- 0x20 < 0x5F ? 0 : 1
            odd |= byte == UInt8(ascii: "\"") ? 1 : 0
            odd |= byte == UInt8(ascii: "\\") ? 1 : 0
        }
        return odd == 0
    }

    // MARK: - Common and combined

    private mutating func addText(_ entry: AccessEntry) {
        let figures = entry.figures
        escapeText(entry[.remoteAddress])
        lines.put(" - - [")
        putSecond(wallClock(figures.endedNanoseconds) / 1_000_000_000, Self.commonTime)
        lines.put("] \"")
        if entry[.method].isEmpty {
            lines.put("-")
        } else {
            escapeText(entry[.method])
            lines.put(" ")
            escapeText(entry[.path])
            if figures.hasQuery {
                lines.put("?")
                escapeText(entry[.query])
            }
            lines.put(" ")
            lines.put(Self.protocolName(figures))
        }
        lines.put("\" ")
        lines.put(UInt64(figures.status))
        lines.put(" ")
        if figures.bodyBytes > 0 { lines.put(figures.bodyBytes) } else { lines.put("-") }
        guard format == .combined else { return }
        for name in [AccessEntry.Text.referer, .userAgent] {
            lines.put(" \"")
            if entry[name].isEmpty { lines.put("-") } else { escapeText(entry[name]) }
            lines.put("\"")
        }
    }

    /// - Shape: quotes, backslashes, control and non-ASCII bytes become `\xHH`, as nginx writes
    ///   them.
    private func escapeText(_ text: ByteSlice) {
        if Self.isPlain(text) { return lines.put(text) }
        for index in 0..<text.count {
            let byte = text[index]
            if byte >= 0x20, byte < 0x7F, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                lines.put(byte)
            } else {
                lines.put(byte < 16 ? "\\x0" : "\\x")
                lines.put(String(byte, radix: 16, uppercase: true).utf8)
            }
        }
    }

    /// - Shape: `10/Oct/2000:13:55:36 +0000`, from `Tue, 10 Oct 2000 13:55:36 GMT`.
    private static func commonTime(_ second: Int64) -> [UInt8] {
        let date = unsafe withUnsafeTemporaryAllocation(
            byteCount: HTTPDate.length, alignment: 1
        ) { room in
            unsafe HTTPDate.format(secondsSinceEpoch: second, into: room)
            return unsafe [UInt8](room)
        }
        let slash = [UInt8(ascii: "/")]
        let day = Array(date[5..<7]) + slash + date[8..<11] + slash + date[12..<16]
        return day + [UInt8(ascii: ":")] + date[17..<25] + Array(" +0000".utf8)
    }

    // MARK: - Both

    /// Puts the text of a second, which many lines have in common.
    private mutating func putSecond(_ second: Int64, _ text: (Int64) -> [UInt8]) {
        if second != self.second {
            self.second = second
            secondText = text(second)
        }
        unsafe secondText.withUnsafeBytes { lines.put(unsafe ByteSlice($0)) }
    }

    private static func protocolName(_ figures: AccessEntry.Figures) -> StaticString {
        figures.minorVersion == 0 ? "HTTP/1.0" : "HTTP/1.1"
    }

    private func wallClock(_ nanoseconds: UInt64) -> Int64 {
        Int64(clamping: nanoseconds) &+ clockOffsetNanoseconds
    }
}
