internal import CLinux
internal import Glibc
internal import HostModel

/// An engine as its supervisor sees it: a child process with a wire to it.
struct EngineProcess {
    let pid: Int32
    /// Readable when the process has ended.
    let pidfd: Int32
    /// The supervisor's end of the wire.
    let wire: Int32
    let begun: Duration

    /// Starts an engine.
    ///
    /// - Parameters:
    ///   - executable: the program.
    ///   - arguments: those of `host serve`.
    ///   - end: how the engine before ended.
    ///   - passed: the lock, the box, the admin socket and the listeners, in this order.
    /// - Throws: `engine_not_started` with the system's reason.
    static func start(
        _ executable: String, arguments: [String], after end: EngineEnd, passed: [Int32]
    ) throws(HostError) -> EngineProcess {
        var pair: [Int32] = [-1, -1]
        let result = unsafe linux_message_sockets(&pair)
        guard result >= 0 else { throw failure(-result) }
        let seat = "\(getpid()),\(passed.count - 3),\(end.text)"
        var pidfd: Int32 = -1
        let pid = unsafe withStrings(["host", EngineSeat.verb, seat] + arguments) { argv in
            unsafe linux_start(
                executable, argv, [pair[1]] + passed, Int32(passed.count + 1), &pidfd)
        }
        close(pair[1])
        guard pid > 0 else {
            close(pair[0])
            throw failure(-pid)
        }
        return EngineProcess(pid: pid, pidfd: pidfd, wire: pair[0], begun: Self.now)
    }

    /// Monotonic.
    static var now: Duration { .milliseconds(Int64(linux_monotonic_milliseconds())) }

    func send(signal: Int32) { kill(pid, signal) }

    func tell(_ word: EngineSeat.Word) {
        let text = Array("\(word.rawValue) 0".utf8)
        _ = unsafe text.withUnsafeBytes { unsafe linux_send(wire, $0.baseAddress, $0.count, 0) }
    }

    /// Takes the end of the process in, and gives everything back: its exit status, or minus the
    /// signal.
    func reap() -> Int32 {
        let status = linux_await_end(pid)
        close(pidfd)
        close(wire)
        return status
    }

    private static func failure(_ number: Int32) -> HostError {
        .system(
            "the engine could not be started", subject: "", errno: number,
            code: "engine_not_started")
    }

    /// Lends an array of C strings that ends with a null pointer.
    private static func withStrings<R>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        var copies: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) }
        unsafe copies.append(nil)
        defer {
            for index in unsafe copies.indices { unsafe free(copies[index]) }
        }
        return unsafe copies.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { preconditionFailure("it has an element") }
            return unsafe body(base)
        }
    }
}
