import Foundation
import Glibc
import Testing

@testable import DynamicLibrary

@Suite(.serialized) struct ThrowawayProcessTests {
    func shell(_ script: String, deadline: Duration = .seconds(20)) -> ThrowawayProcess {
        ThrowawayProcess(
            executable: "/bin/sh", arguments: ["-c", script],
            environment: ["PATH=/usr/bin:/bin"], deadline: deadline)
    }

    @Test func outputAndStatus_comeBack() async throws {
        let outcome = try await shell("echo out; echo err >&2; exit 3").run()
        #expect(outcome.end == .exited(3))
        #expect(outcome.output == Array("out\n".utf8))
        #expect(outcome.errors == Array("err\n".utf8))
        #expect(!outcome.isTimedOut && !outcome.isCutOff && !outcome.isSuccess)
        #expect(outcome.summary == "ended with status 3")
    }

    @Test func crash_isToldByItsSignal() async throws {
        let outcome = try await shell("kill -SEGV $$").run()
        #expect(outcome.end == .killed(signal: SIGSEGV))
        #expect(outcome.summary == "was killed by SIGSEGV")
    }

    @Test func deadline_killsTheWholeGroup() async throws {
        let clock = ContinuousClock()
        let start = clock.now
        let outcome = try await shell(
            "sleep 100 & echo $!; exec sleep 100", deadline: .milliseconds(200)
        ).run()
        #expect(outcome.isTimedOut)
        #expect(outcome.end == .killed(signal: SIGKILL))
        #expect(clock.now - start < .seconds(60))
        let background = try #require(
            Int32(String(decoding: outcome.output.dropLast(), as: UTF8.self)))
        try await eventually { kill(background, 0) != 0 || isZombie(background) }
    }

    @Test func childThatLeavesItsPipesToOthers_isNotWaitedFor() async throws {
        let clock = ContinuousClock()
        let start = clock.now
        let outcome = try await shell("sleep 100 & exit 0").run()
        #expect(outcome.isSuccess && !outcome.isTimedOut)
        #expect(clock.now - start < .seconds(60))
    }

    @Test func flood_isCutOff_andTheChildStillEnds() async throws {
        var process = shell("head -c 3000000 /dev/zero; exit 0")
        process.outputBytesMax = 1000
        let outcome = try await process.run()
        #expect(outcome.isSuccess)
        #expect(outcome.isCutOff)
        #expect(outcome.output.count == 1000)
    }

    @Test func child_hasItsOwnGroupNoCoreNoInputNoDescriptorsAndDefaultSignals() async throws {
        signal(SIGUSR1, SIG_IGN)
        defer { signal(SIGUSR1, SIG_DFL) }
        let outcome = try await shell(
            """
            ulimit -c; read line || echo no input; ls /proc/self/fd | wc -l
            test "$(ps -o pgid= -p $$ | tr -d ' ')" = $$ && echo own group
            grep SigIgn /proc/self/status; env | grep -c HOME
            """
        ).run()
        let lines = String(decoding: outcome.output, as: UTF8.self).split(separator: "\n")
        // ls has the directory open besides the standard three.
        #expect(
            lines == [
                "0", "no input", "4", "own group", "SigIgn:\t0000000000000000", "0",
            ])
    }

    @Test func missingProgram_isAnError() async throws {
        let process = ThrowawayProcess(executable: "/nowhere/program", arguments: [])
        let error = await #expect(throws: LibraryError.self) { try await process.run() }
        #expect(error?.code == .cannotSpawn)
        #expect(error?.errno == ENOENT)
    }

    @Test func twoHundredRuns_leaveNoZombieNoDescriptorAndNoThread() async {
        await #expect(processExitsWith: .success) {
            let process = ThrowawayProcess(executable: "/bin/sh", arguments: ["-c", "exit 0"])
            _ = try await process.run()
            let fds = Holdings.now().fds
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0..<200 {
                    if index >= 8 { #expect(try await group.next() == true) }
                    group.addTask { try await process.run().isSuccess }
                }
                for try await isSuccess in group { #expect(isSuccess) }
            }
            #expect(Holdings.now().fds == fds)
            #expect(waitpid(-1, nil, WNOHANG) == -1)
            #expect(errno == ECHILD)
            try await eventually { Holdings.now().threads <= 16 }
        }
    }

    @Test func child_diesWithItsParent() async throws {
        let path = Fixtures.directory + "/child-\(getpid())"
        await #expect(processExitsWith: .exitCode(7)) { [path = path as String] in
            Task {
                try await ThrowawayProcess(
                    executable: "/bin/sh",
                    arguments: ["-c", "echo $$ > \(path).new; mv \(path).new \(path); sleep 100"],
                    environment: ["PATH=/usr/bin:/bin"], deadline: .seconds(100)
                ).run()
            }
            try await eventually { access(path, F_OK) == 0 }
            _exit(7)
        }
        let child = try #require(Int32(systemText(path).split(separator: "\n")[0]))
        try await eventually { kill(child, 0) != 0 || isZombie(child) }
    }

    @Test func crashingConstructor_killsTheChildOnly() async throws {
        let library = try Fixtures.build("crashes_in_constructor.c")
        let program = Fixtures.directory + "/loads"
        try """
        #include <dlfcn.h>
        int main(int count, char **argument) { return dlopen(argument[count - 1], RTLD_NOW) == 0; }
        """.write(toFile: program + ".c", atomically: true, encoding: .utf8)
        try Fixtures.run("gcc", [program + ".c", "-o", program])
        let outcome = try await ThrowawayProcess(executable: program, arguments: [library]).run()
        #expect(outcome.end == .killed(signal: SIGSEGV))
    }

    private func isZombie(_ pid: Int32) -> Bool {
        systemText("/proc/\(pid)/stat").contains(") Z ")
    }
}
