public import HTTPWire

extension Exchange {
    /// The fields that followed a chunked request body, once it is there whole; those are left out
    /// that may not come so late.
    public var trailers: UnsafeBufferPointer<HeaderField> {
        guard let block = unsafe state.trailers else {
            return unsafe UnsafeBufferPointer(start: nil, count: 0)
        }
        return unsafe UnsafeBufferPointer(
            start: (block + Exchange.trailerCountBytes).assumingMemoryBound(to: HeaderField.self),
            count: block.load(as: Int.self))
    }

    private static let trailerCountBytes = 16

    /// Keeps the trailer section of the request.
    @inline(never)
    func keepTrailers(_ section: [UInt8]) {
        unsafe section.withUnsafeBytes { bytes in
            var count = 0
            unsafe Trailers.forEach(ByteSlice(bytes)) { _ in count += 1 }
            guard count > 0, unsafe state.trailers == nil else { return }
            let tableBytes = Exchange.trailerCountBytes + count * MemoryLayout<HeaderField>.stride
            let block = UnsafeMutableRawPointer.allocate(
                byteCount: tableBytes + bytes.count, alignment: 16)
            unsafe block.storeBytes(of: count, as: Int.self)
            let text = unsafe UnsafeMutableRawBufferPointer(
                start: block + tableBytes, count: bytes.count)
            unsafe text.copyMemory(from: bytes)
            var next = unsafe (block + Exchange.trailerCountBytes).bindMemory(
                to: HeaderField.self, capacity: count)
            unsafe Trailers.forEach(ByteSlice(UnsafeRawBufferPointer(text))) { field in
                unsafe next.initialize(to: field)
                unsafe next += 1
            }
            unsafe state.trailers = block
        }
    }

    /// Ends the body as `finish()` does, with fields behind it if it is sent in chunks and the
    /// client keeps trailers.
    ///
    /// - Returns: `fieldRefused` if one of them is malformed or may not come so late; the body has
    ///   not ended then.
    /// - Source: RFC 9110, section 6.5.1.
    public func finish(trailers: UnsafeBufferPointer<HeaderField>) -> ResponseResult {
        guard unsafe ResponseRules.allow(trailers: trailers) else { return .fieldRefused }
        guard state.response == .begun else { return .outOfOrder }
        guard let connection = state.connection, state.framing == .chunked, wantsTrailers else {
            let isClosed = isClosed
            finish()
            return isClosed ? .closed : .accepted
        }
        var needed = 5
        for index in 0..<trailers.count {
            needed += unsafe trailers[index].name.count + trailers[index].value.count + 4
        }
        var writer = unsafe ResponseWriter(
            UnsafeMutableRawBufferPointer(start: connection.room(needed), count: needed))
        _ = writer.verbatim(ByteSlice("0\r\n"))
        for index in 0..<trailers.count {
            _ = unsafe writer.field(trailers[index].name, trailers[index].value)
        }
        _ = writer.endOfHead()
        connection.state.outputEnd += writer.count
        complete()
        return .accepted
    }

    private var wantsTrailers: Bool {
        for index in 0..<state.head.fieldCount {
            let field = unsafe state.fields[index]
            if field.name.equalsIgnoringCase("te"), Trailers.areWanted(field.value) { return true }
        }
        return false
    }
}

extension ResponseRules {
    /// Says whether these fields may follow a body.
    static func allow(trailers: UnsafeBufferPointer<HeaderField>) -> Bool {
        for index in 0..<trailers.count where unsafe !Trailers.mayHold(trailers[index].name) {
            return false
        }
        return unsafe allow(status: 200, fields: trailers)
    }
}
