internal import CLinux
internal import DynamicLibrary
internal import Glibc
internal import HostModel

/// An engine as its supervisor sees it: a child process, a wire to it, and its black box.
final class EngineProcess {
    let pid: Int32
    /// Readable when the process has ended.
    let pidfd: Int32
    /// The supervisor's end of the wire.
    let wire: Int32
    let box: BlackBox
    /// What it has said that it ends with.
    var announced: Int32?
    /// Whether nothing more comes through the wire.
    var isSilent = false
    /// What has found no room in the wire; the descriptors are copies.
    private(set) var waiting: [WireMessage] = []
    /// When it was asked first whether it answers, and has not answered since.
    var unansweredSince: Duration?

    init(pid: Int32, pidfd: Int32, wire: Int32, box: BlackBox) {
        self.pid = pid
        self.pidfd = pidfd
        self.wire = wire
        self.box = box
    }

    /// Starts an engine.
    ///
    /// - Parameters:
    ///   - arguments: those of `host serve`.
    ///   - seat: what it is told besides.
    ///   - box: where it writes how it ends.
    ///   - passed: the admin socket, the listeners and the admin interface's further doors, in this
    ///     order.
    /// - Throws: `engine_not_started` with the system's reason.
    static func start(
        arguments: [String], seat: EngineSeat.Told, box: BlackBox, lock: Int32, passed: [Int32]
    ) throws(HostError) -> EngineProcess {
        var pair: [Int32] = [-1, -1]
        let result = unsafe linux_message_sockets(&pair)
        guard result >= 0 else { throw failure(-result) }
        var pidfd: Int32 = -1
        let words = ["host", EngineSeat.verb, seat.text] + arguments
        let descriptors = [pair[1], lock, box.descriptor] + passed
        let pid = unsafe withStrings(words) { argv in
            unsafe linux_start(
                "/proc/self/exe", argv, descriptors, Int32(descriptors.count), &pidfd)
        }
        close(pair[1])
        guard pid > 0 else {
            close(pair[0])
            throw failure(-pid)
        }
        return EngineProcess(pid: pid, pidfd: pidfd, wire: pair[0], box: box)
    }

    /// Monotonic.
    static var now: Duration { .milliseconds(Int64(linux_monotonic_milliseconds())) }

    func send(signal: Int32) { kill(pid, signal) }

    func tell(_ word: EngineSeat.Word) { tell(WireMessage(word: word)) }

    /// Tells it something; never waits. What finds no room is told later.
    func tell(_ message: WireMessage) {
        if waiting.isEmpty, message.send(over: wire, waits: false) != EAGAIN { return }
        var copy = message
        copy.descriptors = message.descriptors.map { fcntl($0, F_DUPFD_CLOEXEC, 0) }
        waiting.append(copy)
    }

    /// Tells what has waited, as far as there is room.
    func flush() {
        while let first = waiting.first, first.send(over: wire, waits: false) != EAGAIN {
            waiting.removeFirst().closeDescriptors()
        }
    }

    /// Takes the end of the process in, and gives everything back but its box: its exit status, or
    /// minus the signal.
    func reap() -> Int32 {
        let status = linux_await_end(pid)
        close(pidfd)
        close(wire)
        for message in waiting { message.closeDescriptors() }
        waiting = []
        return status
    }

    private static func failure(_ number: Int32) -> HostError {
        .system(
            "the engine could not be started", subject: "", errno: number,
            code: "engine_not_started")
    }

    /// Lends an array of C strings that ends with a null pointer.
    static func withStrings<R>(
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
