import HostModel
import Testing

/// Texts in the manner of the JSON parsing test suites: what must be read and what must not.
enum JSONCases {
    static let valid: [String] = [
        "[[]   ]", "[\"\"]", "[]", "[\"a\"]", "[false]", "[null, 1, \"1\", {}]", "[null]", "[1\n]",
        " [1]", "[1,null,null,null,2]", "[2] ", "[123e65]", "[0e+1]", "[0e1]", "[ 4]",
        "[-0.000000000000000000000000000000000000000000000000000000000000000000000000000000001]\n",
        "[20e1]", "[-0]", "[-123]", "[-1]", "[1E22]", "[1E-2]", "[1E+2]", "[123e45]",
        "[123.456e78]", "[1e-2]", "[1e+2]", "[123]", "[123.456789]", "[100000000000000000000]",
        "{\"asd\":\"sdf\", \"dfg\":\"fgh\"}", "{\"asd\":\"sdf\"}", "{}", "{\"\":0}",
        "{\"foo\\u0000bar\": 42}", "{ \"min\": -1.0e+28, \"max\": 1.0e+28 }",
        "{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}], \"id\": \"x\"}",
        "{\"a\":[]}", "{\n\"a\": \"b\"\n}", "[\"\\u0060\\u012a\\u12AB\"]",
        "[\"\\uD801\\udc37\"]", "[\"\\ud83d\\ude39\\ud83d\\udc8d\"]",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "[\"\\\\u0000\"]", "[\"\\\"\"]", "[\"a/*b*/c/*d//e\"]",
        "[\"\\\\a\"]", "[\"\\\\n\"]", "[\"\\u0012\"]", "[\"\\uFFFF\"]", "[\"asd\"]", "[ \"asd\"]",
        "[\"\\uDBFF\\uDFFF\"]", "[\"new\\u00A0line\"]", "[\"\u{10FFFF}\"]", "[\"\u{FFFF}\"]",
        "[\"\\u0000\"]", "[\"\\u002c\"]", "[\"π\"]", "[\"\u{1BFFF}\"]", "[\"asd \"]", "\" \"",
        "[\"\\uD834\\uDd1e\"]", "[\"\\u0821\"]", "[\"\\u0123\"]", "[\"\u{2028}\"]",
        "[\"\u{2029}\"]",
        "[\"\\u0061\\u30af\\u30EA\\u30b9\"]",
        "[\"new\u{B}line\"]".replacing("\u{B}", with: "\\u000b"),
        "[\"\u{7F}\"]", "[\"\\uA66D\"]", "[\"\\u005C\"]", "[\"⍂㈴⍂\"]", "[\"\\u0022\"]",
        "[\"\\uDBFF\\uDFFE\"]", "[\"\\uD83F\\uDFFE\"]", "[\"\\u200B\"]", "[\"\\u2064\"]",
        "[\"\\uFDD0\"]", "[\"\\uFFFE\"]", "[\"€𝄞\"]", "[\"a\u{7f}a\"]", "false", "42", "-0.1",
        "null",
        "\"asd\"", "true", "\"\"", "[\"a\"]\n", "[true]", " [] ", "\t[\r\n]",
    ]

    static let invalid: [String] = [
        "[1 true]", "[a\u{e5}]", "[\"\": 1]", "[\"\"],", "[,1]", "[1,,2]", "[\"x\",,]", "[\"x\"]]",
        "[\"\",]", "[\"x\"", "[x", "[3[4]]", "[1:2]", "[,]", "[-]", "[   , \"\"]",
        "[\"a\",\n4\n,1,",
        "[1,]", "[1,,]", "[\"\u{B}a\"\\f]", "[*]", "[\"\"", "[1,", "[1,\n1\n,1", "[{}", "[fals]",
        "[nul]", "[tru]", "123\0", "[++1234]", "[+1]", "[+Inf]", "[-01]", "[-1.0.]", "[-2.]",
        "[-NaN]", "[.-1]", "[.2e-3]", "[0.1.2]", "[0.3e+]", "[0.3e]", "[0.e1]", "[0E+]", "[0E]",
        "[0e+]", "[0e]", "[1.0e+]", "[1.0e-]", "[1.0e]", "[1 000.0]", "[1eE2]", "[2.e+3]",
        "[2.e-3]",
        "[2.e3]", "[9.e+]", "[Inf]", "[NaN]", "[１]", "[1+2]", "[0x1]", "[0x42]", "[Infinity]",
        "[0e+-1]", "[-123.123foo]", "[-Infinity]", "[-foo]", "[- 1]", "[-012]", "[-.123]",
        "[-1x]", "[1ea]", "[1.]", "[.123]", "[1.2a-3]", "[1.8011670033376514H-308]", "[012]",
        "[-00.0]", "[00.0]", "[-00e0]", "[00e0]", "[\"\\017\"]",
        "[\"x\", truth]", "{[: \"x\"}\n", "{\"x\", null}", "{\"x\"::\"b\"}", "{🇨🇭}",
        "{\"a\":\"a\" 123}", "{key: 'value'}", "{\"a\" b}", "{:\"b\"}", "{\"a\" \"b\"}", "{\"a\":",
        "{\"a\"", "{1:1}", "{9999E9999:1}", "{null:null,null:null}", "{\"id\":0,,,,,}", "{'a':0}",
        "{\"id\":0,}", "{\"a\":\"b\"}/**/", "{\"a\":\"b\"}/**//", "{\"a\":\"b\"}//",
        "{\"a\":\"b\"}/",
        "{\"a\":\"b\",,\"c\":\"d\"}", "{a: \"b\"}", "{\"a\":\"a", "{ \"foo\" : \"bar\", \"a\" }",
        "{\"a\":\"b\"}#", " ", "[\"\\uD800\\\"]", "[\"\\uD800\\u\"]", "[\"\\uD800\\u1\"]",
        "[\"\\uD800\\u1x\"]", "[é]", "[\"\\\0\"]", "[\"\\x00\"]", "[\"\\\\\\\"]", "[\"\\\t\"]",
        "[\"\\🌀\"]", "[\"\\\"]", "[\"\\u00A\"]", "[\"\\uD834\\uDd\"]", "[\"\\uD800\\uD800\\x\"]",
        "[\"\\a\"]", "[\"\\uqqqq\"]", "[\\u0020\"asd\"]", "[\\n]", "\"", "['single quote']", "abc",
        "[\"\\", "[\"a\0a\"]", "[\"new\nline\"]", "[\"\t\"]", "\"\\UA66D\"", "\"\"x", "<.>",
        "[<null>]",
        "[1]x", "[1]]", "[\"asd]", "aå", "[True]", "1]", "{\"x\": true,", "[][]", "]",
        "{\"\":", "{\"a\":/*comment*/\"b\"}", "{\"a\": true} \"x\"", "['", "[\"a", "[\"a\"", "{",
        "{]", "{,", "{[", "{\"a", "{'a'", "[\"\\{[\"\\{[\"\\{[\"\\{", "*", "{\"a\":\"b\"}#{}",
        "[\\u000A\"\"]", "[1", "[ false, nul", "[ true, fals", "[ false, tru", "{\"asd\":\"asd\"",
        "å", "\u{FEFF}", "\u{FEFF}{}", "[\u{2060}]", "[\u{C}]", "",
        // Allowed by the grammar, refused here on purpose.
        "{\"a\":\"b\",\"a\":\"c\"}", "{\"a\":1,\"\\u0061\":1}", "[\"\\uDADA\"]", "[\"\\uDd1e\"]",
        "[\"\\uD888\\u1234\"]", "[\"\\uD800\\n\"]", "[\"\\uDd1ea\"]", "[\"\\uD800\\uD800\\n\"]",
    ]

    static let invalidBytes: [[UInt8]] = [
        [0x5B, 0x22, 0xFF, 0x22, 0x5D], [0x5B, 0x22, 0xE5, 0x22, 0x5D],
        [0x5B, 0x22, 0xC0, 0xAF, 0x22, 0x5D], [0x5B, 0x22, 0xED, 0xA0, 0x80, 0x22, 0x5D],
        [0x5B, 0x22, 0xF4, 0x90, 0x80, 0x80, 0x22, 0x5D],
        [0x5B, 0x22, 0xE0, 0x80, 0x80, 0x22, 0x5D],
        [0x5B, 0x22, 0xF0, 0x9F, 0x98, 0x22, 0x5D], [0x5B, 0x22, 0x80, 0x22, 0x5D],
        [0xFF, 0xFE, 0x5B, 0, 0x5D, 0], [0xEF, 0xBB], [0x5B, 0x31, 0xE5, 0x5D], [0x5B, 0xFF, 0x5D],
        [0x22, 0xC3],
    ]
}

@Suite struct JSONTests {
    @Test(arguments: JSONCases.valid)
    func text_isReadAndWrittenTheSame_whenTheGrammarAllowsIt(text: String) throws {
        let value = try JSON.parse(text)
        #expect(try JSON.parse(value.text()) == value)
        #expect(try JSON.parse(value.text(.pretty, sortedKeys: true)) == value)
    }

    @Test(arguments: JSONCases.invalid)
    func text_isRefused_whenTheGrammarForbidsIt(text: String) {
        let error = #expect(throws: HostError.self) { try JSON.parse(text) }
        #expect(error?.code == "json_invalid")
        #expect(error?.reasons.first?.hasPrefix("line ") == true)
    }

    @Test(arguments: JSONCases.invalidBytes)
    func bytes_areRefused_whenTheyAreNotUTF8(bytes: [UInt8]) {
        #expect(throws: HostError.self) { try JSON.parse(bytes) }
    }

    @Test func error_namesLineAndColumn_inCharacters() {
        let error = #expect(throws: HostError.self) {
            try JSON.parse("{\n  \"é\": 1,\n  \"ü\": oops\n}", source: "x.json")
        }
        #expect(error?.subject == "x.json")
        #expect(error?.reasons == ["line 3, column 8: expected a value, found \"o\""])
    }

    @Test func duplicateName_isNamed_whereItStandsTheSecondTime() {
        let error = #expect(throws: HostError.self) { try JSON.parse("{\"a\":1,\n\"a\":2}") }
        #expect(error?.reasons == ["line 2, column 1: the name \"a\" appears twice"])
    }

    @Test func lastValueCounts_whereRepeatedNamesAreAllowed() throws {
        let value = try JSON.parse(#"{"a":1,"b":0,"a":2}"#, repeatedNames: .lastCounts)
        #expect(value == ["a": 2, "b": 0])
    }

    @Test func depth_isAccepted_upToTheLimitAndNotBeyond() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try JSON.parse(nested(JSON.depthMax))
        #expect(throws: HostError.self) { try JSON.parse(nested(JSON.depthMax + 1)) }
        #expect(throws: HostError.self) { try JSON.parse(String(repeating: "[", count: 100_000)) }
        #expect(throws: HostError.self) {
            try JSON.parse(String(repeating: "{\"\":[", count: 50_000))
        }
    }

    @Test func numbers_keepEveryDigit_andConvertWhenTheyFit() throws {
        let value = try JSON.parse("[9223372036854775807, 9223372036854775808, 1.10, 1e400, -0]")
        let numbers = (value.array ?? []).compactMap(\.number)
        #expect(
            numbers.map(\.text) == [
                "9223372036854775807", "9223372036854775808", "1.10", "1e400", "-0",
            ])
        #expect(numbers[0].integer == .max)
        #expect(numbers[1].integer == nil)
        #expect(numbers[1].double == 9_223_372_036_854_775_808)
        #expect(numbers[2].double == 1.1)
        #expect(numbers[3].double == .infinity)
        #expect(JSONNumber(Double.nan) == nil)
    }

    @Test func object_keepsTheOrderOfItsAuthor_andComparesWithoutIt() throws {
        let value = try JSON.parse("{\"b\":1,\"a\":2}")
        #expect(value.text() == "{\"b\":1,\"a\":2}")
        #expect(value.text(sortedKeys: true) == "{\"a\":2,\"b\":1}")
        #expect(value == ["a": 2, "b": 1])
        #expect(value.text(.pretty) == "{\n  \"b\": 1,\n  \"a\": 2\n}\n")
    }

    @Test func object_losesTheMember_whenItIsSetToNil() {
        var object: JSONObject = ["a": 1, "b": 2]
        object["a"] = nil
        object["c"] = nil
        #expect(object.keys == ["b"])
        #expect(object.members.map(\.key) == ["b"])
    }

    @Test func writer_escapes_whatWouldBreakALineOrAScript() {
        let value: JSONValue = .string("\"\\\n\u{1}\u{7F}\u{2028}é")
        #expect(value.text() == "\"\\\"\\\\\\n\\u0001\\u007f\\u2028é\"")
    }

    /// Any damage to a valid text is either read or refused; it never traps.
    @Test func parser_survives_seededDamage() throws {
        var generator = SeededGenerator(seed: 20_260_301)
        let sources = (JSONCases.valid + JSONCases.invalid).map { Array($0.utf8) }
        for _ in 0..<20_000 {
            var bytes = sources.randomElement(using: &generator) ?? []
            for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: index)
                default: bytes.insert(contentsOf: bytes[index...].prefix(4), at: index)
                }
            }
            if let value = try? JSON.parse(bytes) {
                #expect(try JSON.parse(value.text()) == value, "seed 20260301, bytes \(bytes)")
            }
        }
    }
}
