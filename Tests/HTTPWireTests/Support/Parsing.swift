import HTTPWire

/// A parsed head with everything copied out of the input, so that results can be compared.
///
/// Texts are escaped as `ByteSlice.description` does it.
struct ParsedHead: Equatable, CustomStringConvertible {
    var length: Int
    var method: String
    var target: String
    var path: String
    var query: String?
    var host: String
    var minorVersion: UInt8
    var framing: BodyFraming
    var keepAlive: Bool
    var expectsContinue: Bool
    var wantsUpgrade: Bool
    var pathNeedsNormalizing: Bool
    var fields: [String]

    var description: String {
        """
        \(length) bytes, \(method) \(target) [path \(path) query \(query ?? "none") host \(host)] \
        1.\(minorVersion) \(framing) keep-alive \(keepAlive) continue \(expectsContinue) \
        upgrade \(wantsUpgrade) normalize \(pathNeedsNormalizing) fields \(fields)
        """
    }
}

/// What came out of a parse, in comparable form.
enum Parsed: Equatable {
    case incomplete
    case complete(ParsedHead)
    case invalid(WireError)

    var code: WireError.Code? {
        if case .invalid(let error) = self { error.code } else { nil }
    }

    var head: ParsedHead? {
        if case .complete(let head) = self { head } else { nil }
    }
}

/// Parses the bytes as they stand after each of the given reads, until one decides.
func parseHead(
    _ bytes: some Collection<UInt8>, cuts: [Int] = [], limits: WireLimits = WireLimits(),
    slots: Int = 128
) -> Parsed {
    let all = Array(bytes)
    var seen = 0
    for end in cuts + [all.count] {
        let outcome = parseHead(all[0..<end], seen: seen, limits: limits, slots: slots)
        if outcome != .incomplete { return outcome }
        seen = end
    }
    return .incomplete
}

/// Parses the bytes once.
///
/// The bytes are copied to memory of exactly their size, so that a look beyond the end is found by
/// memory checkers and, mostly, by wrong results.
func parseHead(
    _ bytes: some Collection<UInt8>, seen: Int, limits: WireLimits, slots: Int = 128
) -> Parsed {
    let parser = RequestParser(limits: limits)
    let fields = UnsafeMutableBufferPointer<HeaderField>.allocate(capacity: slots)
    fields.initialize(repeating: HeaderField())
    let input = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    input.copyBytes(from: bytes)
    defer {
        fields.deallocate()
        input.deallocate()
    }
    var head = RequestHead()
    switch parser.parse(
        UnsafeRawBufferPointer(input), alreadySeen: seen, fields: fields, head: &head)
    {
    case .incomplete: return .incomplete
    case .invalid(let error): return .invalid(error)
    case .complete(let length):
        let list = HeaderFields(fields, count: head.fieldCount)
        return .complete(
            ParsedHead(
                length: length, method: "\(head.methodName)", target: "\(head.target)",
                path: "\(head.path)", query: head.hasQuery ? "\(head.query)" : nil,
                host: "\(head.host)", minorVersion: head.minorVersion,
                framing: head.framing, keepAlive: head.keepAlive,
                expectsContinue: head.expectsContinue, wantsUpgrade: head.wantsUpgrade,
                pathNeedsNormalizing: head.pathNeedsNormalizing,
                fields: list.map { "\($0.name): \($0.value)" }))
    }
}

func parseHead(_ text: String, limits: WireLimits = WireLimits(), slots: Int = 128) -> Parsed {
    parseHead(text.utf8, limits: limits, slots: slots)
}
