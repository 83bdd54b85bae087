import Glibc
import HTTPWire
import Testing

@Suite struct HTTPDateTests {
    static func format(_ seconds: Int64) -> String {
        let room = UnsafeMutableRawBufferPointer.allocate(
            byteCount: HTTPDate.length, alignment: 1)
        defer { room.deallocate() }
        HTTPDate.format(secondsSinceEpoch: seconds, into: room)
        return String(decoding: room, as: UTF8.self)
    }

    @Test(arguments: [
        (Int64(0), "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (.max, "Fri, 31 Dec 9999 23:59:59 GMT"), (.min, "Mon, 01 Jan 0001 00:00:00 GMT"),
    ])
    func date_isFormatted(_ seconds: Int64, _ text: String) {
        #expect(Self.format(seconds) == text)
    }

    @Test func formatting_agreesWithTheSystem_andParsingUndoesIt() {
        var generator = SplitMix(seed: 0xDA7E)
        for _ in 0..<3_000 {
            let seconds = Int64.random(in: -62_135_596_800...253_402_300_799, using: &generator)
            var time = time_t(seconds)
            var parts = tm()
            gmtime_r(&time, &parts)
            var buffer = [CChar](repeating: 0, count: 64)
            let length = strftime(&buffer, buffer.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
            var expected = String(decoding: buffer[0..<length].map(UInt8.init), as: UTF8.self)
            while expected.utf8.count < 29 {
                expected.insert("0", at: expected.index(expected.startIndex, offsetBy: 12))
            }
            let text = Self.format(seconds)
            #expect(text == expected)
            #expect(withSlice(text) { HTTPDate.parse($0, now: 0) } == seconds)
        }
    }

    @Test(arguments: [
        ("Sun, 06 Nov 1994 08:49:37 GMT", Int64(784_111_777)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
        ("Sun Nov  6 08:49:37 1994", 784_111_777),
        ("Wed Nov 16 08:49:37 1994", 784_975_777),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_799),
        ("Wednesday, 01-Jan-70 00:00:00 GMT", 3_155_760_000),
        ("Saturday, 01-Jan-77 00:00:00 GMT", 220_924_800),
    ])
    func date_isParsed_inAllThreeForms(_ text: String, _ seconds: Int64) {
        let in2026: Int64 = 1_780_000_000
        #expect(withSlice(text) { HTTPDate.parse($0, now: in2026) } == seconds)
    }

    @Test(arguments: [
        "", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT", "Sun, 00 Jan 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "Foo, 06 Nov 1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994", "Sun Nov  6 08:49:37 94", "Someday, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06 Nov 94 08:49:37 GMT", "Sun, 06 Nov 19x4 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT", "aaa,aaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaa,",
    ])
    func date_isRefused_inAnyOtherForm(_ text: String) {
        #expect(withSlice(text) { HTTPDate.parse($0, now: 1_780_000_000) } == nil)
    }
}
