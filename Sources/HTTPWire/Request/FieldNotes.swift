/// What the fields that steer the connection have said so far.
struct FieldNotes {
    private var host = ByteSlice()
    private var contentLength: UInt64 = 0
    private var said: Said = []

    /// The facts that fields have stated.
    private struct Said: OptionSet {
        let rawValue: UInt16
        static let host = Said(rawValue: 1)
        static let contentLength = Said(rawValue: 2)
        static let transferEncoding = Said(rawValue: 4)
        static let expectContinue = Said(rawValue: 8)
        static let upgrade = Said(rawValue: 16)
        static let connectionUpgrade = Said(rawValue: 32)
        static let close = Said(rawValue: 64)
        static let keepAlive = Said(rawValue: 128)
        static let requestID = Said(rawValue: 256)
    }

    /// Takes note of a field if it is one of those that matter; returns what is wrong with it.
    ///
    /// The length of the name decides first, so that other fields cost one jump.
    @inline(__always)
    mutating func take(
        _ name: UnsafePointer<UInt8>, _ length: Int, _ value: ByteSlice,
        knownHost: inout KnownAuthority
    ) -> WireError.Code? {
        switch length {
        case 4: unsafe Self.matches(name, 4, "host") ? takeHost(value, &knownHost) : nil
        case 6: unsafe Self.matches(name, 6, "expect") ? takeExpect(value) : nil
        case 7: unsafe Self.matches(name, 7, "upgrade") ? takeUpgrade() : nil
        case 10: unsafe Self.matches(name, 10, "connection") ? takeConnection(value) : nil
        case 12: unsafe takeRequestID(ByteSlice(name, count: 12), value)
        case 14: unsafe Self.matches(name, 14, "content-length") ? takeLength(value) : nil
        case 17: unsafe Self.matches(name, 17, "transfer-encoding") ? takeCoding(value) : nil
        default: nil
        }
    }

    /// Draws the conclusions when the head has ended; returns what is wrong with the whole.
    ///
    /// - Source: RFC 9112, sections 3.2 (Host), 6.1 to 6.3 (framing), 9.3 (persistence).
    @inline(__always)
    func conclude(_ head: inout RequestHead) -> WireError.Code? {
        if head.host.isEmpty {
            head.host = host
            // The URI would be http:///..., which is to be rejected (RFC 9110, 4.2.1).
            if host.isEmpty, said.contains(.host), !(head.path == "*") { return .hostInvalid }
        }
        if said == .host, head.minorVersion > 0 {
            head.framing = .none
            head.keepAlive = true
            head.wantsUpgrade = false
            head.expectsContinue = false
            head.hasRequestID = false
            return nil
        }
        return concludeWithCare(&head)
    }

    @inline(never)
    private func concludeWithCare(_ head: inout RequestHead) -> WireError.Code? {
        let isHTTP11 = head.minorVersion > 0
        if isHTTP11, !said.contains(.host) { return .hostMissing }
        if said.contains(.transferEncoding) {
            if said.contains(.contentLength) { return .lengthAndTransferEncoding }
            if !isHTTP11 { return .transferEncodingInHTTP10 }
            head.framing = .chunked
        } else {
            head.framing = said.contains(.contentLength) ? .length(contentLength) : .none
        }
        head.keepAlive = !said.contains(.close) && (isHTTP11 || said.contains(.keepAlive))
        head.wantsUpgrade = isHTTP11 && said.isSuperset(of: [.upgrade, .connectionUpgrade])
        head.expectsContinue =
            isHTTP11 && said.contains(.expectContinue)
            && (said.contains(.transferEncoding) || contentLength > 0)
        head.hasRequestID = said.contains(.requestID)
        return nil
    }

    /// Says whether the name, a token of the right length, is the lower-case text when its case is
    /// ignored.
    @inline(__always)
    private static func matches(
        _ name: UnsafePointer<UInt8>, _ length: Int, _ text: StaticString
    ) -> Bool {
        let other = unsafe text.utf8Start
        if length < 8 {
            let last = length &- 4
            return unsafe (Word.load4(name) | 0x2020_2020) == Word.load4(other)
                && (Word.load4(name + last) | 0x2020_2020) == Word.load4(other + last)
        }
        let space = Word.all(0x20)
        var at = 0
        while at &+ 8 <= length {
            if unsafe (Word.load(name + at) | space) != Word.load(other + at) { return false }
            at &+= 8
        }
        let last = length &- 8
        return unsafe (Word.load(name + last) | space) == Word.load(other + last)
    }

    @inline(__always)
    private mutating func takeHost(
        _ value: ByteSlice, _ known: inout KnownAuthority
    ) -> WireError.Code? {
        if said.contains(.host) { return .hostRepeated }
        said.insert(.host)
        host = value
        return known.isSame(value) ? nil : Self.judgeHost(value, &known)
    }

    /// Takes note of a Host that is known to be valid, the first field of its head.
    @inline(__always)
    mutating func takeKnownHost(_ value: ByteSlice) {
        said.insert(.host)
        host = value
    }

    @inline(never)
    private static func judgeHost(
        _ value: ByteSlice, _ known: inout KnownAuthority
    ) -> WireError.Code? {
        if value.isEmpty { return nil }
        guard Authority.isValid(value) else { return .hostInvalid }
        known.note(value)
        return nil
    }

    /// - Source: RFC 9110, section 8.6; a list of equal lengths is refused rather than merged.
    private mutating func takeLength(_ value: ByteSlice) -> WireError.Code? {
        if said.contains(.contentLength) { return .contentLengthRepeated }
        said.insert(.contentLength)
        guard let length = value.asInteger, length <= UInt64(Int64.max) else {
            return .contentLengthInvalid
        }
        contentLength = length
        return nil
    }

    /// Accepts `chunked` alone.
    ///
    /// - Source: RFC 9112, section 6.1: an unknown coding is 501, a body whose end cannot be found
    ///   is 400.
    @inline(never)
    private mutating func takeCoding(_ value: ByteSlice) -> WireError.Code? {
        if said.contains(.transferEncoding) { return .transferEncodingRepeated }
        said.insert(.transferEncoding)
        if value.equalsIgnoringCase("chunked") { return nil }
        var list = ListElements(value)
        var hasChunked = false
        while let element = list.next() {
            if hasChunked { return .transferEncodingInvalid }
            hasChunked = element.equalsIgnoringCase("chunked")
        }
        return hasChunked && list.count > 1
            ? .transferEncodingUnsupported : .transferEncodingInvalid
    }

    @inline(never)
    private mutating func takeConnection(_ value: ByteSlice) -> WireError.Code? {
        if value.equalsIgnoringCase("keep-alive") {
            said.insert(.keepAlive)
            return nil
        }
        var list = ListElements(value)
        while let element = list.next() {
            switch element.count {
            case 5: if element.equalsIgnoringCase("close") { said.insert(.close) }
            case 7: if element.equalsIgnoringCase("upgrade") { said.insert(.connectionUpgrade) }
            case 10: if element.equalsIgnoringCase("keep-alive") { said.insert(.keepAlive) }
            default: break
            }
        }
        return nil
    }

    @inline(never)
    private mutating func takeRequestID(
        _ name: ByteSlice, _ value: ByteSlice
    ) -> WireError.Code? {
        if name.equalsIgnoringCase("x-request-id"), RequestIdentifier.isValid(value) {
            said.insert(.requestID)
        }
        return nil
    }

    private mutating func takeUpgrade() -> WireError.Code? {
        said.insert(.upgrade)
        return nil
    }

    @inline(never)
    private mutating func takeExpect(_ value: ByteSlice) -> WireError.Code? {
        guard value.equalsIgnoringCase("100-continue") else { return .expectationUnknown }
        said.insert(.expectContinue)
        return nil
    }
}
