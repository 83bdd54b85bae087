import Foundation
import Glibc
import Testing

/// The helpers that the other tests stand on fail when they should.
@Suite(.ownThreads) struct HarnessTests {
    @Test func eventually_throws_whenItNeverHappens() {
        #expect(throws: NeverHappened.self) { try eventually("nothing", within: 0.05) { false } }
    }

    @Test func command_tellsStatusOutputAndErrors() throws {
        let command = try Command.shell("echo out; echo err >&2; exit 3")
        #expect(command.status == 3)
        #expect(command.output == "out\n")
        #expect(command.errors == "err\n")
    }

    @Test func command_isKilled_whenItTakesTooLong() throws {
        #expect(throws: Command.TookTooLong.self) {
            try Command.run(["/bin/cat", "/dev/zero"], within: 0.2)
        }
    }

    @Test func process_isGone_whenNothingRefersToIt() throws {
        var process: ChildProcess? = try ChildProcess(["/usr/bin/tail", "-f", "/dev/null"])
        let state = ProcessState(pid: try #require(process).pid)
        try eventually("it is mapped") { !state.maps.isEmpty }
        process = nil
        try eventually("it has no maps") { state.maps.isEmpty }
    }

    @Test func processMaps_nameTheFilesThatAreMapped() throws {
        let state = ProcessState(pid: getpid())
        #expect(!state.maps(below: Repository.products).isEmpty)
        #expect(state.maps(below: "/nowhere").isEmpty)
        #expect(state.residentBytes > 1 << 20)
        #expect(state.threads.count > 1)
    }

    @Test func patch_changesEveryOccurrence_andKeepsTheLength() {
        let data = Data("one two one".utf8).replacing("one", with: "six")
        #expect(data == Data("six two six".utf8))
    }
}
