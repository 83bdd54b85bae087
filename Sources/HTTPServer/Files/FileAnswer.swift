import CLinux
import Glibc
import HTTPWire

/// The response to one request for a file: conditions, ranges, fields.
struct FileAnswer {
    private let exchange: Exchange
    var contentType: StaticString = "application/octet-stream"
    var cacheControl = ""
    /// Whether the response depends on `Accept-Encoding`.
    var varies = false
    /// Whether the file is a gzip twin of what was asked for.
    var isCompressed = false

    /// The most ranges that are answered one by one.
    private static let rangesMax = 16

    init(_ exchange: Exchange) { self.exchange = exchange }

    /// Answers with the file, or with what the request's conditions ask for; takes over its
    /// descriptor.
    ///
    /// - Source: RFC 9110, section 13.2.2 for the order of the conditions.
    func send(_ file: OpenFile) -> UInt16 {
        let now = linux_realtime_seconds()
        let isFresh = file.modifiedSeconds >= now - 2
        let suffix = isCompressed ? "-gz" : ""
        let tag =
            (isFresh ? "W/\"" : "\"") + String(file.inode, radix: 16) + "-"
            + String(file.size, radix: 16) + "-" + String(file.modifiedSeconds, radix: 16) + "."
            + String(file.modifiedNanoseconds, radix: 16) + suffix + "\""
        let modified = FileAnswer.text(ofDate: min(file.modifiedSeconds, now))
        var fields = ResponseFieldList()
        fields.add("ETag", tag)
        fields.add("Last-Modified", modified)
        fields.add("Accept-Ranges", "bytes")
        if varies { fields.add("Vary", "Accept-Encoding") }
        if !cacheControl.isEmpty { fields.add("Cache-Control", cacheControl) }
        var quoted = tag
        let verdict = quoted.withUTF8 {
            judge(
                EntityTag(unsafe ByteSlice(UnsafeRawBufferPointer($0))),
                modifiedSeconds: file.modifiedSeconds, now: now)
        }
        switch verdict {
        case .preconditionFailed:
            file.close()
            return refuse(412)
        case .notModified:
            file.close()
            return answer(304, fields)
        case .whole:
            fields.add("Content-Type", contentType)
            if isCompressed { fields.add("Content-Encoding", "gzip") }
            return send(file, 200, fields, [FileTransfer.Part(offset: 0, count: file.size)])
        case .ranges(let value):
            return sendRanges(file, value, fields)
        }
    }

    private enum Verdict {
        case preconditionFailed, notModified, whole
        case ranges(ByteSlice)
    }

    private func judge(_ tag: EntityTag?, modifiedSeconds: Int64, now: Int64) -> Verdict {
        if let value = exchange.firstValue(named: "if-match") {
            if !EntityTag.ifMatch(value, current: tag) { return .preconditionFailed }
        } else if let value = exchange.firstValue(named: "if-unmodified-since"),
            let date = HTTPDate.parse(value, now: now), modifiedSeconds > date
        {
            return .preconditionFailed
        }
        if let value = exchange.firstValue(named: "if-none-match") {
            if !EntityTag.ifNoneMatch(value, current: tag) { return .notModified }
        } else if let value = exchange.firstValue(named: "if-modified-since"),
            let date = HTTPDate.parse(value, now: now), modifiedSeconds <= date
        {
            return .notModified
        }
        guard exchange.head.method == .get, let range = exchange.firstValue(named: "range") else {
            return .whole
        }
        guard let condition = exchange.firstValue(named: "if-range") else { return .ranges(range) }
        if let given = EntityTag(condition) {
            return tag?.matchesStrongly(given) == true ? .ranges(range) : .whole
        }
        // A date serves as a strong validator only when the file has not changed within its second.
        let isSame =
            HTTPDate.parse(condition, now: now) == modifiedSeconds && tag?.isWeak == false
        return isSame ? .ranges(range) : .whole
    }

    /// - Source: RFC 9110, sections 14.4 and 14.6.
    private func sendRanges(
        _ file: OpenFile, _ value: ByteSlice, _ common: ResponseFieldList
    ) -> UInt16 {
        var fields = common
        var ranges: [ByteRange] = []
        let outcome = unsafe withUnsafeTemporaryAllocation(
            of: ByteRange.self, capacity: FileAnswer.rangesMax
        ) { room in
            unsafe room.initialize(repeating: ByteRange(first: 0, last: 0))
            let outcome = unsafe RangeHeader.parse(value, size: file.size, into: room)
            if case .satisfiable(let count) = outcome {
                for index in 0..<count { ranges.append(unsafe room[index]) }
            }
            return outcome
        }
        switch outcome {
        case .unsatisfiable:
            file.close()
            fields.add("Content-Range", "bytes */\(file.size)")
            return answer(416, fields)
        case .ignored:
            fields.add("Content-Type", contentType)
            if isCompressed { fields.add("Content-Encoding", "gzip") }
            return send(file, 200, fields, [FileTransfer.Part(offset: 0, count: file.size)])
        case .satisfiable: break
        }
        if isCompressed { fields.add("Content-Encoding", "gzip") }
        if ranges.count == 1 {
            fields.add("Content-Type", contentType)
            fields.add(
                "Content-Range", "bytes \(ranges[0].first)-\(ranges[0].last)/\(file.size)")
            let part = FileTransfer.Part(offset: ranges[0].first, count: ranges[0].length)
            return send(file, 206, fields, [part])
        }
        let boundary = "part-\(String(file.inode, radix: 16))-\(String(file.size, radix: 16))"
        fields.add("Content-Type", "multipart/byteranges; boundary=\(boundary)")
        var parts = ranges.map { range in
            FileTransfer.Part(
                text: "\r\n--\(boundary)\r\nContent-Type: \(contentType)\r\n"
                    + "Content-Range: bytes \(range.first)-\(range.last)/\(file.size)\r\n\r\n",
                offset: range.first, count: range.length)
        }
        parts.append(FileTransfer.Part(text: "\r\n--\(boundary)--\r\n"))
        return send(file, 206, fields, parts)
    }

    private func send(
        _ file: OpenFile, _ status: UInt16, _ fields: ResponseFieldList,
        _ parts: [FileTransfer.Part]
    ) -> UInt16 {
        _ = unsafe fields.withFields { fields in
            unsafe exchange.respond(
                status: status, fields: fields, parts: parts, descriptor: file.descriptor)
        }
        return status
    }

    /// Answers without a body of its own.
    private func answer(_ status: UInt16, _ fields: ResponseFieldList) -> UInt16 {
        _ = unsafe fields.withFields { fields in
            unsafe exchange.respond(
                status: status, fields: fields,
                body: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        return status
    }

    /// Answers with a problem document.
    func refuse(_ status: UInt16, allow: Bool = false) -> UInt16 {
        var fields = ResponseFieldList()
        fields.add("Content-Type", "application/problem+json")
        if allow { fields.add("Allow", "GET, HEAD") }
        var body = ProblemDocument.json(status: status, detail: FileAnswer.detail(of: status))
        body.withUTF8 { body in
            _ = unsafe fields.withFields { fields in
                unsafe exchange.respond(
                    status: status, fields: fields, body: UnsafeRawBufferPointer(body))
            }
        }
        return status
    }

    private static func detail(of status: UInt16) -> String {
        switch status {
        case 403: "This file may not be read."
        case 405: "Files are read with GET or HEAD."
        case 412: "The file is not in the state that the request names."
        case 503: "There are too many open files; try again."
        default: "There is no such file."
        }
    }

    /// Sends the client to the same path with a slash behind it.
    ///
    /// The place is built from the path in normal form, which begins with exactly one slash, so
    /// that it can never name another host.
    func redirectToDirectory() -> UInt16 {
        var location = ""
        for index in 0..<exchange.path.count {
            FileAnswer.escape(exchange.path, at: index, into: &location)
        }
        location += "/"
        if exchange.head.hasQuery { location += "?" + String(decoding: exchange.query) }
        var fields = ResponseFieldList()
        fields.add("Location", location)
        return answer(301, fields)
    }

    private static func escape(_ path: ByteSlice, at index: Int, into text: inout String) {
        let byte = path[index]
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: "."), UInt8(ascii: "~"), UInt8(ascii: "/"):
            text.unicodeScalars.append(Unicode.Scalar(byte))
        case UInt8(ascii: "%")
        where path[index..<min(path.count, index + 3)].equalsIgnoringCase("%2f"):
            text += "%"
        default:
            let digits = String(byte, radix: 16, uppercase: true)
            text += digits.utf8.count == 1 ? "%0" + digits : "%" + digits
        }
    }

    private static func text(ofDate seconds: Int64) -> String {
        unsafe withUnsafeTemporaryAllocation(byteCount: HTTPDate.length, alignment: 1) { room in
            unsafe HTTPDate.format(secondsSinceEpoch: seconds, into: room)
            return unsafe String(decoding: room, as: UTF8.self)
        }
    }
}

/// Fields of a response that is not on the hot path: texts in one buffer.
struct ResponseFieldList {
    private var bytes: [UInt8] = []
    private var lengths: [(name: Int, value: Int)] = []

    mutating func add(_ name: StaticString, _ value: String) {
        unsafe bytes += unsafe UnsafeBufferPointer(
            start: name.utf8Start, count: name.utf8CodeUnitCount)
        bytes += value.utf8
        lengths.append((name.utf8CodeUnitCount, value.utf8.count))
    }

    mutating func add(_ name: StaticString, _ value: StaticString) {
        add(name, value.description)
    }

    /// Calls `body` with the fields; they are valid only within.
    func withFields<R>(_ body: (UnsafeBufferPointer<HeaderField>) -> R) -> R {
        unsafe bytes.withUnsafeBytes { all in
            var fields: [HeaderField] = []
            var offset = 0
            for length in lengths {
                let value = offset + length.name
                fields.append(
                    HeaderField(
                        name: unsafe ByteSlice(
                            UnsafeRawBufferPointer(rebasing: all[offset..<value])),
                        value: unsafe ByteSlice(
                            UnsafeRawBufferPointer(rebasing: all[value..<(value + length.value)]))
                    ))
                offset = value + length.value
            }
            return unsafe fields.withUnsafeBufferPointer(body)
        }
    }
}
