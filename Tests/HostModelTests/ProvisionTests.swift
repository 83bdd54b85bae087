import HostModel
import Testing

@Suite struct ProvisionTests {
    private static func manifest(_ provides: String) -> String {
        #"{"name": "a", "version": "1.0.0", "abi": "1.0", "provides": "# + provides + "}"
    }

    @Test func provision_isRead_withEveryField() throws {
        let text = Self.manifest(
            """
            [{"capability": "llm.chat", "version": "2.1.0", "priority": -3,
              "options": {"models": ["small", "large"], "context": 8192, "local": true}},
             {"capability": "renderer", "version": "1.0.0"}]
            """)
        let provides = try Manifest(parsing: text.utf8).provides
        #expect(provides.map(\.capability.text) == ["llm.chat", "renderer"])
        #expect(provides.map(\.version.description) == ["2.1.0", "1.0.0"])
        #expect(provides.map(\.priority) == [-3, 0])
        let chat = provides[0]
        #expect(chat.matches(option: "models", value: "large"))
        #expect(!chat.matches(option: "models", value: "huge"))
        #expect(chat.matches(option: "context", value: "8192"))
        #expect(chat.matches(option: "local", value: "true"))
        #expect(chat.matches(option: "local", value: nil))
        #expect(!chat.matches(option: "remote", value: nil))
        #expect(!provides[1].matches(option: "models", value: nil))
    }

    @Test func everyObjection_isToldAtOnce() {
        let text = Self.manifest(
            """
            [{"capability": "Renderer", "version": "1.0"},
             {"capability": "a..b", "version": "1.0.0"},
             {"capability": "same", "version": "1.0.0", "priority": "high", "options": []},
             {"capability": "twice", "version": "1.0.0"},
             {"capability": "twice", "version": "1.0.0", "prioritty": 1},
             {"version": "1.0.0"}]
            """)
        let error = #expect(throws: HostError.self) { try Manifest(parsing: text.utf8) }
        for path in [
            "/provides/0/capability", "/provides/0/version", "/provides/1/capability",
            "/provides/2/priority", "/provides/2/options", "/provides/4/capability",
            "/provides/4/prioritty", "/provides/5/capability",
        ] {
            #expect(
                error?.reasons.contains { $0.hasPrefix(path + ":") } == true,
                "\(path): \(String(describing: error))")
        }
    }

    @Test(arguments: ["a", "a-b.c2", "llm.chat.v2"])
    func capability_isTaken(name: String) {
        #expect(CapabilityName(name)?.text == name)
    }

    @Test(arguments: ["", ".", "a.", ".a", "a..b", "A", "1a", "a b", "a.1"])
    func capability_isRefused(name: String) {
        #expect(CapabilityName(name) == nil)
    }
}
