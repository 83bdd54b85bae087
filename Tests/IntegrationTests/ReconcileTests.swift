import Foundation
import Glibc
import Testing

/// What happens to files without the host, or without its being told, is noticed all the same.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct ReconcileTests {
    let root: Root
    let files: TemporaryDirectory

    init() throws {
        root = try Root()
        files = try TemporaryDirectory()
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("versioned_v1"))
    }

    /// Writes over a file in place, by a name in a directory that nobody watches.
    private func overwrite(_ path: String, _ bytes: Data) throws {
        let alias = files("alias")
        try #require(link(path, alias) == 0)
        let file = FileHandle(
            fileDescriptor: open(alias, O_WRONLY | O_TRUNC), closeOnDealloc: true)
        try file.write(contentsOf: bytes)
        try file.close()
        unlink(alias)
    }

    private func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: path)
    }

    @Test func libraryThatNobodyTellsOf_isFoundByTheNextFullPass() throws {
        let host = try HostProcess(root, options: ["--reconcile-seconds", "1"])
        try #require(try host.hello("sound") == hello)
        try overwrite(root.library("sound"), Fixtures.code("sound", saying: 1))
        try host.waitForHello("sound", Fixtures.hello(saying: 1))
        // Its time of modification is set back, as a clock that was wrong would leave it.
        let code = try files.write("old.so", Fixtures.code("sound", saying: 2))
        try Command.succeed(["/usr/bin/touch", "--date=2001-01-01", code])
        try Command.succeed(["/bin/cp", "--preserve=timestamps", code, root.library("sound")])
        try host.waitForHello("sound", Fixtures.hello(saying: 2))
    }

    @Test func whatWasReplacedWhileNoHostRan_isNoticedAtTheStart() throws {
        try root.must("deactivate", "versioned")
        let rested = try root.status("versioned")["digest"].string
        for (name, number) in [("sound", 3), ("versioned", 4)] {
            let fixture = name == "sound" ? name : "versioned_v1"
            let code = try files.write("new.so", Fixtures.code(fixture, saying: number))
            try Command.succeed(["/bin/cp", code, root.library(name)])
        }
        let host = try HostProcess(root)
        #expect(try host.hello("sound") == Fixtures.hello(saying: 3))
        try root.waitForStatus("versioned", "its new digest is known") {
            $0["digest"].string != rested && $0["state"].string == "inactive"
        }
        #expect(try host.terminate() == 0)

        try Command.succeed([
            "/bin/cp", Fixtures.bundle("versioned_v2"),
            root.plugin("versioned") + "/versioned.tar.gz",
        ])
        let again = try HostProcess(root)
        try root.waitForStatus("versioned", "the new bundle is installed") {
            $0["version"].string == "2.0.0"
        }
        #expect(try again.hello("sound") == Fixtures.hello(saying: 3))
    }

    @Test func directoryThatIsDeleted_isAPluginThatWasRemoved() throws {
        let host = try HostProcess(root)
        try Command.succeed(["/bin/rm", "-r", root.plugin("versioned")])
        try eventually("it is gone") { try root.list() == ["sound"] }
        #expect(try host.get("/plugin/versioned/api/hello").status == 404)
        #expect(try host.hello("sound") == hello)
        expectRefusal(
            try root.host("install", Fixtures.bundle("versioned_v1")), "--allow-tombstoned")
        try root.must("install", Fixtures.bundle("versioned_v2"))
        #expect(try host.hello("versioned") == hello)
        #expect(try host.terminate() == 0)

        // The same while no host runs.
        try Command.succeed(["/bin/rm", "-r", root.plugin("versioned")])
        #expect(try root.list() == ["sound"])
        expectRefusal(
            try root.host("install", Fixtures.bundle("versioned_v2")), "--allow-tombstoned")
    }

    @Test func rootThatIsAwayForAMoment_costsNoPlugin() throws {
        let host = try HostProcess(root, options: ["--reconcile-seconds", "1"])
        let away = root.path + "/plugins.away"
        try #require(rename(root.path + "/plugins", away) == 0)
        #expect(host.process.waitForError(containing: "is not there", within: 30))
        try #require(rename(away, root.path + "/plugins") == 0)
        #expect(try root.list() == ["sound", "versioned"])
        #expect(try host.hello("sound") == hello)
        #expect(try host.terminate() == 0)

        try #require(rename(root.path + "/plugins", away) == 0)
        expectRefusal(try root.host("list"), "has lost its plugins")
        #expect(!exists(root.path + "/plugins"))
        try #require(rename(away, root.path + "/plugins") == 0)
        #expect(try root.list() == ["sound", "versioned"])
    }

    // MARK: - Inbox

    @Test func bundleInTheInbox_isInstalled_andWhatIsNoneIsPutAside() throws {
        let host = try HostProcess(root)
        let inbox = root.path + "/inbox"
        try Command.succeed(["/bin/cp", Fixtures.bundle("ailing_v1"), inbox + "/some.tar.gz"])
        try eventually("it serves") { try host.hello("ailing") == hello }
        try eventually("it has left the inbox") { !exists(inbox + "/some.tar.gz") }

        try Data("no bundle".utf8).write(to: URL(fileURLWithPath: inbox + "/other.tar.gz"))
        try eventually("the reason is told") { exists(inbox + "/failed/other.tar.gz") }
        let reason = try String(
            contentsOf: URL(fileURLWithPath: inbox + "/failed/other.tar.gz.txt"), encoding: .utf8)
        #expect(reason.contains("error: ") && reason.contains("why: "), "\(reason)")
        #expect(!exists(inbox + "/other.tar.gz"))
        #expect(try host.hello("sound") == hello)
    }

    @Test func bundleThatIsStillBeingWritten_waits_andWhatLayThereBeforeIsTaken() throws {
        let inbox = root.path + "/inbox"
        try Command.succeed(["/bin/cp", Fixtures.bundle("versioned_v2"), inbox + "/b.tar.gz"])
        let host = try HostProcess(root, options: ["--reconcile-seconds", "1"])
        let bytes = try Data(contentsOf: URL(fileURLWithPath: Fixtures.bundle("ailing_v1")))
        let file = FileHandle(
            fileDescriptor: open(inbox + "/slow.tar.gz", O_WRONLY | O_CREAT, 0o644),
            closeOnDealloc: true)
        try file.write(contentsOf: bytes.prefix(bytes.count / 2))
        try eventually("the other one is installed") {
            try host.get("/plugin/versioned/api/which").text == "2.0.0"
        }
        // A further bundle shows that the inbox was looked into meanwhile.
        try Command.succeed(["/bin/cp", Fixtures.bundle("versioned_v1"), inbox + "/c.tar.gz"])
        try eventually("a later one is installed") {
            try host.get("/plugin/versioned/api/which").text == "1.0.0"
        }
        #expect(exists(inbox + "/slow.tar.gz") && !exists(inbox + "/failed/slow.tar.gz"))
        try file.write(contentsOf: bytes.dropFirst(bytes.count / 2))
        try file.close()
        try eventually("it is installed") { try host.hello("ailing") == hello }
    }

    // MARK: - Search path

    @Test func bundlesOnThePath_areInstalled_theFirstOfEachPlugin() throws {
        let (one, two) = (files("one"), files("two"))
        for directory in [one, two] {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true)
        }
        try Command.succeed(["/bin/cp", Fixtures.bundle("versioned_v2"), one + "/a.tar.gz"])
        try Command.succeed(["/bin/cp", Fixtures.bundle("sound"), one + "/b.tar.gz"])
        try Command.succeed(["/bin/cp", Fixtures.bundle("ailing_v1"), two + "/c.tar.gz"])
        try Command.succeed(["/bin/cp", Fixtures.bundle("ailing_v3"), two + "/d.tar.gz"])
        try Data("no bundle".utf8).write(to: URL(fileURLWithPath: two + "/e.tar.gz"))
        let host = try HostProcess(
            root, environment: ["PLUGIN_HOST_PATH": two], options: ["--plugin-path", one])
        func states() throws -> [String: String] {
            let answer = try JSON(parsing: root.must("path", "--json").output)
            var states: [String: String] = [:]
            for bundle in answer["bundles"].elements {
                let file = bundle["path"].string?.split(separator: "/").last.map(String.init)
                states[file ?? ""] = bundle["state"].string
            }
            return states
        }
        let expected = [
            "a.tar.gz": "installed", "b.tar.gz": "installed", "c.tar.gz": "installed",
            "d.tar.gz": "shadowed", "e.tar.gz": "refused",
        ]
        try eventually("all is installed") { try states() == expected }
        #expect(try host.get("/plugin/versioned/api/which").text == "2.0.0")
        #expect(try host.get("/plugin/ailing/api/which").text == "1.0.0")

        // What appears comes in, what is older does not, and what was removed stays away.
        try Command.succeed(["/bin/cp", Fixtures.bundle("ailing_v2"), one + "/f.tar.gz"])
        try eventually("it is upgraded") {
            try host.get("/plugin/ailing/api/which").text == "2.0.0"
        }
        try eventually("what is behind it is shadowed") { try states()["c.tar.gz"] == "shadowed" }
        try Command.succeed(["/bin/cp", Fixtures.bundle("versioned_v1"), one + "/a.tar.gz"])
        try eventually("it is older") { try states()["a.tar.gz"] == "superseded" }
        try root.must("remove", "sound")
        try eventually("it was removed") { try states()["b.tar.gz"] == "tombstoned" }
        #expect(try root.list() == ["ailing", "versioned"])
        #expect(try root.must("path").output.contains("shadowed: by \(one)/f.tar.gz"))
    }
}
