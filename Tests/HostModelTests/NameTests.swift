import HostModel
import Testing

@Suite struct NameTests {
    @Test(arguments: ["a", "hello-c", "a1", "a-", "x" + String(repeating: "9", count: 62)])
    func name_isTaken_whenItHasTheShape(text: String) {
        #expect(PluginName(text)?.text == text)
    }

    @Test(arguments: [
        "", "A", "1a", "-a", "a_b", "a.b", "a/b", "..", "é", "a b", "a\n", "a\0",
        "x" + String(repeating: "9", count: 63),
    ])
    func name_isRefused_whenItDoesNotHaveTheShape(text: String) {
        #expect(PluginName(text) == nil)
        let error = #expect(throws: HostError.self) { try PluginName(checking: text) }
        #expect(error?.code == "name_invalid")
    }

    @Test func suggestion_isTheNearestName_orNone() {
        let names = ["metrics", "matrix", "hello-c"]
        #expect(Spelling.nearest(to: "metrcis", among: names) == "metrics")
        #expect(Spelling.nearest(to: "helo-c", among: names) == "hello-c")
        #expect(Spelling.nearest(to: "billing", among: names) == nil)
        #expect(Spelling.nearest(to: "ab", among: ["ad", "ac"]) == "ac")
        #expect(Spelling.nearest(to: "", among: names) == nil)
        #expect(Spelling.nearest(to: String(repeating: "a", count: 300), among: names) == nil)
        #expect(Spelling.hint(for: "metric", among: names) == " (did you mean \"metrics\"?)")
    }

    @Test func abi_isReadAndWritten_asMajorAndMinor() {
        #expect(ABIVersion("1.0")?.rawValue == 0x10000)
        #expect(ABIVersion(rawValue: 0x2_0003).description == "2.3")
        #expect(ABIVersion("65535.65535")?.rawValue == .max)
        for text in ["1", "", ".", "1.", "01.0", "1.0.0", "65536.0", "-1.0", "+1.0", "1.0 "] {
            #expect(ABIVersion(text) == nil, "\(text)")
        }
        #expect(ABIVersion(major: 1, minor: 9) < ABIVersion(major: 2, minor: 0))
    }

    @Test func digest_isReadInEitherCase_andWrittenInLower() {
        let hex = String(repeating: "0aF9", count: 16)
        #expect(Digest(hex: hex)?.hex == hex.lowercased())
        #expect(Digest(hex: String(hex.dropLast())) == nil)
        #expect(Digest(hex: String(hex.dropLast()) + "g") == nil)
        #expect(Digest(bytes: [1, 2]) == nil)
        #expect(Digest(bytes: Array(0..<32))?.bytes == Array(0..<32))
    }
}
