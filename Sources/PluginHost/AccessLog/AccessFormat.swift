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
    private(set) var bytes: [UInt8] = []
    private(set) var lineCount = 0
    /// What has to be added to the monotonic clock for the time of day.
    private let clockOffsetNanoseconds: Int64
    private var second = Int64.min
    private var secondText: [UInt8] = []

    init(_ format: AccessFormat, clockOffsetNanoseconds: Int64) {
        self.format = format
        self.clockOffsetNanoseconds = clockOffsetNanoseconds
    }

    /// Forgets the lines, which have been written.
    mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
        lineCount = 0
    }

    mutating func add(_ entry: AccessEntry) {
        switch format {
        case .json: addJSON(entry)
        case .common, .combined: addText(entry)
        }
        put("\n")
        lineCount += 1
    }

    // MARK: - JSON

    private mutating func addJSON(_ entry: AccessEntry) {
        let figures = entry.figures
        let milliseconds = wallClock(figures.endedNanoseconds) / 1_000_000
        put("{\"time\":\"")
        bytes += Timestamp(milliseconds: milliseconds).description.utf8
        put("\"")
        member("remote", entry[.remoteAddress])
        if figures.remotePort > 0 { member("port", UInt64(figures.remotePort)) }
        if !entry[.method].isEmpty {
            member("method", entry[.method])
            member("path", entry[.path])
            if figures.hasQuery { member("query", entry[.query]) }
            member("protocol", ByteSlice(Self.protocolName(figures)))
        }
        member("status", UInt64(figures.status))
        member("bytes", figures.bodyBytes)
        member("duration_us", figures.durationNanoseconds / 1_000)
        if figures.isCut { put(",\"cut\":true") }
        if !entry[.plugin].isEmpty { member("plugin", entry[.plugin]) }
        if figures.generation > 0 {
            member("generation", figures.generation)
            put(",\"route\":\"")
            escapeJSON(entry[.routeMethod])
            put(" ")
            escapeJSON(entry[.routePattern])
            put("\"")
        }
        member("request_id", entry[.requestID])
        if !entry[.userAgent].isEmpty { member("user_agent", entry[.userAgent]) }
        if !entry[.referer].isEmpty { member("referer", entry[.referer]) }
        put("}")
    }

    private mutating func member(_ name: StaticString, _ value: UInt64) {
        put(",\"")
        put(name)
        put("\":")
        bytes += String(value).utf8
    }

    private mutating func member(_ name: StaticString, _ value: ByteSlice) {
        put(",\"")
        put(name)
        put("\":\"")
        escapeJSON(value)
        put("\"")
    }

    /// - Source: RFC 8259, section 7; bytes that are not UTF-8 become U+FFFD.
    private mutating func escapeJSON(_ text: ByteSlice) {
        var isPlain = true
        for index in 0..<text.count {
            let byte = text[index]
            if byte < 0x20 || byte >= 0x7F || byte == UInt8(ascii: "\"")
                || byte == UInt8(ascii: "\\")
            {
                isPlain = false
                break
            }
        }
        if isPlain {
            unsafe bytes += text.buffer
            return
        }
        for scalar in String(decoding: text).unicodeScalars {
            switch scalar {
            case "\"", "\\":
                put("\\")
                bytes.append(UInt8(truncatingIfNeeded: scalar.value))
            // Line separators of Unicode too: some readers end a line there.
            case _
            where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                || scalar.value == 0x2028 || scalar.value == 0x2029:
                let digits = String(scalar.value, radix: 16)
                put("\\u")
                for _ in digits.utf8.count..<4 { put("0") }
                bytes += digits.utf8
            default: bytes += UTF8.encode(scalar).map(Array.init) ?? []
            }
        }
    }

    // MARK: - Common and combined

    private mutating func addText(_ entry: AccessEntry) {
        let figures = entry.figures
        escapeText(entry[.remoteAddress])
        put(" - - [")
        putTime(wallClock(figures.endedNanoseconds) / 1_000_000_000)
        put("] \"")
        if entry[.method].isEmpty {
            put("-")
        } else {
            escapeText(entry[.method])
            put(" ")
            escapeText(entry[.path])
            if figures.hasQuery {
                put("?")
                escapeText(entry[.query])
            }
            put(" ")
            put(Self.protocolName(figures))
        }
        put("\" ")
        bytes += String(figures.status).utf8
        put(" ")
        if figures.bodyBytes > 0 { bytes += String(figures.bodyBytes).utf8 } else { put("-") }
        guard format == .combined else { return }
        for text in [entry[.referer], entry[.userAgent]] {
            put(" \"")
            if text.isEmpty { put("-") } else { escapeText(text) }
            put("\"")
        }
    }

    /// - Shape: quotes, backslashes, control and non-ASCII bytes become `\xHH`, as nginx writes
    ///   them.
    private mutating func escapeText(_ text: ByteSlice) {
        for index in 0..<text.count {
            let byte = text[index]
            if byte >= 0x20, byte < 0x7F, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                bytes.append(byte)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                put(byte < 16 ? "\\x0" : "\\x")
                bytes += digits.utf8
            }
        }
    }

    /// - Shape: `10/Oct/2000:13:55:36 +0000`, from `Tue, 10 Oct 2000 13:55:36 GMT`.
    private mutating func putTime(_ time: Int64) {
        if time != second {
            second = time
            let date = unsafe withUnsafeTemporaryAllocation(
                byteCount: HTTPDate.length, alignment: 1
            ) { room in
                unsafe HTTPDate.format(secondsSinceEpoch: time, into: room)
                return unsafe [UInt8](room)
            }
            let slash = [UInt8(ascii: "/")]
            secondText = Array(date[5..<7]) + slash + date[8..<11] + slash + date[12..<16]
            secondText += [UInt8(ascii: ":")] + date[17..<25] + Array(" +0000".utf8)
        }
        bytes += secondText
    }

    private static func protocolName(_ figures: AccessEntry.Figures) -> StaticString {
        figures.minorVersion == 0 ? "HTTP/1.0" : "HTTP/1.1"
    }

    private func wallClock(_ nanoseconds: UInt64) -> Int64 {
        Int64(clamping: nanoseconds) &+ clockOffsetNanoseconds
    }

    private mutating func put(_ text: StaticString) {
        unsafe bytes += unsafe UnsafeBufferPointer(
            start: text.utf8Start, count: text.utf8CodeUnitCount)
    }
}
