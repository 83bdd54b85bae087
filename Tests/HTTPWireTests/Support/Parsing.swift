import HTTPWire

/// A parsed head with everything copied out of the input, so that results can be compared.
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

/// Parses the bytes as they stand after the last of the given reads.
///
/// The bytes are copied to memory of exactly their size, so that a look beyond the end is found by
/// memory checkers and, mostly, by wrong results.
func parseHead(
    _ bytes: some Collection<UInt8>, cuts: [Int] = [], limits: WireLimits = WireLimits(),
    slots: Int = 128
) -> Parsed {
    let parser = RequestParser(limits: limits)
    let all = Array(bytes)
    let fields = UnsafeMutableBufferPointer<HeaderField>.allocate(capacity: slots)
    fields.initialize(repeating: HeaderField())
    defer { fields.deallocate() }
    var seen = 0
    for end in cuts + [all.count] {
        let input = UnsafeMutableRawBufferPointer.allocate(byteCount: end, alignment: 1)
        defer { input.deallocate() }
        input.copyBytes(from: all[0..<end])
        var head = RequestHead()
        switch parser.parse(
            UnsafeRawBufferPointer(input), alreadySeen: seen, fields: fields, head: &head)
        {
        case .incomplete: seen = end
        case .invalid(let error): return .invalid(error)
        case .complete(let length):
            let list = HeaderFields(fields, count: head.fieldCount)
            return .complete(
                ParsedHead(
                    length: length, method: String(decoding: head.methodName),
                    target: String(decoding: head.target), path: String(decoding: head.path),
                    query: head.hasQuery ? String(decoding: head.query) : nil,
                    host: String(decoding: head.host), minorVersion: head.minorVersion,
                    framing: head.framing, keepAlive: head.keepAlive,
                    expectsContinue: head.expectsContinue, wantsUpgrade: head.wantsUpgrade,
                    pathNeedsNormalizing: head.pathNeedsNormalizing,
                    fields: list.map { "\($0.name): \($0.value)" }))
        }
    }
    return .incomplete
}

func parseHead(_ text: String, limits: WireLimits = WireLimits(), slots: Int = 128) -> Parsed {
    parseHead(text.utf8, limits: limits, slots: slots)
}
