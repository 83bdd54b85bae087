import Foundation
import Testing

/// Deactivating, activating and removing while the host runs.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct ActivationTests {
    let root: Root
    let host: HostProcess

    init() throws {
        root = try Root()
        host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("versioned_v1"))
    }

    @Test func deactivatedPlugin_isUnmapped_andItsNeighboursServeOn() throws {
        let neighbour = try host.client()
        #expect(try neighbour.get("/plugin/versioned/api/hello").text == hello)
        #expect(!host.maps(of: "sound").isEmpty)

        try root.must("deactivate", "sound")

        #expect(host.maps(of: "sound").isEmpty)
        let answer = try host.get("/plugin/sound/api/hello")
        #expect(answer.status == 503)
        #expect(answer["content-type"] == "application/problem+json")
        #expect(answer.text.contains("sound"))
        #expect(try neighbour.get("/plugin/versioned/api/hello").text == hello)
        let status = try root.status("sound")
        #expect(status["state"].string == "inactive")
        #expect(status["last_unload"]["verdict"].string == "unloaded")
        #expect((status["last_unload"]["milliseconds"].number ?? -1) > 0)
    }

    @Test func activatedPlugin_servesAgain_asANewGeneration() throws {
        try root.must("deactivate", "sound")
        try root.must("activate", "sound")
        #expect(try host.hello("sound") == hello)
        #expect(try root.status("sound")["generation"].number == 2)
    }

    @Test func removedPlugin_isGoneFromDiskMemoryAndList() throws {
        try root.must("remove", "sound")
        #expect(host.maps(of: "sound").isEmpty)
        #expect(try host.get("/plugin/sound/api/hello").status == 404)
        #expect(!FileManager.default.fileExists(atPath: root.library("sound")))
        expectRefusal(try root.host("status", "sound"), "sound")
        let list = try root.list()
        #expect(list == ["versioned"])
        #expect(try host.hello("versioned") == hello)
    }

    @Test func removedBundle_comesBack_onlyIfThatIsAllowed() throws {
        try root.must("remove", "sound")
        expectRefusal(
            try root.host("install", Fixtures.bundle("sound")), "sound", "removed",
            "--allow-tombstoned")
        #expect(try root.list() == ["versioned"])
        try root.must("install", Fixtures.bundle("sound"), "--allow-tombstoned")
        #expect(try host.hello("sound") == hello)
    }

    @Test func everyCommand_isRefusedByName_whenThereIsNoSuchPlugin() throws {
        for command in ["activate", "deactivate", "reload", "rollback", "remove", "status"] {
            expectRefusal(try root.host(command, "versionde"), "versionde", "versioned")
        }
    }

    @Test func commandLine_isAnsweredWithStatusTwo_whenItCannotBeUnderstood() throws {
        for line in [["instal", "x"], ["list", "--jsno"], ["status"], ["status", "a", "b"]] {
            let command = try Command.run([HostProcess.binary] + line)
            #expect(command.status == 2, "\(command)")
            #expect(command.output.isEmpty, "\(command)")
        }
        #expect(try Command.run([HostProcess.binary, "instal"]).errors.contains("install"))
        #expect(try Command.run([HostProcess.binary, "list", "--jsno"]).errors.contains("--json"))
    }
}
