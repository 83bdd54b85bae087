import Foundation
import Glibc

/// A process that a test started: its output as it comes, its end as an event.
///
/// It leads a process group of its own; the whole group is killed at the latest when nothing refers
/// to the object any more, and by the kernel when the thread that started it ends.
final class ChildProcess: @unchecked Sendable {  // because all that changes is behind `condition`
    enum End: Equatable {
        case exited(Int32)
        case signalled(Int32)
    }

    struct CannotStart: Error { let command: [String], errno: Int32 }

    let pid: pid_t
    private let condition = NSCondition()
    private var output = Data()
    private var errors = Data()
    private var openPipes = 2
    private var end: End?

    init(
        _ command: [String], environment: [String: String] = [:], directory: String? = nil,
        passing descriptors: [Int32] = []
    ) throws {
        let (stdout, stdoutOfChild) = try Self.channel()
        let (stderr, stderrOfChild) = try Self.channel()
        pid = try Self.spawn(
            command, environment: environment, directory: directory,
            stdout: stdoutOfChild.fileDescriptor, stderr: stderrOfChild.fileDescriptor,
            passing: descriptors)
        follow(stdout) { $0.output.append($1) }
        follow(stderr) { $0.errors.append($1) }
        reap()
    }

    deinit { _ = Glibc.kill(-pid, SIGKILL) }

    var standardOutput: String { locked { String(decoding: output, as: UTF8.self) } }
    var standardError: String { locked { String(decoding: errors, as: UTF8.self) } }
    var hasEnded: Bool { locked { end != nil } }

    func send(signal: Int32) {
        locked { if end == nil { _ = Glibc.kill(pid, signal) } }
    }

    /// Kills the process with all its children, and waits until it is gone.
    func kill() {
        _ = Glibc.kill(-pid, SIGKILL)
        _ = waitForEnd(within: 30)
    }

    /// Waits until the process has ended; nil if it has not after that long.
    func waitForEnd(within seconds: Double) -> End? {
        wait(within: seconds) { $0.end }
    }

    /// Waits until the process has ended and all of its output has arrived.
    func waitForOutput(within seconds: Double) -> End? {
        wait(within: seconds) { $0.openPipes == 0 ? $0.end : nil }
    }

    /// Waits for a whole line on standard output with that beginning, and returns the rest of it.
    func waitForLine(after beginning: String, within seconds: Double) -> String? {
        let found: String? = wait(within: seconds) { process in
            let lines = String(decoding: process.output, as: UTF8.self)
                .split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            if let line = lines.first(where: { $0.hasPrefix(beginning) }) {
                return String(line.dropFirst(beginning.count))
            }
            return process.openPipes == 0 ? "" : nil
        }
        return found?.isEmpty == true ? nil : found
    }

    /// Waits until standard error contains a text.
    func waitForError(containing text: String, within seconds: Double) -> Bool {
        wait(within: seconds) { process -> Bool? in
            if String(decoding: process.errors, as: UTF8.self).contains(text) { return true }
            return process.openPipes == 0 ? false : nil
        } ?? false
    }

    private func wait<Value>(
        within seconds: Double, until value: (ChildProcess) -> Value?
    ) -> Value? {
        let deadline = Date().addingTimeInterval(seconds)
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let value = value(self) { return value }
            if !condition.wait(until: deadline) { return value(self) }
        }
    }

    private func locked<Value>(_ body: () -> Value) -> Value {
        condition.lock()
        defer { condition.unlock() }
        return body()
    }

    private func change(_ body: (ChildProcess) -> Void) {
        condition.lock()
        body(self)
        condition.broadcast()
        condition.unlock()
    }

    private func follow(
        _ pipe: FileHandle, append: @escaping @Sendable (ChildProcess, Data) -> Void
    ) {
        Thread.detachNewThread { [weak self] in
            while true {
                let piece = pipe.availableData
                if piece.isEmpty { break }
                self?.change { append($0, piece) }
            }
            self?.change { $0.openPipes -= 1 }
        }
    }

    private func reap() {
        Thread.detachNewThread { [weak self, pid] in
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
            let signal = status & 0x7f
            let end: End = signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
            self?.change { $0.end = end }
        }
    }

    /// A pair of sockets and not a pipe: only those can be kept, from their first moment, out of
    /// the children that other threads are starting.
    private static func channel() throws -> (FileHandle, FileHandle) {
        var pair: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0, &pair) == 0 else {
            throw CannotStart(command: ["socketpair"], errno: errno)
        }
        return (
            FileHandle(fileDescriptor: pair[0], closeOnDealloc: true),
            FileHandle(fileDescriptor: pair[1], closeOnDealloc: true)
        )
    }

    private static func spawn(
        _ command: [String], environment: [String: String], directory: String?,
        stdout: Int32, stderr: Int32, passing descriptors: [Int32]
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, stdout, 1)
        posix_spawn_file_actions_adddup2(&actions, stderr, 2)
        for (index, descriptor) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, descriptor, 3 + Int32(index))
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP) | Int16(POSIX_SPAWN_SETSIGMASK))

        let everything = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let command =
            ["/usr/bin/setpriv", "--pdeathsig", "KILL", "/usr/bin/env"]
            + (directory.map { ["--chdir", $0] } ?? []) + command
        var arguments = command.map { strdup($0) } + [nil]
        var variables = everything.map { strdup("\($0)=\($1)") } + [nil]
        defer {
            for copy in arguments + variables { free(copy) }
        }
        var pid: pid_t = 0
        let error = posix_spawn(&pid, command[0], &actions, &attributes, &arguments, &variables)
        guard error == 0 else { throw CannotStart(command: command, errno: error) }
        return pid
    }
}
