import Foundation
import PluginKit
import Testing

struct JSONTests {
    private func text(_ json: JSON) -> String { String(decoding: json.bytes, as: UTF8.self) }

    @Test func literals_areWritten_inTheOrderOfTheirMembers() {
        let json: JSON = ["b": 1, "a": [true, nil, 1.5, -2, "x"], "c": [:]]
        #expect(text(json) == #"{"b":1,"a":[true,null,1.5,-2,"x"],"c":{}}"#)
    }

    @Test func text_isEscaped_whereItMustBe() {
        #expect(text("a\"\\\n\r\t\u{0}\u{1f}é€😀/") == #""a\"\\\n\r\t\u0000\u001fé€😀/""#)
    }

    @Test(arguments: [
        (Double.infinity, "null"), (.nan, "null"), (1e3, "1000"), (-0.5, "-0.5"), (1e300, "1e+300"),
        (0.1, "0.1"), (9_007_199_254_740_992, "9007199254740992.0"),
    ])
    func numbers_areWritten_soThatTheyReadTheSame(number: Double, written: String) {
        #expect(text(.number(number)) == written)
    }

    @Test(arguments: [
        "null", "true", "false", "0", "-1", "1.25", "[]", "{}", #"{"a":[{"b":[null]}]}"#,
        "9223372036854775807", "-9223372036854775808", #""\u0000""#, #""😀""#,
    ])
    func document_isWritten_asItWasRead(document: String) throws {
        #expect(text(try JSON(parsing: document)) == document)
    }

    @Test(arguments: [
        ("", 0), (" ", 1), ("nul", 0), ("[1,]", 3), ("[1 2]", 3), ("{\"a\"}", 4), ("{a:1}", 1),
        ("01", 1), ("-", 1), ("1.", 2), ("1e", 2), ("+1", 0), (".5", 0), ("1 1", 2),
        ("\"\u{1}\"", 1), (#""\x""#, 3), (#""\u12G4""#, 5), (#""\ud800""#, 7),
        (#""\ud800\u0041""#, 13), (#""\udc00""#, 7), ("\"abc", 4), ("1e999", 5), ("[", 1),
    ])
    func malformedDocument_isRefused_atItsPlace(document: String, offset: Int) {
        let error = #expect(throws: JSONError.self) { try JSON(parsing: document) }
        #expect(error?.offset == offset, "\(String(describing: error))")
    }

    @Test func nesting_isRefused_beyond64Levels() throws {
        let nested = { String(repeating: "[", count: $0) + String(repeating: "]", count: $0) }
        _ = try JSON(parsing: nested(64))
        #expect(throws: JSONError.self) { try JSON(parsing: nested(65)) }
    }

    @Test func escapes_areRead() throws {
        let json = try JSON(parsing: #""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#)
        #expect(json.string == "\"\\/\u{8}\u{c}\n\r\té😀")
    }

    @Test func members_areFound_andTypesAreKeptApart() throws {
        let json = try JSON(parsing: #"{"n":1,"d":1.5,"s":"x","a":[7],"n":2,"t":true}"#)
        #expect(json["n"]?.integer == 2)
        #expect(json["d"]?.integer == nil)
        #expect(json["d"]?.number == 1.5)
        #expect(json["s"]?.string == "x")
        #expect(json["s"]?.integer == nil)
        #expect(json["a"]?[0]?.integer == 7)
        #expect(json["a"]?[1]?.integer == nil)
        #expect(json["t"]?.bool == true)
        #expect(json["none"] == nil)
    }

    /// Foundation is the second opinion.
    @Test func randomValues_areReadByFoundation_asTheyWereWritten() throws {
        var generator = SplitMix(seed: 2_026)
        for _ in 0..<300 {
            let json = randomValue(&generator, depth: 4)
            let theirs = try JSONSerialization.jsonObject(
                with: Data(json.bytes), options: .fragmentsAllowed)
            let ours = try JSON(parsing: text(json))
            #expect(text(ours) == text(json))
            let again = try JSONSerialization.jsonObject(
                with: Data(ours.bytes), options: .fragmentsAllowed)
            #expect((theirs as? NSObject) == (again as? NSObject))
        }
    }

    private func randomValue(_ generator: inout SplitMix, depth: Int) -> JSON {
        switch Int.random(in: 0..<(depth > 0 ? 8 : 6), using: &generator) {
        case 0: return nil
        case 1: return .bool(Bool.random(using: &generator))
        case 2: return .integer(Int.random(in: -1_000_000...1_000_000, using: &generator))
        case 3: return .number(Double.random(in: -1e6...1e6, using: &generator))
        case 4, 5: return .string(randomText(&generator))
        case 6:
            return .array(
                (0..<Int.random(in: 0..<4, using: &generator)).map { _ in
                    randomValue(&generator, depth: depth - 1)
                })
        default:
            return .object(
                (0..<Int.random(in: 0..<4, using: &generator)).map { index in
                    JSON.Member("\(index)", randomValue(&generator, depth: depth - 1))
                })
        }
    }

    private func randomText(_ generator: inout SplitMix) -> String {
        let scalars: [Unicode.Scalar] = ["a", "\"", "\\", "\n", "\u{7}", "é", "€", "😀", "/", " "]
        var text = ""
        for _ in 0..<Int.random(in: 0..<8, using: &generator) {
            text.unicodeScalars.append(
                scalars[Int.random(in: 0..<scalars.count, using: &generator)])
        }
        return text
    }
}

/// A generator whose values are the same on every machine.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
