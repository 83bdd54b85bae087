/// A way in which the bytes of a representation may be compressed.
///
/// - Source: RFC 9110, section 8.4.1; RFC 7932 (br); RFC 8878 (zstd).
public enum ContentCoding: Int, CaseIterable, Sendable {
    case brotli, zstandard, gzip

    /// The name in `Accept-Encoding` and `Content-Encoding`.
    public var name: StaticString {
        switch self {
        case .brotli: "br"
        case .zstandard: "zstd"
        case .gzip: "gzip"
        }
    }
}

/// Which codings a client takes, and how much it likes each of them: what all of its
/// `Accept-Encoding` fields say together.
///
/// - Shape: weights are thousandths. `gzip` and `x-gzip` are the same; `*` stands for every coding
///   that is not named; an element with a malformed weight counts as not there.
/// - Source: RFC 9110, section 12.5.3.
public struct AcceptedCodings {
    private var named: (brotli: Int?, zstandard: Int?, gzip: Int?)
    private var identity: Int?
    private var any: Int?

    /// Makes the state before any field: the client takes the bytes as they are.
    public init() {
        named = (nil, nil, nil)
    }

    /// Takes in one field.
    public mutating func take(_ value: ByteSlice) {
        var list = ListElements(value)
        while let element = list.next() {
            guard let coding = Weighted(element) else { continue }
            if coding.name.equalsIgnoringCase("gzip") || coding.name.equalsIgnoringCase("x-gzip") {
                // Of the two names for one thing, the one that forbids it wins.
                named.gzip = min(named.gzip ?? 1_000, coding.weight)
            } else if coding.name.equalsIgnoringCase("br") {
                named.brotli = coding.weight
            } else if coding.name.equalsIgnoringCase("zstd") {
                named.zstandard = coding.weight
            } else if coding.name.equalsIgnoringCase("identity") {
                identity = coding.weight
            } else if coding.name == "*" {
                any = coding.weight
            }
        }
    }

    /// How much the client likes a coding: 0 means not at all, 1000 best.
    public func weight(of coding: ContentCoding) -> Int {
        let weight =
            switch coding {
            case .brotli: named.brotli
            case .zstandard: named.zstandard
            case .gzip: named.gzip
            }
        return weight ?? any ?? 0
    }

    /// Whether the client takes the bytes as they are; it does unless it says otherwise.
    public var takesIdentity: Bool { (identity ?? any ?? 1) > 0 }

    /// The codings to offer before the bytes as they are, the best first.
    ///
    /// Among codings that the client likes equally the order is that of `ContentCoding`; the bytes
    /// as they are come before a coding only if the client gives them a greater weight.
    public var preferred: [ContentCoding] {
        if named.brotli ?? named.zstandard ?? named.gzip ?? any == nil { return [] }
        let least = max(identity ?? 1, 1)
        return ContentCoding.allCases.filter { weight(of: $0) >= least }
            .sorted { (-weight(of: $0), $0.rawValue) < (-weight(of: $1), $1.rawValue) }
    }
}
