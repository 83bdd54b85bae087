internal import HostModel

/// A route's pattern, taken apart and checked.
///
/// - Shape: begins with `/`; segments are literal text, `{name}` or, at the end, `{name...}`. A
///   pattern that ends in `/` matches only paths that do.
struct RoutePattern: Hashable {
    /// The most parameters of one pattern, which is what the request's storage has room for.
    static let parametersMax = 16
    /// The most segments of one pattern.
    static let segmentsMax = 32
    /// The longest pattern in bytes.
    static let bytesMax = 1024

    enum Segment: Hashable {
        case literal(String)
        case parameter(String)
        case rest(String)
    }

    var segments: [Segment]

    /// The pattern with the names of its parameters left out: two patterns of one shape match the
    /// same paths.
    var shape: [Segment] {
        segments.map { segment in
            switch segment {
            case .literal: segment
            case .parameter: .parameter("")
            case .rest: .rest("")
            }
        }
    }

    var parameterNames: [String] {
        segments.compactMap { segment in
            switch segment {
            case .literal: nil
            case .parameter(let name), .rest(let name): name
            }
        }
    }

    /// Takes the pattern apart, adding to `objections` what is wrong with it.
    init(_ text: String, objections: inout [String]) {
        segments = []
        guard text.utf8.first == UInt8(ascii: "/") else {
            objections.append("it does not begin with \"/\"")
            return
        }
        guard text.utf8.count <= Self.bytesMax else {
            objections.append("it is longer than \(Self.bytesMax) bytes")
            return
        }
        let parts = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            let isLast = index == parts.count - 1
            guard !part.isEmpty || isLast else {
                objections.append("it has an empty segment (\"//\")")
                continue
            }
            if let segment = Self.segment(part, isLast: isLast, objections: &objections) {
                segments.append(segment)
            }
        }
        if segments.count > Self.segmentsMax {
            objections.append("it has more than \(Self.segmentsMax) segments")
        }
        let names = parameterNames
        if names.count > Self.parametersMax {
            objections.append("it has more than \(Self.parametersMax) parameters")
        }
        for name in Set(names.filter { name in names.count { $0 == name } > 1 }).sorted() {
            objections.append("the parameter {\(name)} appears more than once")
        }
    }

    private static func segment(
        _ part: Substring, isLast: Bool, objections: inout [String]
    ) -> Segment? {
        guard part.hasPrefix("{"), part.hasSuffix("}") else {
            return literal(part, objections: &objections)
        }
        var name = part.dropFirst().dropLast()
        let isRest = name.hasSuffix("...")
        if isRest { name = name.dropLast(3) }
        guard isName(name) else {
            objections.append(
                "\(Escaping.quoted(String(part))) is not {name} or {name...}, with a name of "
                    + "letters, digits, \"_\" and \"-\" that begins with a letter or \"_\"")
            return nil
        }
        guard isRest else { return .parameter(String(name)) }
        guard isLast else {
            objections.append("{\(name)...} stands before the end")
            return nil
        }
        return .rest(String(name))
    }

    private static func literal(_ part: Substring, objections: inout [String]) -> Segment? {
        let text = String(part)
        if text == "." || text == ".." {
            objections.append("the segment \"\(text)\" never reaches a plugin")
            return nil
        }
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "}"):
                objections.append(
                    "\(Escaping.quoted(text)) has a brace: a parameter is a whole segment")
                return nil
            case UInt8(ascii: "%"), UInt8(ascii: "?"), UInt8(ascii: "#"), 0...0x1F, 0x7F:
                objections.append(
                    "\(Escaping.quoted(text)) has a character that a pattern may not have; write "
                        + "paths as they are after percent-decoding, without a query")
                return nil
            default: continue
            }
        }
        return .literal(text)
    }

    private static func isName(_ name: Substring) -> Bool {
        guard let first = name.utf8.first, isLetter(first) else { return false }
        return name.utf8.allSatisfy {
            isLetter($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || $0 == UInt8(ascii: "-")
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
