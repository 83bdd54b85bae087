import Testing

@testable import PluginKit

@Suite struct ServerEventTests {
    private func text(_ event: ServerEvent) -> String {
        String(decoding: event.bytes, as: UTF8.self)
    }

    @Test func event_hasEveryField_andEndsWithAnEmptyLine() {
        #expect(text(ServerEvent("hello")) == "data: hello\n\n")
        #expect(
            text(ServerEvent("x", name: "note", id: "7", retryMilliseconds: 500))
                == "event: note\nid: 7\nretry: 500\ndata: x\n\n")
        #expect(text(ServerEvent("")) == "data: \n\n")
    }

    @Test(arguments: ["a\nb", "a\r\nb", "a\rb"])
    func eachLineOfTheData_isALineOfItsOwn(data: String) {
        #expect(text(ServerEvent(data)) == "data: a\ndata: b\n\n")
    }

    @Test func emptyLinesOfTheData_areKept() {
        #expect(text(ServerEvent("a\n\nb\n")) == "data: a\ndata: \ndata: b\ndata: \n\n")
    }

    @Test func nameAndID_cannotBecomeOtherFields() {
        let event = ServerEvent("x", name: "a\ndata: evil", id: "1\r\n\r\n2\0")
        #expect(text(event) == "event: adata: evil\nid: 12\ndata: x\n\n")
    }

    @Test func comment_isALineThatClientsSkip() {
        #expect(String(decoding: ServerEvent.comment(""), as: UTF8.self) == ": \n\n")
        #expect(String(decoding: ServerEvent.comment("a\nb"), as: UTF8.self) == ": a\n: b\n\n")
    }
}
