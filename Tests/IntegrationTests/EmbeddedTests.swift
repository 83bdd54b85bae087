import Foundation
import Testing

/// What a plugin in Embedded Swift does with others, in the real host: hooks of every kind.
@Suite(.ownThreads, .timeLimit(.minutes(20))) struct EmbeddedTests {
    private static let bundle = Result {
        try Fixtures.swiftBundle(
            "guarding", in: "plugins-embedded", language: "embedded-swift",
            description: "Guards others.", services: ["ph.hooks/1", "ph.rpc/1"])
    }

    @Test func plugin_hooksRequestsResponsesCallsAndItsOwnPoint() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", try Self.bundle.get())
        try root.must("install", Fixtures.bundle("sound"))
        let client = try host.client()
        let path = "/plugin/sound/api/hello"

        let plain = try client.get(path)
        #expect(plain.text == hello)
        #expect(plain["x-guarded"] == "sound")
        let refused = try client.request("GET", path, headers: ["X-Refuse": "1"])
        #expect(refused.status == 403)
        #expect(refused.text.contains("not with that field"))
        let answered = try client.get(path + "?tea=green")
        #expect(answered.text == "tea for /hello\n")

        func point(_ text: String) throws -> String {
            try client.get("/plugin/guarding/api/point/" + text).text
        }
        #expect(try point("hello") == "hello?!")
        #expect(try point("mine") == "replaced")
        #expect(try point("secret") == "-40 not aloud")
        #expect(try root.must("call", "guarding", "echo", "abc").output == "abc\n")

        func seen() throws -> JSON { try client.get("/plugin/guarding/api/seen").json ?? .null }
        try eventually("the hooks have left the requests that are answered") {
            try seen()["refused"].number == 1 && seen()["calls"].number == 1
        }
        // Only the one that tells is still inside.
        #expect(try seen()["leaks"].number == 1)
        #expect(try seen()["requests"].number ?? 0 >= 7)

        try root.must("reload", "guarding", "--force")
        #expect(try client.get(path)["x-guarded"] == "sound")
        try host.waitUntilUnmapped("guarding", except: 2)
        #expect(try root.status("guarding")["last_unload"]["verdict"].string == "unloaded")
        try root.must("remove", "guarding")
        #expect(try client.get(path)["x-guarded"] == nil)
    }
}
