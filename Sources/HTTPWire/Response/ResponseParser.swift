/// Reads a response's head in place: no copy, no allocation, one pass over the bytes.
///
/// It is held to the rules for requests wherever they are the same, so that nothing a server behind
/// this one sends is understood here in one way and by the client in another. Like `RequestParser`
/// it keeps no state, and its outcome does not depend on how the bytes were cut into reads.
public struct ResponseParser: Sendable {
    typealias Address = UnsafePointer<UInt8>

    private let requests: RequestParser

    /// The bounds that heads are held to; `requestLineBytesMax` bounds the status line.
    private var limits: HeadLimits { requests.limits }

    /// Makes a parser with these limits.
    public init(limits: WireLimits) { requests = RequestParser(limits: limits) }

    /// Reads the head at the start of the input.
    ///
    /// - Shape: see `RequestParser.parse`; no empty line may precede the status line.
    /// - Source: RFC 9112, sections 2 and 4 to 6.
    public func parse(
        _ input: UnsafeRawBufferPointer, alreadySeen: Int,
        fields: UnsafeMutableBufferPointer<HeaderField>, head: inout ResponseHead
    ) -> HeadOutcome {
        guard let start = unsafe input.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
            return .incomplete
        }
        let seen = min(alreadySeen, input.count)
        if seen > 0, unsafe requests.stillWithinLine(start, count: input.count, seen: seen) {
            return .incomplete
        }
        var line = unsafe LineMark(start: start)
        let end = unsafe start + min(input.count, limits.headBytesMax)
        do {
            let headEnd = unsafe try judge(start, end, fields: fields, head: &head, line: &line)
            return unsafe .complete(headLength: headEnd - start)
        } catch {
            return unsafe requests.settle(
                error, start: start, line: line, end: end, inputCount: input.count)
        }
    }

    /// Reads a whole head and returns the position after it.
    private func judge(
        _ start: Address, _ end: Address, fields: UnsafeMutableBufferPointer<HeaderField>,
        head: inout ResponseHead, line: inout LineMark
    ) throws(WireError) -> Address {
        var at = unsafe try statusLine(start, end, head: &head)
        line.isRequestLine = false
        let fieldMax = min(limits.fieldCountMax, fields.count)
        var count = 0
        var notes = ResponseNotes()
        while true {
            unsafe line.start = at
            guard unsafe end - at >= 2 else {
                throw unsafe WireError(.colonMissing, offset: at - start)
            }
            if unsafe at[0] == 0x0D, unsafe at[1] == 0x0A { break }
            let nameStart = unsafe at
            unsafe at = Scan.token(at, end)
            guard unsafe at < end, unsafe at.pointee == UInt8(ascii: ":"), unsafe at != nameStart
            else { throw unsafe requests.nameError(start, nameStart, at, end) }
            let name = unsafe ByteSlice(nameStart, count: at - nameStart)
            unsafe at = Scan.blanks(at + 1, end)
            let valueStart = unsafe at
            unsafe at = Scan.fieldValue(at, end)
            guard unsafe end - at >= 2, unsafe at[0] == 0x0D, unsafe at[1] == 0x0A else {
                throw unsafe WireError(.controlByte, offset: at - start)
            }
            guard count < fieldMax, let slots = fields.baseAddress else {
                throw unsafe WireError(.tooManyFields, offset: nameStart - start)
            }
            let value = unsafe ByteSlice(valueStart, count: at - valueStart).trimmed
            unsafe slots[count] = HeaderField(name: name, value: value)
            count &+= 1
            unsafe at += 2
            if let code = notes.take(name, value) {
                throw unsafe WireError(code, offset: nameStart - start)
            }
        }
        head.fieldCount = count
        if let code = notes.conclude(&head) {
            throw unsafe WireError(code, offset: at - start)
        }
        return unsafe at + 2
    }

    /// Reads the status line and returns the start of the line after it.
    ///
    /// - Shape: `HTTP/1.digit SP 3DIGIT SP [reason] CR LF`.
    /// - Source: RFC 9112, section 4.
    private func statusLine(
        _ start: Address, _ end: Address, head: inout ResponseHead
    ) throws(WireError) -> Address {
        guard unsafe end - start >= 13, unsafe Scan.fieldValue(start, start + 13) == start + 13
        else { throw WireError(.statusLineMalformed, offset: 0) }
        let line = unsafe ByteSlice(start, count: 13)
        guard line.starts(with: "HTTP/"), CharacterClass.isDigit(line[5]),
            line[6] == UInt8(ascii: "."), CharacterClass.isDigit(line[7])
        else { throw WireError(.versionMalformed, offset: 0) }
        guard line[5] == UInt8(ascii: "1") else { throw WireError(.versionUnsupported, offset: 0) }
        head.minorVersion = line[7] == UInt8(ascii: "0") ? 0 : 1
        guard line[8] == 0x20, line[12] == 0x20, let status = line[9..<12].asInteger else {
            throw WireError(.statusLineMalformed, offset: 8)
        }
        guard status >= 100, status <= 599 else { throw WireError(.statusInvalid, offset: 9) }
        head.status = UInt16(status)
        let at = unsafe Scan.fieldValue(start + 13, end)
        guard unsafe end - at >= 2, unsafe at[0] == 0x0D, unsafe at[1] == 0x0A else {
            throw unsafe WireError(.controlByte, offset: at - start)
        }
        guard unsafe at - start <= limits.requestLineBytesMax else {
            throw WireError(.requestLineTooLong, offset: 0)
        }
        return unsafe at + 2
    }
}

/// What the fields of a response that steer the connection have said so far.
private struct ResponseNotes {
    private var contentLength: UInt64?
    private var isChunked = false
    private var saysClose = false
    private var saysKeepAlive = false
    private var saysUpgrade = false
    private var hasUpgrade = false
    private var namesOptions = false

    /// Takes note of a field if it is one of those that matter; returns what is wrong with it.
    mutating func take(_ name: ByteSlice, _ value: ByteSlice) -> WireError.Code? {
        switch name.count {
        case 7: if name.equalsIgnoringCase("upgrade") { hasUpgrade = true }
        case 10: if name.equalsIgnoringCase("connection") { takeConnection(value) }
        case 14: if name.equalsIgnoringCase("content-length") { return takeLength(value) }
        case 17: if name.equalsIgnoringCase("transfer-encoding") { return takeCoding(value) }
        default: break
        }
        return nil
    }

    private mutating func takeLength(_ value: ByteSlice) -> WireError.Code? {
        if contentLength != nil { return .contentLengthRepeated }
        guard let length = value.asInteger, length <= UInt64(Int64.max) else {
            return .contentLengthInvalid
        }
        contentLength = length
        return nil
    }

    private mutating func takeCoding(_ value: ByteSlice) -> WireError.Code? {
        if isChunked { return .transferEncodingRepeated }
        isChunked = true
        return value.equalsIgnoringCase("chunked") ? nil : .transferEncodingUnsupported
    }

    private mutating func takeConnection(_ value: ByteSlice) {
        var list = ListElements(value)
        while let element = list.next() {
            if element.equalsIgnoringCase("close") {
                saysClose = true
            } else if element.equalsIgnoringCase("keep-alive") {
                saysKeepAlive = true
            } else if element.equalsIgnoringCase("upgrade") {
                saysUpgrade = true
            } else {
                namesOptions = true
            }
        }
    }

    /// Draws the conclusions when the head has ended; returns what is wrong with the whole.
    ///
    /// - Source: RFC 9112, sections 6.1 to 6.3 (framing) and 9.3 (persistence).
    func conclude(_ head: inout ResponseHead) -> WireError.Code? {
        if isChunked {
            if contentLength != nil { return .lengthAndTransferEncoding }
            if head.minorVersion == 0 { return .transferEncodingInHTTP10 }
        }
        head.contentLength = contentLength
        head.isChunked = isChunked
        head.keepAlive = !saysClose && (head.minorVersion > 0 || saysKeepAlive)
        head.switchesProtocol = saysUpgrade && hasUpgrade
        head.namesOptions = namesOptions
        return nil
    }
}
