import Foundation
import Testing

/// What full Swift plugins do with others, in the real host: hooks, points, methods and events.
@Suite(.ownThreads, .timeLimit(.minutes(20))) struct KitTests {
    let root: Root
    let host: HostProcess

    init() throws {
        root = try Root()
        host = try HostProcess(root)
        try root.must("install", try Self.bundle.get())
    }

    private static let bundle = Result {
        try Fixtures.swiftBundle(
            "extending", in: "plugins-swift", language: "swift", description: "Meets others.",
            services: ["ph.hooks/1", "ph.events/1", "ph.rpc/1"])
    }

    private func get(_ path: String) throws -> String {
        try host.get("/plugin/extending/api" + path).text
    }

    private func notes() throws -> [String] {
        try get("/notes").split(separator: "\n").map(String.init)
    }

    @Test func plugin_meetsOthers_inEveryWayThatPluginKitHas() throws {
        // A hook of requests.
        #expect(try get("/hooked") == "by a hook of extending")

        // A point of its own.
        #expect(try get("/point/hello") == "hello?!")
        #expect(try get("/point/mine") == "replaced")
        #expect(try get("/point/secret") == "-40 not aloud")
        #expect(try get("/point/broken").hasSuffix("Broken()"))
        let around = try notes().filter { $0.hasPrefix("7 ") }
        #expect(around == ["7 0 hello?!", "7 0 replaced"])
        let listed = try root.must("hooks").output
        #expect(listed.contains("extending/shout"), "\(listed)")

        // Methods, one of which waits, with a hook around the calls.
        #expect(try get("/call/quick/abc") == "abc")
        #expect(try get("/call/patient/abc") == "cba")
        #expect(try get("/call/missing/abc") == "the provider has no method of that name")
        #expect(try root.must("call", "extending", "patient", "xyz").output == "zyx\n")
        expectRefusal(
            try root.host("call", "extending", "patient"), "refused the call (12)",
            "nothing was sent")
        #expect(
            try notes().filter { $0.contains(" extending ") } == [
                "extending extending quick true abc", "extending extending patient true cba",
                "host extending patient true zyx",
                "host extending patient false nothing was sent",
            ])

        // Events, taken in a task and as a stream, unless a hook refuses them.
        #expect(try get("/publish/tidings") == "published")
        #expect(try get("/publish/unheard-of") == "refused")
        #expect(try get("/publish/more") == "published")
        try eventually("everything is heard") {
            try notes().filter { $0.hasPrefix("heard ") } == ["heard tidings", "heard more"]
                && notes().filter { $0.hasPrefix("streamed ") }
                    == ["streamed tidings", "streamed more"]
        }

        // And it goes without a trace.
        try root.must("reload", "extending", "--force")
        #expect(try get("/call/patient/abc") == "cba")
        try host.waitUntilUnmapped("extending", except: 2)
        let unload = try root.status("extending")["last_unload"]
        #expect(unload["verdict"].string == "unloaded", "\(unload)")
        try root.must("remove", "extending")
    }
}
