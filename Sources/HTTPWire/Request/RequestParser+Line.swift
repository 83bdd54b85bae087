extension RequestParser {
    typealias Address = UnsafePointer<UInt8>

    /// Reads the request line and returns the start of the line after it.
    ///
    /// - Source: RFC 9112, section 3.
    @inline(__always)
    func requestLine(
        _ start: Address, _ line: Address, _ end: Address, head: inout RequestHead
    ) throws(WireError) -> Address {
        var at = unsafe line
        if unsafe end - at >= 4, unsafe Word.load4(at) == RequestParser.getAndSpace {
            head.method = .get
            unsafe at += 3
        } else {
            unsafe at = Scan.token(at, end)
            guard unsafe at < end, unsafe at != line, unsafe at.pointee == 0x20 else {
                throw unsafe WireError(.methodInvalid, offset: at - start)
            }
            head.method = unsafe Method(ByteSlice(line, count: at - line))
        }
        head.methodName = unsafe ByteSlice(line, count: at - line)
        unsafe at += 1
        unsafe at = try target(start, at, end, head: &head)
        unsafe at = try version(start, at, end, head: &head)
        guard unsafe at - line <= limits.requestLineBytesMax + 2 else {
            throw unsafe WireError(.requestLineTooLong, offset: line - start)
        }
        return unsafe at
    }

    /// Reads the request target and returns the position of the space after it.
    @inline(__always)
    private func target(
        _ start: Address, _ from: Address, _ end: Address, head: inout RequestHead
    ) throws(WireError) -> Address {
        var at = unsafe from
        head.host = ByteSlice()
        if unsafe at < end, unsafe at.pointee == UInt8(ascii: "/"), head.method != .connect {
            var needsNormalizing = false
            unsafe at = Scan.path(at, end, needsNormalizing: &needsNormalizing)
            head.pathNeedsNormalizing = needsNormalizing
            head.path = unsafe ByteSlice(from, count: at - from)
            if unsafe at < end, unsafe at.pointee == UInt8(ascii: "?") {
                let query = unsafe at + 1
                unsafe at = Scan.target(query, end)
                head.query = unsafe ByteSlice(query, count: at - query)
                head.hasQuery = true
            } else {
                head.query = ByteSlice()
                head.hasQuery = false
            }
        } else {
            unsafe at = Scan.target(at, end)
            try unsafe otherForm(
                ByteSlice(from, count: at - from), offset: from - start, head: &head)
        }
        guard unsafe at < end, unsafe at.pointee == 0x20 else {
            throw unsafe WireError(
                at < end && (at.pointee == 0x0D || at.pointee == 0x0A)
                    ? .requestLineMalformed : .targetInvalid, offset: at - start)
        }
        head.target = unsafe ByteSlice(from, count: at - from)
        return unsafe at
    }

    /// Takes apart a target that is not an absolute path.
    ///
    /// - Source: RFC 9112, sections 3.2.2 (absolute), 3.2.3 (authority), 3.2.4 (asterisk).
    @inline(never)
    private func otherForm(
        _ target: ByteSlice, offset: Int, head: inout RequestHead
    ) throws(WireError) {
        head.pathNeedsNormalizing = false
        head.query = ByteSlice()
        head.hasQuery = false
        if head.method == .connect {
            guard Authority.isValid(target, portRequired: true) else {
                throw WireError(.authorityInvalid, offset: offset)
            }
            head.path = ByteSlice()
            head.pathNeedsNormalizing = true
            head.host = target
            return
        }
        if target == "*" {
            guard head.method == .options else {
                throw WireError(.targetInvalid, offset: offset)
            }
            head.path = target
            return
        }
        let schemeLength =
            target.count >= 7 && target[0..<7].equalsIgnoringCase("http://")
            ? 7 : target.count >= 8 && target[0..<8].equalsIgnoringCase("https://") ? 8 : 0
        guard schemeLength > 0, let base = unsafe target.base else {
            throw WireError(.targetInvalid, offset: offset)
        }
        var at = schemeLength
        while at < target.count, target[at] != UInt8(ascii: "/"), target[at] != UInt8(ascii: "?") {
            at += 1
        }
        head.host = target[schemeLength..<at]
        guard Authority.isValid(head.host) else {
            throw WireError(.authorityInvalid, offset: offset + schemeLength)
        }
        let pathStart = unsafe base + at
        var needsNormalizing = false
        let pathEnd = unsafe Scan.path(
            pathStart, base + target.count, needsNormalizing: &needsNormalizing)
        let pathLength = unsafe pathEnd - pathStart
        head.pathNeedsNormalizing = needsNormalizing
        at += pathLength
        if at < target.count {
            head.hasQuery = true
            head.query = target[(at + 1)..<target.count]
        }
        if pathLength > 0 {
            head.path = unsafe ByteSlice(pathStart, count: pathLength)
        } else {
            head.path = head.method == .options && !head.hasQuery ? ByteSlice("*") : ByteSlice("/")
        }
    }

    /// Reads the space, the version and the line end, and returns the start of the next line.
    ///
    /// A minor version above 1 is served as HTTP/1.1.
    ///
    /// - Source: RFC 9112, section 2.3; RFC 9110, section 2.5.
    @inline(__always)
    private func version(
        _ start: Address, _ space: Address, _ end: Address, head: inout RequestHead
    ) throws(WireError) -> Address {
        let at = unsafe space + 1
        guard unsafe end - at >= 10 else {
            throw unsafe WireError(.versionMalformed, offset: at - start)
        }
        let word = unsafe Word.load(at)
        if word == RequestParser.version11 {
            head.minorVersion = 1
        } else {
            try unsafe otherVersion(word, offset: at - start, head: &head)
        }
        guard unsafe at[8] == 0x0D, unsafe at[9] == 0x0A else {
            throw unsafe WireError(.requestLineMalformed, offset: at + 8 - start)
        }
        return unsafe at + 10
    }

    @inline(never)
    private func otherVersion(
        _ word: UInt64, offset: Int, head: inout RequestHead
    ) throws(WireError) {
        let major = UInt8(truncatingIfNeeded: word >> 40)
        let dot = UInt8(truncatingIfNeeded: word >> 48)
        let minor = UInt8(truncatingIfNeeded: word >> 56)
        let name: UInt64 = 0xFF_FFFF_FFFF
        guard word & name == RequestParser.version11 & name, dot == UInt8(ascii: "."),
            CharacterClass.isDigit(major), CharacterClass.isDigit(minor)
        else {
            throw WireError(.versionMalformed, offset: offset)
        }
        guard major == UInt8(ascii: "1") else {
            throw WireError(.versionUnsupported, offset: offset)
        }
        head.minorVersion = minor == UInt8(ascii: "0") ? 0 : 1
    }

    /// "GET " as `Word.load4` reads it.
    private static var getAndSpace: UInt32 { 0x2054_4547 }
    /// "HTTP/1.1" as `Word.load` reads it.
    private static var version11: UInt64 { 0x312E_312F_5054_5448 }
}
