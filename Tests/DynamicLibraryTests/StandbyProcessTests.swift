import Foundation
import Glibc
import Synchronization
import Testing

@testable import DynamicLibrary

@Suite(.serialized) struct StandbyProcessTests {
    private func standby(_ script: String) -> StandbyProcess {
        StandbyProcess(
            ThrowawayProcess(
                executable: "/bin/sh", arguments: ["-c", script],
                environment: ["PATH=/usr/bin:/bin"]))
    }

    @Test func input_isReadToItsEnd_howeverLongItIs() async throws {
        let input = [UInt8](repeating: 7, count: 3 << 20)
        let outcome = try await standby("wc -c").run(input: input, deadline: .seconds(60))
        #expect(outcome.isSuccess)
        #expect(outcome.output == Array("\(input.count)\n".utf8))
    }

    @Test func childThatReadsNothing_isNoHindrance() async throws {
        let input = [UInt8](repeating: 7, count: 3 << 20)
        let outcome = try await standby("exit 3").run(input: input, deadline: .seconds(60))
        #expect(outcome.end == .exited(3))
    }

    @Test func childThatHasSaidAll_isNotWaitedFor_andIsGoneAfterwards() async throws {
        let (gone, continuation) = AsyncStream.makeStream(of: Void.self)
        let outcome = try await standby("echo $$; echo done; exec sleep 1000").run(
            input: [], deadline: .seconds(600),
            saysAll: { $0.suffix(5) == Array("done\n".utf8) }, afterwards: continuation.finish)
        #expect(outcome.isSuccess && !outcome.isTimedOut)
        let lines = String(decoding: outcome.output, as: UTF8.self).split(separator: "\n")
        let child = try #require(lines.first.flatMap { Int32($0) })
        for await _ in gone {}
        #expect(kill(child, 0) != 0 && errno == ESRCH)
    }

    @Test func deadline_countsFromTheOrder() async throws {
        let child = standby("read line; exec sleep 1000")
        let outcome = try await child.run(
            input: Array("go\n".utf8), deadline: .milliseconds(200))
        #expect(outcome.isTimedOut)
        #expect(outcome.end == .killed(signal: SIGKILL))
    }

    @Test func childThatIsNotWanted_ends() async throws {
        let path = Fixtures.directory + "/standby-\(UUID().uuidString)"
        var child: StandbyProcess? = standby(
            "echo $$ > \(path).new; mv \(path).new \(path); exec sleep 1000")
        try await eventually { access(path, F_OK) == 0 }
        let pid = try #require(Int32(systemText(path).split(separator: "\n")[0]))
        #expect(kill(pid, 0) == 0)
        withExtendedLifetime(child) {}
        child = nil
        try await eventually { kill(pid, 0) != 0 }
    }

    @Test func missingProgram_isTold_andAllIsOverAfterwards() async throws {
        let isOver = Atomic(false)
        let child = StandbyProcess(
            ThrowawayProcess(executable: "/nowhere/program", arguments: []))
        let error = await #expect(throws: LibraryError.self) {
            try await child.run(
                input: [1], deadline: .seconds(60),
                afterwards: { isOver.store(true, ordering: .releasing) })
        }
        #expect(error?.code == .cannotSpawn)
        try await eventually { isOver.load(ordering: .acquiring) }
    }
}
