import Foundation
import Testing

/// What a generation still owes when its successor takes over.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct DrainTests {
    let root: Root
    let host: HostProcess

    init() throws {
        root = try Root()
        host = try HostProcess(root)
    }

    private func reload(_ plugin: String, _ number: Int) throws {
        let code = try Data(contentsOf: URL(fileURLWithPath: root.library(plugin)))
        let file = try TemporaryDirectory()
        let changed = try file.write("new.so", code + Data("variant \(number)".utf8))
        try Command.succeed(["/bin/cp", changed, root.library(plugin)])
    }

    @Test func longResponseOfTheOldGeneration_endsComplete_whileNewRequestsGetNewCode() throws {
        try root.must("install", Fixtures.bundle("long_response"))
        let old = try host.client()
        try old.send("GET", "/plugin/long-response/api/held")
        #expect(try old.readHead().status == 200)
        #expect(try old.readChunk() == Data("generation 1 begun\n".utf8))

        try reload("long-response", 1)
        try eventually("generation 2 answers") {
            try host.get("/plugin/long-response/api/version").json?["generation"].number == 2
        }

        // Both are in memory, and the status says what keeps the old one.
        let during = try root.status("long-response")
        let images = during["images"].elements
        #expect(images.map { $0["generation"].number }.contains(1), "\(during)")
        let draining = images.first { $0["generation"].number == 1 } ?? .null
        #expect(draining["use"].string == "draining", "\(during)")
        #expect(draining["in_flight"].number == 1, "\(during)")
        #expect(!draining["reasons"].strings.isEmpty, "\(during)")
        #expect(host.maps(of: "long-response").contains { $0.contains(".1.") })

        try Data().write(
            to: URL(fileURLWithPath: "\(root.plugin("long-response"))/run/release"))
        #expect(try old.readChunk() == Data("generation 1 released\n".utf8))
        #expect(try old.readChunk() == nil)

        let status = try root.waitForStatus("long-response", "generation 1 is unloaded") {
            $0["last_unload"]["generation"].number == 1
        }
        #expect(status["last_unload"]["verdict"].string == "unloaded", "\(status)")
        try host.waitUntilUnmapped("long-response", except: 2)
        // The connection outlives the generation that it last spoke to.
        let next = try old.get("/plugin/long-response/api/version")
        #expect(next.json?["generation"].number == 2)
    }

    @Test func streamWithoutEnd_isToldOfTheNextGeneration_andLetsTheOldOneGo() throws {
        try root.must("install", Fixtures.bundle("long_response"))
        let old = try host.client()
        try old.send("GET", "/plugin/long-response/api/until-drained")
        #expect(try old.readHead().status == 200)
        #expect(try old.readChunk() == Data("generation 1 begun\n".utf8))
        try reload("long-response", 1)
        #expect(try old.readChunk() == Data("generation 1 released\n".utf8))
        #expect(try old.readChunk() == nil)
        let status = try root.waitForStatus("long-response", "generation 1 is unloaded") {
            $0["last_unload"]["generation"].number == 1
        }
        #expect(status["last_unload"]["verdict"].string == "unloaded", "\(status)")
        // Its client comes back, to the new generation.
        try old.send("GET", "/plugin/long-response/api/until-drained")
        #expect(try old.readHead().status == 200)
        #expect(try old.readChunk() == Data("generation 2 begun\n".utf8))
    }

    @Test func threadLeftRunning_pinsTheImage_andIsNamed() throws {
        try root.must("install", Fixtures.bundle("thread_left_running"))
        try root.must("install", Fixtures.bundle("sound"))
        #expect(host.state.threads.contains("left-running"))

        try reload("thread-left-running", 1)
        try eventually("generation 2 answers") {
            try host.get("/plugin/thread-left-running/api/version")
                .json?["generation"].number == 2
        }

        let status = try root.waitForStatus("thread-left-running", "the verdict is there") {
            $0["last_unload"]["generation"].number == 1
        }
        #expect(status["last_unload"]["verdict"].string == "pinned", "\(status)")
        let reasons = status["last_unload"]["reasons"].strings.joined(separator: "\n")
        #expect(reasons.contains("left-running"), "\(status)")
        #expect(host.maps(of: "thread-left-running").contains { $0.contains(".1.") })
        #expect(try host.hello("thread-left-running") == hello)
        #expect(try host.hello("sound") == hello)
    }

    @Test func threadLocalDestructors_doNotPinTheImage() throws {
        try root.must("install", Fixtures.bundle("thread_local_destructor"))
        // Every loop has run the code, and owes it a destructor.
        for _ in 0..<50 { #expect(try host.hello("thread-local-destructor") == hello) }
        try root.must("deactivate", "thread-local-destructor")
        let status = try root.waitForStatus("thread-local-destructor", "the verdict is there") {
            $0["last_unload"]["verdict"].string == "unloaded"
        }
        #expect(status["state"].string == "inactive")
        try host.waitUntilUnmapped("thread-local-destructor")
    }

    @Test func pthreadKeys_areReclaimed_whenAPluginLeaksOneAtEachLoad() throws {
        try root.must("install", Fixtures.bundle("key_leak"))
        for number in 1...20 {
            try reload("key-leak", number)
            try eventually("generation \(number + 1) answers") {
                try host.get("/plugin/key-leak/api/version").json?["generation"].number
                    == Double(number + 1)
            }
        }
        let status = try root.waitForStatus("key-leak", "only one image is left") {
            $0["images"].elements.count == 1
        }
        #expect(status["last_unload"]["verdict"].string == "unloaded", "\(status)")
        #expect(status["images"][0]["keys"].number == 1, "\(status)")
    }

    @Test func stopThatHangs_isPinnedByName_andTheHostServesOn() throws {
        try root.must("install", Fixtures.bundle("stop_hangs"))
        try root.must("install", Fixtures.bundle("sound"))
        try reload("stop-hangs", 1)
        try eventually("generation 2 answers") {
            try host.get("/plugin/stop-hangs/api/version").json?["generation"].number == 2
        }
        let status = try root.waitForStatus("stop-hangs", "the verdict is there", within: 60) {
            $0["last_unload"]["generation"].number == 1
        }
        #expect(status["last_unload"]["verdict"].string == "pinned", "\(status)")
        #expect("\(status["last_unload"]["reasons"])".contains("stop"), "\(status)")
        #expect(try host.hello("sound") == hello)
    }
}
