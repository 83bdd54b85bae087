import CLinux
import Glibc
import HTTPWire

/// The response to one request for a file: conditions, ranges, fields.
struct FileAnswer {
    let exchange: Exchange
    let conditions: FileConditions
    var type = FileType.other
    var cacheControl = ByteSlice()
    /// Fields that every file is sent with.
    var headers: [HeaderField] = []
    /// Whether the response depends on `Accept-Encoding`.
    var varies = false
    /// How the file that is sent is compressed, if it is not the one that was asked for but its
    /// twin.
    var coding: ContentCoding?

    init(_ exchange: Exchange, _ conditions: FileConditions) {
        self.exchange = exchange
        self.conditions = conditions
    }

    /// Answers with the file, or with what the request's conditions ask for; takes over its
    /// descriptor.
    func send(_ file: OpenFile) -> UInt16 {
        let now = linux_realtime_seconds()
        return ResponseFields.with(extra: headers.count) { fields in
            let tag = fields.addTag(of: file, coding: coding, now: now)
            fields.add("Last-Modified", date: min(file.modifiedSeconds, now))
            fields.add("Accept-Ranges", "bytes")
            fields.add("X-Content-Type-Options", "nosniff")
            if varies { fields.add("Vary", "Accept-Encoding") }
            if !cacheControl.isEmpty { fields.add("Cache-Control", cacheControl) }
            for index in headers.indices { fields.add(headers[index]) }
            if conditions.isEmpty { return sendWhole(file, &fields) }
            let verdict = conditions.judge(
                exchange, EntityTag(tag), modifiedSeconds: file.modifiedSeconds, now: now)
            switch verdict {
            case .preconditionFailed:
                file.close()
                return refuse(412)
            case .notModified:
                file.close()
                return answer(304, fields)
            case .whole: return sendWhole(file, &fields)
            case .ranges(let value): return sendRanges(file, value, &fields)
            }
        }
    }

    func sendWhole(_ file: OpenFile, _ fields: inout ResponseFields) -> UInt16 {
        fields.add("Content-Type", type.mediaType)
        if let coding { fields.add("Content-Encoding", coding.name) }
        return send(file, 200, fields, offset: 0, count: file.size)
    }

    func send(
        _ file: OpenFile, _ status: UInt16, _ fields: ResponseFields, offset: UInt64,
        count: UInt64
    ) -> UInt16 {
        let result = unsafe exchange.respond(
            status: status, fields: fields.all, descriptor: file.descriptor, offset: offset,
            count: count)
        return result == .fieldRefused ? refuse(500) : status
    }

    /// Answers without a body of its own.
    func answer(_ status: UInt16, _ fields: ResponseFields) -> UInt16 {
        let result = unsafe exchange.respond(
            status: status, fields: fields.all,
            body: UnsafeRawBufferPointer(start: nil, count: 0))
        return result == .fieldRefused ? refuse(500) : status
    }

    // MARK: - Other answers

    /// What files can be asked for with.
    private static let methods: StaticString = "GET, HEAD, OPTIONS"

    /// Answers OPTIONS with what is allowed, and refuses every other method.
    func answerMethod() -> UInt16 {
        guard exchange.head.method == .options else { return refuse(405) }
        return ResponseFields.with { fields in
            fields.add("Allow", FileAnswer.methods)
            return answer(204, fields)
        }
    }

    /// Answers with a problem document.
    @discardableResult
    func refuse(_ status: UInt16) -> UInt16 {
        ResponseFields.with { fields in
            fields.add("Content-Type", "application/problem+json")
            if status == 405 { fields.add("Allow", FileAnswer.methods) }
            if status == 406 || varies { fields.add("Vary", "Accept-Encoding") }
            if status == 503 { fields.add("Retry-After", "1") }
            var body = ProblemDocument.json(
                status: status, detail: FileAnswer.detail(of: status), about: exchange)
            body.withUTF8 { body in
                _ = unsafe exchange.respond(
                    status: status, fields: fields.all, body: UnsafeRawBufferPointer(body))
            }
            return status
        }
    }

    private static func detail(of status: UInt16) -> String {
        switch status {
        case 403: "This file may not be read."
        case 405: "Files are read with GET or HEAD."
        case 406: "The file is not there in an encoding that the request accepts."
        case 412: "The file is not in the state that the request names; fetch it again."
        case 500: "The file's fields cannot be sent."
        case 503: "There are too many open files; try again."
        default: "There is no such file; check the path."
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
        return ResponseFields.with(scratchBytes: location.utf8.count) { fields in
            fields.add("Location", location)
            return answer(301, fields)
        }
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
}
