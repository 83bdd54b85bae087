extension RequestParser {
    /// Reads a whole head and returns the position after it.
    ///
    /// An error is about a line that may not have ended yet; `line` tells the caller which.
    @inline(__always)
    func judge(
        _ start: Address, _ end: Address, fields: UnsafeMutableBufferPointer<HeaderField>,
        head: inout RequestHead, line: inout LineMark
    ) throws(WireError) -> Address {
        var at = unsafe start
        var emptyLines = 0
        while unsafe end - at >= 2, unsafe at[0] == 0x0D, unsafe at[1] == 0x0A {
            guard emptyLines < limits.leadingEmptyLinesMax else {
                throw unsafe WireError(.tooManyEmptyLines, offset: at - start)
            }
            emptyLines += 1
            unsafe at += 2
            unsafe line.start = at
        }
        unsafe at = try requestLine(start, at, end, head: &head)
        line.isRequestLine = false

        let fieldMax = min(limits.fieldCountMax, fields.count)
        var notes = FieldNotes()
        head.fieldCount = 0
        var isKnown = false
        if fieldMax > 0, let slots = fields.baseAddress,
            let field = unsafe head.knownHostLine.field(at, end)
        {
            unsafe slots[0] = field
            head.fieldCount = 1
            isKnown = true
            notes.takeKnownHost(field.value)
            unsafe at += head.knownHostLine.length
        }
        unsafe line.start = at
        if unsafe end - at < 2 || at[0] != 0x0D || at[1] != 0x0A {
            unsafe at = try fieldLines(
                start, at, end, fields: fields, fieldMax: fieldMax, head: &head, notes: &notes,
                line: &line)
        }
        if let code = notes.conclude(&head) {
            throw unsafe WireError(code, offset: at - start)
        }
        if !isKnown, head.fieldCount > 0, let slots = fields.baseAddress {
            unsafe head.knownHostLine.note(slots[0])
        }
        return unsafe at + 2
    }

    /// Reads field lines up to the empty line, and returns the position of that.
    @inline(never)
    private func fieldLines(
        _ start: Address, _ from: Address, _ end: Address,
        fields: UnsafeMutableBufferPointer<HeaderField>, fieldMax: Int, head: inout RequestHead,
        notes: inout FieldNotes, line: inout LineMark
    ) throws(WireError) -> Address {
        var at = unsafe from
        var count = head.fieldCount
        var taken = notes
        while true {
            unsafe line.start = at
            guard unsafe end - at >= 2 else {
                throw unsafe WireError(.colonMissing, offset: at - start)
            }
            if unsafe at[0] == 0x0D, unsafe at[1] == 0x0A { break }
            let nameStart = unsafe at
            unsafe at = Scan.token(at, end)
            guard unsafe at < end, unsafe at.pointee == UInt8(ascii: ":"), unsafe at != nameStart
            else { throw unsafe nameError(start, nameStart, at, end) }
            let nameLength = unsafe at - nameStart
            unsafe at = Scan.blanks(at + 1, end)
            let valueStart = unsafe at
            unsafe at = Scan.fieldValue(at, end)
            guard unsafe end - at >= 2, unsafe at[0] == 0x0D, unsafe at[1] == 0x0A else {
                throw unsafe WireError(.controlByte, offset: at - start)
            }
            var valueLength = unsafe at - valueStart
            while valueLength > 0, unsafe CharacterClass.isBlank(valueStart[valueLength &- 1]) {
                valueLength &-= 1
            }
            guard count < fieldMax, let slots = fields.baseAddress else {
                throw unsafe WireError(.tooManyFields, offset: nameStart - start)
            }
            let value = unsafe ByteSlice(valueStart, count: valueLength)
            unsafe slots[count] = unsafe HeaderField(
                name: ByteSlice(nameStart, count: nameLength), value: value)
            count &+= 1
            unsafe at += 2
            let code = unsafe taken.take(
                nameStart, nameLength, value, knownHost: &head.knownHost)
            if let code {
                throw unsafe WireError(code, offset: nameStart - start)
            }
        }
        head.fieldCount = count
        notes = taken
        return unsafe at
    }

    /// Says why a field line does not begin with a name and a colon.
    @inline(never)
    func nameError(
        _ start: Address, _ nameStart: Address, _ at: Address, _ end: Address
    ) -> WireError {
        let offset = unsafe at - start
        guard unsafe at < end else { return WireError(.colonMissing, offset: offset) }
        let byte = unsafe at.pointee
        if CharacterClass.isBlank(byte) {
            return WireError(
                unsafe at == nameStart ? .foldedLine : .blankBeforeColon, offset: offset)
        }
        if byte == 0x0D { return WireError(.colonMissing, offset: offset) }
        return WireError(.fieldNameInvalid, offset: offset)
    }
}

/// The line that a parser is in.
@safe
struct LineMark {
    var start: UnsafePointer<UInt8>
    var isRequestLine = true
}
