import HostModel
import Testing

struct TopicTests {
    @Test(arguments: [
        "a", "orders", "orders.created", "orders.created.v2", "A-Z_0/9:~", "a.b.c.d.e.f",
        String(repeating: "x", count: 255),
    ])
    func topic_isAccepted(text: String) {
        #expect(Topic.isValid(Array(text.utf8)))
        #expect(TopicPattern(text) != nil)
    }

    @Test(arguments: [
        "", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "*", ">", "a\tb", "ä", "a.b\n", "a\u{7f}",
        String(repeating: "x", count: 256),
    ])
    func otherText_isNoTopic(text: String) {
        #expect(!Topic.isValid(Array(text.utf8)))
    }

    @Test(arguments: [
        "", ".", "a.", ".>", "a..b", "a.>.b", ">.a", "a.b*", "a.*b", "a>", "> ", "a b", "**", ">>",
        String(repeating: "x", count: 256),
    ])
    func otherText_isNoPattern(text: String) {
        #expect(TopicPattern(text) == nil)
    }

    @Test(arguments: [
        ("a.b", "a.b", true), ("a.b", "a", false), ("a.b", "a.b.c", false), ("a.b", "a.B", false),
        ("*", "a", true), ("*", "a.b", false), ("a.*", "a.b", true), ("a.*", "a", false),
        ("a.*", "a.b.c", false), ("*.b", "a.b", true), ("*.b", "a.c", false),
        ("a.*.c", "a.b.c", true), ("a.*.c", "a.b.d", false), ("*.*", "a.b", true),
        (">", "a", true), (">", "a.b.c", true), ("a.>", "a", false), ("a.>", "a.b", true),
        ("a.>", "a.b.c.d", true), ("a.>", "b.a", false), ("*.>", "a", false),
        ("*.>", "a.b.c", true), ("a.*.>", "a.b", false), ("a.*.>", "a.b.c", true),
    ])
    func pattern_matchesTopic(pattern: String, topic: String, matches: Bool) throws {
        #expect(try #require(TopicPattern(pattern)).matches(topic) == matches)
    }

    @Test func refusal_tellsTheShape() {
        let error = #expect(throws: HostError.self) { try TopicPattern(checking: "a..b") }
        #expect(error?.code == "topic_invalid")
        #expect(error?.description.contains("\"a..b\"") == true)
    }
}
