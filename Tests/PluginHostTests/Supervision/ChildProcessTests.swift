import CLinux
import Glibc
import HostModel
import Testing

@testable import PluginHost

/// Waits for something that another process does and that no event tells of.
func eventuallyTrue(_ condition: () -> Bool) async -> Bool {
    let deadline = ContinuousClock.now + .seconds(60)
    while !condition() {
        if ContinuousClock.now > deadline { return false }
        await Deadline.pause(for: .milliseconds(5))
    }
    return true
}

@Suite struct ChildProcessTests {
    private let log = HostLog(minimum: .debug, descriptor: -1)

    private func shell(_ script: String) -> ChildProcess.Plan {
        ChildProcess.Plan(executable: "/bin/sh", arguments: ["-c", script])
    }

    private func start(_ plan: ChildProcess.Plan) async throws -> ChildProcess {
        try await ChildProcess.start(plan, log: log)
    }

    @Test func end_isToldWithStatusOrSignal() async throws {
        #expect(try await start(shell("exit 7")).waitForEnd() == .exited(7))
        #expect(try await start(shell("exit 0")).waitForEnd() == .exited(0))
        let end = try await start(shell("kill -SEGV $$")).waitForEnd()
        #expect(end == .killed(signal: SIGSEGV))
        #expect(end.description == "was killed by SIGSEGV")
    }

    @Test func missingProgram_isRefusedWithTheReason() async {
        await #expect {
            _ = try await start(ChildProcess.Plan(executable: "/nowhere/at-all"))
        } throws: {
            guard let error = $0 as? HostError else { return false }
            return error.code == "process_not_started" && error.systemError == ENOENT
        }
    }

    @Test func environment_isWhatWasGiven_andNothingElse() async throws {
        var plan = ChildProcess.Plan(executable: "/usr/bin/env", environment: ["A": "1", "B": "2"])
        plan.outputLevel = .error
        let lines = try await told(plan)
        #expect(lines.sorted() == ["A=1", "B=2"])
    }

    @Test func descriptors_areThoseThatWereGiven_andNoOthers() async throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        defer { for fd in ends { close(fd) } }
        // One that is inherited by whoever does not take care.
        let stray = dup(0)
        defer { close(stray) }
        var plan = shell("ls /proc/self/fd | tr '\\n' ' '; echo; echo through >&3")
        plan.descriptors = [ends[1]]
        let lines = try await told(plan)
        // 4 is the directory that ls reads.
        #expect(lines == ["0 1 2 3 4 "])
        var bytes = [UInt8](repeating: 0, count: 16)
        #expect(read(ends[0], &bytes, 16) == 8)
    }

    @Test func listener_isAnnouncedAsSystemdDoes() async throws {
        var plan = shell("echo $LISTEN_FDS; test $LISTEN_PID = $$ && echo mine")
        let directory = try Scratch()
        let listener = try PrivateListener(in: directory.path)
        plan.descriptors = [listener.descriptor]
        plan.listensOnDescriptors = true
        #expect(try await told(plan) == ["1", "mine"])
    }

    @Test func lines_areToldOneByOne_alsoALongOneAndTheLastWithoutItsEnd() async throws {
        let lines = try await told(
            shell("printf 'one\\r\\ntwo\\n\\n'; head -c 5000 /dev/zero | tr '\\0' x; printf '\\nz'")
        )
        #expect(lines.map(\.count) == [3, 3, 4_096, 904, 1])
        #expect(lines.last == "z")
    }

    @Test func lastWords_areTheLastLinesOfItsErrors() async throws {
        let child = try await start(
            shell("for n in $(seq 1 30); do echo line $n >&2; done; echo out; exit 3"))
        #expect(await child.waitForEnd() == .exited(3))
        #expect(child.lastWords.count == ChildProcess.lastWordsMax)
        #expect(child.lastWords.last == "line 30")
    }

    @Test func terminate_letsItEndByItself() async throws {
        let directory = try Scratch()
        let child = try await start(
            shell(
                "trap 'exit 9' TERM; : > \(directory.path)/ready; while :; do /bin/sleep 0.01; done"
            ))
        #expect(await eventuallyTrue { access(directory.path + "/ready", F_OK) == 0 })
        #expect(await child.terminate(grace: .seconds(60)) == .exited(9))
    }

    @Test func terminate_endsWhatDoesNotListen() async throws {
        let directory = try Scratch()
        let child = try await start(
            shell("trap '' TERM; : > \(directory.path)/ready; while :; do /bin/sleep 0.01; done"))
        #expect(await eventuallyTrue { access(directory.path + "/ready", F_OK) == 0 })
        #expect(await child.terminate(grace: .milliseconds(50)) == .killed(signal: SIGKILL))
    }

    @Test func end_takesTheWholeGroupAlong() async throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        var plan = shell("/bin/sleep 600 & /bin/sleep 600 & exit 0")
        plan.descriptors = [ends[1]]
        let child = try await start(plan)
        close(ends[1])
        #expect(await child.waitForEnd() == .exited(0))
        // The end of the pipe: nobody has it any more.
        var byte: UInt8 = 0
        #expect(read(ends[0], &byte, 1) == 0)
        close(ends[0])
    }

    @Test func killAfterTheEnd_reachesNobody() async throws {
        let child = try await start(shell("exit 0"))
        _ = await child.waitForEnd()
        child.kill()
        child.signal(SIGTERM)
        #expect(child.end == .exited(0))
    }

    @Test func manyChildren_areReapedAndLeaveNoDescriptors() async throws {
        _ = try await start(shell("exit 0")).waitForEnd()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                group.addTask {
                    let child = try await start(shell("echo \(number); exit \(number)"))
                    #expect(await child.waitForEnd() == .exited(Int32(number)))
                }
            }
            try await group.waitForAll()
        }
    }

    /// What a program prints to stdout until it ends.
    private func told(_ plan: ChildProcess.Plan) async throws -> [String] {
        let log = HostLog(minimum: .debug, descriptor: -1)
        let child = try await ChildProcess.start(plan, log: log)
        _ = await child.waitForEnd()
        log.flush()
        return log.feed.page(after: 0, limit: 1_000).entries.map(\.item.message)
    }
}

@Suite struct PrivateListenerTests {
    @Test func listener_hasNoFile_andCanBeConnectedTo() throws {
        let directory = try Scratch()
        let listener = try PrivateListener(in: directory.path)
        #expect(try Files.tree(directory.path).isEmpty)
        let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(fd) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyBytes(from: listener.address.utf8)
        }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(result == 0)
        let accepted = accept(listener.descriptor, nil, nil)
        #expect(accepted >= 0)
        close(accepted)
    }
}
