import Foundation
import Glibc
import Testing

/// Hot reload by replacing the library, in every way in which people do it.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct ReplacementTests {
    let root: Root
    let host: HostProcess
    let files: TemporaryDirectory

    init() throws {
        root = try Root()
        files = try TemporaryDirectory()
        host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        try #require(try host.hello("sound") == hello)
    }

    private func newCode(_ number: Int) throws -> String {
        try files.write("new-\(number).so", Fixtures.code("sound", saying: number))
    }

    /// Expects that the new code answers, and that the old one has left memory.
    ///
    /// - Parameter generation: the number of the new one; nil where tries that fail come before it.
    private func expectReloaded(_ number: Int, generation: Int? = 2) throws {
        try host.waitForHello("sound", Fixtures.hello(saying: number))
        let status = try root.waitForStatus("sound", "the former image has a verdict") {
            $0["last_unload"]["generation"].number == 1 && $0["last_error"] == .null
        }
        #expect(status["last_unload"]["verdict"].string == "unloaded", "\(status)")
        let now = Int(try #require(status["generation"].number))
        #expect(now == generation ?? now)
        try host.waitUntilUnmapped("sound", except: now)
    }

    @Test func newCodeAnswers_whenItIsCopiedOverTheLibrary() throws {
        try Command.succeed(["/bin/cp", newCode(1), root.library("sound")])
        try expectReloaded(1)
    }

    @Test func newCodeAnswers_whenItIsMovedOverTheLibrary() throws {
        let staging = "\(root.plugin("sound"))/lib/staged"
        try Command.succeed(["/bin/cp", newCode(2), staging])
        try Command.succeed(["/bin/mv", staging, root.library("sound")])
        try expectReloaded(2)
    }

    @Test func newCodeAnswers_whenItIsWrittenBesideAndRenamed_asRsyncDoes() throws {
        let beside = "\(root.plugin("sound"))/lib/.libsound.so.Xa81Qz"
        try Command.succeed(["/bin/cp", newCode(3), beside])
        try #require(rename(beside, root.library("sound")) == 0)
        try expectReloaded(3)
    }

    @Test func newCodeAnswers_whenTheLibraryIsUnlinkedAndWrittenAnew_asLinkersDo() throws {
        let code = try newCode(4)
        try #require(unlink(root.library("sound")) == 0)
        #expect(try host.hello("sound") == hello)
        try Command.succeed(["/bin/cp", code, root.library("sound")])
        try expectReloaded(4, generation: nil)
    }

    @Test func halfWrittenLibrary_isNeverLoaded_howeverOftenItIsClosed() throws {
        let code = [UInt8](try Fixtures.code("sound", saying: 5))
        let client = try host.client()
        let pieces = 24
        for piece in 0..<pieces {
            let bytes = code[code.count * piece / pieces..<code.count * (piece + 1) / pieces]
            let flags = O_WRONLY | (piece == 0 ? O_TRUNC : O_APPEND)
            let descriptor = open(root.library("sound"), flags)
            try #require(descriptor >= 0)
            for byte in bytes {
                try #require(
                    withUnsafeBytes(of: byte) { write(descriptor, $0.baseAddress, 1) } == 1)
            }
            close(descriptor)
            guard piece < pieces - 1 else { break }
            for _ in 0..<50 {
                #expect(try client.get("/plugin/sound/api/hello").text == hello)
            }
        }
        try expectReloaded(5, generation: nil)
    }

    @Test func libraryThatIsStillBeingWritten_isNotLookedAt() throws {
        let code = try Fixtures.code("sound", saying: 9)
        let file = FileHandle(
            fileDescriptor: open(root.library("sound"), O_WRONLY | O_TRUNC), closeOnDealloc: true)
        try file.write(contentsOf: code.prefix(code.count / 2))
        for _ in 0..<200 { #expect(try host.hello("sound") == hello) }
        #expect(try root.status("sound")["last_error"] == .null)
        try file.write(contentsOf: code.dropFirst(code.count / 2))
        try file.close()
        try expectReloaded(9)
    }

    @Test func touchedLibrary_isNotReloaded() throws {
        try Command.succeed(["/usr/bin/touch", root.library("sound")])
        try Command.succeed(["/bin/cp", Fixtures.library("sound"), root.library("sound")])
        // The host looks at changes in their order: once a later one is served, so are these.
        try Command.succeed(["/bin/cp", newCode(6), root.library("sound")])
        try expectReloaded(6, generation: nil)
        #expect(try root.status("sound")["reloads"]["count"].number == 1)
    }

    @Test func explicitReload_isAnsweredOnceTheNewCodeServes() throws {
        try Command.succeed(["/bin/cp", newCode(7), root.library("sound")])
        try root.must("reload", "sound")
        #expect(try host.hello("sound") == Fixtures.hello(saying: 7))
    }

    /// The inode of a file; nil when there is none.
    private func inode(_ path: String) -> ino_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_ino : nil
    }

    /// Puts a library in place and waits until its code answers, as that generation, and the one
    /// before has left memory.
    private func serve(_ library: String, _ answer: String, generation: Int) throws {
        try Command.succeed(["/bin/cp", library, root.library("sound")])
        try host.waitForHello("sound", answer)
        try root.waitForStatus("sound", "the former image has left memory") {
            $0["last_unload"]["generation"].number == Double(generation - 1)
                && $0["last_unload"]["verdict"].string == "unloaded"
        }
    }

    @Test func codeThatComesBack_isServedFromTheCopyThatWasLeft_unlessSomebodyWroteToIt() throws {
        let place = root.plugin("sound") + "/run"
        let (old, new) = (try newCode(20), try newCode(21))
        let (oldAnswer, newAnswer) = (Fixtures.hello(saying: 20), Fixtures.hello(saying: 21))
        try serve(old, oldAnswer, generation: 2)
        let copy = try #require(inode("\(place)/sound.2.so"))
        try serve(new, newAnswer, generation: 3)
        #expect(inode("\(place)/sound.2.kept") == copy)
        try serve(old, oldAnswer, generation: 4)
        #expect(inode("\(place)/sound.4.so") == copy)
        #expect(inode("\(place)/sound.2.kept") == nil)

        // The copy of generation 3 says something else from now on.
        let kept = "\(place)/sound.3.kept"
        let former = try #require(inode(kept))
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: kept))
        try file.write(contentsOf: Fixtures.code("sound", saying: 22))
        // As long as it is open, no other file gets its inode.
        defer { try? file.close() }
        try serve(new, newAnswer, generation: 5)
        #expect(inode("\(place)/sound.5.so") != former)
        #expect(inode(kept) == nil)
    }

    @Test func brokenReplacement_leavesTheOldCodeServing_andSaysWhy() throws {
        try Command.succeed([
            "/bin/cp", Fixtures.library("missing_entry"), root.library("sound"),
        ])
        let status = try root.waitForStatus("sound", "the failure is told") {
            $0["last_error"] != .null
        }
        #expect(status["state"].string == "active")
        #expect(status["generation"].number == 1)
        #expect("\(status["last_error"])".contains("ph_plugin_entry"))
        #expect(try host.hello("sound") == hello)

        expectRefusal(try root.host("reload", "sound"), "sound", "ph_plugin_entry")
        #expect(try host.hello("sound") == hello)

        try Command.succeed(["/bin/cp", newCode(8), root.library("sound")])
        try host.waitForHello("sound", Fixtures.hello(saying: 8))
        try root.waitForStatus("sound", "no error is left") { $0["last_error"] == .null }
    }

    @Test func everyAnswer_isWholeAndFromOneGeneration_whileLibrariesAreReplaced() throws {
        let load = SteadyLoad(port: host.port, paths: ["/plugin/sound/api/hello"], connections: 4)
        for number in 10..<30 {
            try Command.succeed(["/bin/cp", newCode(number), root.library("sound")])
            try host.waitForHello("sound", Fixtures.hello(saying: number))
        }
        let result = load.end()
        #expect(result.failures.isEmpty, "\(result.failures.prefix(5))")
        #expect(result.answers > 100)
        let allowed = Set([hello] + (10..<30).map { Fixtures.hello(saying: $0) })
        #expect(result.bodies.isSubset(of: allowed), "\(result.bodies.subtracting(allowed))")
    }
}
