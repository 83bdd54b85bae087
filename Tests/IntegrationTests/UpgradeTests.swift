import Foundation
import Glibc
import Testing

/// SIGUSR2: the program is replaced while it serves, and nobody notices.
///
/// A run upgrades three times; `UPGRADES=100` says otherwise.
@Suite(.ownThreads, .timeLimit(.minutes(30))) struct UpgradeTests {
    private static let count =
        ProcessInfo.processInfo.environment["UPGRADES"].flatMap { Int($0) } ?? 3

    /// A program that can be replaced.
    private struct Program {
        let directory: TemporaryDirectory
        var path: String { directory("host") }

        init() throws {
            directory = try TemporaryDirectory()
            try replace()
        }

        /// Puts another file of the same content in its place.
        func replace() throws {
            try Command.succeed(["/bin/cp", HostProcess.binary, path + ".new"])
            try #require(rename(path + ".new", path) == 0)
        }

        /// Puts a program of this text in its place.
        ///
        /// It is another process that writes it: one that this process starts meanwhile could have
        /// the file open for writing for a moment, and then it could not be run.
        func replace(with text: String) throws {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path + ".text"))
            try Command.succeed(["/bin/cp", path + ".text", path + ".new"])
            try #require(chmod(path + ".new", 0o755) == 0)
            try #require(rename(path + ".new", path) == 0)
        }
    }

    @Test func upgrade_failsNoRequest() throws {
        let program = try Program()
        let root = try Root()
        let host = try HostProcess(root, binary: program.path)
        try root.must("install", Fixtures.bundle("sound"))
        let load = SteadyLoad(port: host.port, paths: ["/plugin/sound/api/hello"], connections: 4)
        for number in 1...Self.count {
            let former = host.engine
            try program.replace()
            host.process.send(signal: SIGUSR2)
            try eventually("engine \(number + 1) serves, and the one before is gone") {
                let children = ProcessState(pid: host.process.pid).children
                return children.count == 1 && children[0] != former
            }
            let answers = load.answers
            try eventually("it answers") { load.answers > answers + 20 }
            let list = try JSON(parsing: root.must("list", "--json").output)
            #expect(list["engine_pid"].number == Double(host.engine))
            #expect(list["supervisor_pid"].number == Double(host.process.pid))
        }
        let result = load.end()
        #expect(result.failures.isEmpty, "\(result.failures.prefix(3)) \(host.log.suffix(2_000))")
        let link = try FileManager.default.destinationOfSymbolicLink(
            atPath: "/proc/\(host.process.pid)/exe")
        #expect(!link.hasSuffix("(deleted)"), "it runs what lies in its place")
        #expect(try root.status("sound")["generation"].number == Double(Self.count + 1))
        #expect(try host.terminate() == 0)
    }

    @Test func programThatCannotServe_isNotTaken() throws {
        let program = try Program()
        let root = try Root()
        let host = try HostProcess(root, binary: program.path)
        try root.must("install", Fixtures.bundle("sound"))
        let engine = host.engine
        for broken in ["#!/bin/sh\nexit 3\n", "no program at all"] {
            try program.replace(with: broken)
            host.process.send(signal: SIGUSR2)
            let word = broken.hasPrefix("#") ? "does not understand" : "cannot be started"
            #expect(host.process.waitForError(containing: word, within: 60), "\(host.log)")
            #expect(try host.hello("sound") == hello)
            #expect(host.engine == engine)
        }
        try root.must("deactivate", "sound")
        #expect(try host.terminate() == 0)
    }

    @Test func successorThatDoesNotComeUp_leavesTheEngineAsItWas() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        let engine = host.engine
        // An engine does not start where the journal knows plugins and there are none.
        let (plugins, away) = ("\(root.path)/plugins", "\(root.path)/away")
        try #require(rename(plugins, away) == 0)
        host.process.send(signal: SIGUSR2)
        #expect(
            host.process.waitForError(containing: "did not come up", within: 60), "\(host.log)")
        try #require(rename(away, plugins) == 0)
        #expect(try host.hello("sound") == hello)
        #expect(host.engine == engine)
        try root.must("reload", "sound", "--force")
        #expect(try host.hello("sound") == hello)
        #expect(try host.terminate() == 0)
    }
}
