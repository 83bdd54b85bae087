import HTTPWire
import Testing

@Suite struct NegotiationTests {
    static func ranges(_ value: String, size: UInt64, room: Int = 4) -> (RangeOutcome, [String]) {
        let buffer = UnsafeMutableBufferPointer<ByteRange>.allocate(capacity: room)
        defer { buffer.deallocate() }
        let outcome = withSlice(value) { RangeHeader.parse($0, size: size, into: buffer) }
        guard case .satisfiable(let count) = outcome else { return (outcome, []) }
        return (outcome, buffer[0..<count].map { "\($0.first)-\($0.last)" })
    }

    @Test(arguments: [
        ("bytes=0-0", ["0-0"]), ("bytes=0-99", ["0-99"]), ("bytes=0-500", ["0-99"]),
        ("bytes=90-", ["90-99"]), ("bytes=-1", ["99-99"]), ("bytes=-500", ["0-99"]),
        ("BYTES=1-2", ["1-2"]), ("bytes=1-2, 4-5", ["1-2", "4-5"]), ("bytes=,1-2,,", ["1-2"]),
        ("bytes=1-2,200-300", ["1-2"]), ("bytes=5-6,1-2,-1", ["5-6", "1-2", "99-99"]),
        ("bytes=0-99999999999999999999999", ["0-99"]), ("bytes= 1-2", ["1-2"]),
    ])
    func ranges_areResolvedAgainstTheSize(_ value: String, _ expected: [String]) {
        #expect(Self.ranges(value, size: 100).1 == expected)
    }

    @Test(arguments: [
        "", "bytes", "bytes=", "bytes=,", "items=0-1", "bytes=a-b", "bytes=1", "bytes=-",
        "bytes=2-1", "bytes=1-2-3", "bytes=1 -2", "bytes=+1-2", "bytes=--1", "bytes=1-2;3-4",
        "bytes=0-1,2-3,4-5,6-7,8-9", "bytes=0-99,0-0", "bytes 0-1", "bytes=0-1,x", "bytes=0x0-1",
    ])
    func ranges_areIgnored_whenTheyAreMalformedOrUnreasonable(_ value: String) {
        #expect(Self.ranges(value, size: 100).0 == .ignored)
    }

    @Test(arguments: ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=200-,300-"])
    func ranges_areUnsatisfiable_whenAllLieBeyondTheEnd(_ value: String) {
        #expect(Self.ranges(value, size: 100).0 == .unsatisfiable)
    }

    @Test func emptyRepresentation_hasNoRanges() {
        #expect(Self.ranges("bytes=0-", size: 0).0 == .unsatisfiable)
        #expect(Self.ranges("bytes=-5", size: 0).0 == .ignored)
        #expect(Self.ranges("bytes=-0", size: 0).0 == .unsatisfiable)
    }

    @Test(arguments: ["\"a\"", "\"\"", "W/\"a\"", "\"a,b\"", "\"é\"", "\"a\\\""])
    func entityTag_isRead(_ text: String) {
        withSlice(text) { slice in
            let tag = EntityTag(slice)
            #expect(tag != nil)
            #expect(tag?.isWeak == text.hasPrefix("W/"))
        }
    }

    @Test(arguments: [
        "", "a", "\"", "\"a", "a\"", "w/\"a\"", "W/a", "\"a b\"", "\"a\"b", "W/", "*",
    ])
    func entityTag_isRefused_whenMalformed(_ text: String) {
        withSlice(text) { #expect(EntityTag($0) == nil) }
    }

    @Test(arguments: [
        // value, current, If-Match goes on, If-None-Match goes on
        ("\"a\"", "\"a\"", true, false), ("\"b\"", "\"a\"", false, true),
        ("W/\"a\"", "\"a\"", false, false), ("\"a\"", "W/\"a\"", false, false),
        ("\"x\", \"a\"", "\"a\"", true, false), ("\"x\" ,, \"a\" ,", "\"a\"", true, false),
        ("*", "\"a\"", true, false), (" * ", "\"a\"", true, false),
        ("*, \"b\"", "\"a\"", false, true),
        ("\"a\" \"b\"", "\"a\"", false, true), ("\"a\", b", "\"a\"", false, true),
        ("\"x,a\"", "\"a\"", false, true), ("", "\"a\"", false, true),
        ("\"a", "\"a\"", false, true),
        ("\"a\"", nil, false, true), ("*", nil, false, true),
    ])
    func conditions_compareStronglyAndWeakly(
        _ value: String, _ current: String?, _ match: Bool, _ noneMatch: Bool
    ) {
        withSlice(value) { value in
            withSlice(current ?? "") { tag in
                let tag = current == nil ? nil : EntityTag(tag)
                #expect(EntityTag.ifMatch(value, current: tag) == match)
                #expect(EntityTag.ifNoneMatch(value, current: tag) == noneMatch)
            }
        }
    }

    @Test(arguments: [
        ("gzip", true), ("GZIP", true), ("x-gzip", true), ("deflate, gzip;q=0.5", true),
        ("*", true), ("gzip;q=0", false), ("gzip; q=0.000", false), ("gzip;Q=0", false),
        ("*;q=0", false), ("gzip, *;q=0", true), ("*, gzip;q=0", false), ("", false),
        ("identity", false), ("br", false), ("gzipped", false), ("gzip;q=0.001", true),
        ("gzip;q=2", false), ("gzip;q=", false), ("gzip;q=0.0001", false), ("gzip;q=1.001", false),
        ("gzip ; q=1.000", true), ("gzip;q=x", false), ("gzip;q=-1", false), ("gzip;q=.5", false),
    ])
    func gzip_isTaken_whenItsWeightIsAboveZero(_ value: String, _ allowed: Bool) {
        withSlice(value) { value in
            var codings = AcceptedCodings()
            codings.take(value)
            #expect((codings.weight(of: .gzip) > 0) == allowed)
        }
    }

    @Test(arguments: [
        (["gzip, deflate, br, zstd"], "br zstd gzip", true),
        (["br;q=0.5, gzip;q=0.9, zstd;q=0.7"], "gzip zstd br", true), ([], "", true),
        ([""], "", true), (["*"], "br zstd gzip", true), (["gzip", "br"], "br gzip", true),
        (["*;q=0.5, zstd;q=0"], "br gzip", true), (["identity;q=0"], "", false),
        (["gzip, identity;q=0"], "gzip", false), (["gzip, *;q=0"], "gzip", false),
        (["*;q=0"], "", false), (["*;q=0, identity;q=0.1"], "", true),
        (["identity, gzip;q=0.9"], "", true),
        (["identity;q=0.5, br;q=0.5, gzip;q=0.4"], "br", true),
        (["gzip;q=0.001"], "gzip", true), (["gzip;q=x, br"], "br", true), (["BR"], "br", true),
    ])
    func codings_areOfferedInTheClientsOrder(
        _ fields: [String], _ expected: String, _ takesIdentity: Bool
    ) {
        var codings = AcceptedCodings()
        for field in fields { withSlice(field) { codings.take($0) } }
        #expect(codings.preferred.map(\.name.description).joined(separator: " ") == expected)
        #expect(codings.takesIdentity == takesIdentity)
    }

    @Test(arguments: [
        ("*/*", 1000), ("text/html", 1000), ("TEXT/Html", 1000), ("text/*;q=0.3", 300),
        ("text/html;q=0.7, text/*;q=0.9", 700), ("*/*;q=0.1, text/html;q=0", 0), ("image/png", 0),
        ("", 1000), ("text/html;level=1", 0), ("text/html;level=1, */*;q=0.2", 200),
        ("text/htm", 0), ("text", 0), ("*/html", 0), ("text/html;q=9", 0), ("tex/*", 0),
        ("text/plain;a=\"x,y\";q=0.5, text/html;q=0.4", 400),
    ])
    func mediaType_getsTheWeightOfTheMostSpecificRange(_ value: String, _ quality: Int) {
        withSlice(value) { #expect(Accept.quality(of: ByteSlice("text/html"), in: $0) == quality) }
    }

    @Test func bestOffer_isTheOneWithTheHighestWeight() {
        let offers: [StaticString] = ["application/json", "text/html"]
        withSlice("text/html, application/json;q=0.9") {
            #expect(Accept.best(of: offers, in: $0) == 1)
        }
        withSlice("*/*") { #expect(Accept.best(of: offers, in: $0) == 0) }
        withSlice("image/*") { #expect(Accept.best(of: offers, in: $0) == nil) }
    }
}
