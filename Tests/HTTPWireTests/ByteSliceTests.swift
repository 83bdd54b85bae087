import HTTPWire
import Testing

@Suite struct ByteSliceTests {
    @Test(arguments: ["", "a", "abcdefg", "abcdefgh", "abcdefghijk", "abcdefghijklmnopq"])
    func equality_seesEveryByte(_ text: String) {
        withSlice(text) { left in
            withSlice(text) { #expect(left == $0) }
            withSlice(text + "x") { #expect(left != $0) }
            for index in 0..<text.utf8.count {
                var bytes = Array(text.utf8)
                bytes[index] ^= 1
                bytes.withUnsafeBytes { #expect(left != ByteSlice($0)) }
            }
        }
    }

    @Test func caseInsensitiveComparison_foldsLettersOnly() {
        withSlice("Content-LENGTH@[`{") {
            #expect($0.equalsIgnoringCase("content-length@[`{"))
            #expect(!$0.equalsIgnoringCase("content-length`[`{"))
            #expect(!$0.equalsIgnoringCase("content-length@{`{"))
            #expect(!$0.equalsIgnoringCase("content-length@[`"))
        }
    }

    @Test(arguments: [
        ("0", UInt64(0)), ("18446744073709551615", .max), ("0007", 7),
        ("18446744073709551616", nil),
        ("", nil), ("-1", nil), ("+1", nil), ("1 ", nil), ("1a", nil),
        ("99999999999999999999", nil),
    ])
    func integer_isDigitsThatFitOrNothing(_ text: String, _ value: UInt64?) {
        withSlice(text) { #expect($0.asInteger == value) }
    }

    @Test func prefixAndSearch_findWhatIsThere() {
        withSlice("W/\"x\"") {
            #expect($0.starts(with: "W/"))
            #expect(!$0.starts(with: "W/\"x\"y"))
            #expect($0.firstIndex(of: UInt8(ascii: "x")) == 3)
            #expect($0.firstIndex(of: UInt8(ascii: "y")) == nil)
        }
    }

    @Test func description_escapesWhatTerminalsObey() {
        withSlice("a\u{1B}[0m\r\n\t\\\"é") {
            #expect($0.description == "a\\x1B[0m\\r\\n\\t\\\\\\\"\\xC3\\xA9")
            #expect($0.escaped(bytesMax: 3) == "a\\x1B[...")
        }
    }
}
