internal import CLedger
import Glibc

/// A program that is run once for its answer and may crash, hang or flood without harm to this
/// process.
///
/// It gets its own process group, /dev/null to read, no descriptor of the host, no core file, and
/// it dies with the host. When it ends, or the deadline passes, all of its group is killed.
public struct ThrowawayProcess: Sendable {
    /// How the program ended.
    public enum End: Sendable, Equatable {
        /// It ended by itself with this status.
        case exited(Int32)
        /// It was killed by this signal.
        case killed(signal: Int32)
    }

    /// What came of a run.
    public struct Outcome: Sendable, Equatable {
        /// How the program ended.
        public let end: End
        /// Whether it was killed because the deadline had passed.
        public let isTimedOut: Bool
        /// What it wrote to stdout, up to the limit.
        public let output: [UInt8]
        /// What it wrote to stderr, up to the limit.
        public let errors: [UInt8]
        /// Whether it wrote more than the limit to either.
        public let isCutOff: Bool

        /// Whether it ended by itself with status 0.
        public var isSuccess: Bool { end == .exited(0) }

        /// How it ended, such as `was killed by SIGSEGV`.
        public var summary: String {
            switch end {
            case _ where isTimedOut: "did not end in time and was killed"
            case .exited(let status): "ended with status \(status)"
            case .killed(let signal): "was killed by \(ThrowawayProcess.name(ofSignal: signal))"
            }
        }
    }

    /// The program; by default this one.
    public var executable: String
    /// Its arguments, without its name.
    public var arguments: [String]
    /// Its environment as `NAME=value`.
    public var environment: [String]
    /// How long it may take.
    public var deadline: Duration
    /// How much of its stdout, and of its stderr, is kept; the rest is read and dropped.
    ///
    /// - Units: bytes.
    public var outputBytesMax: Int

    /// Describes a run; nothing is started.
    public init(
        executable: String = "/proc/self/exe", arguments: [String], environment: [String] = [],
        deadline: Duration = .seconds(10), outputBytesMax: Int = 1 << 20
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.deadline = deadline
        self.outputBytesMax = outputBytesMax
    }

    /// Runs the program and waits for its end, on a thread of its own.
    ///
    /// - Throws: `cannotSpawn` with the system's reason.
    public nonisolated(nonsending) func run() async throws(LibraryError) -> Outcome {
        try await ProcessSeat(self, takesInput: false).run(input: [], deadline: deadline)
    }

    /// Runs the program and waits for its end, on the calling thread.
    ///
    /// - Throws: `cannotSpawn` with the system's reason.
    func runBlocking() throws(LibraryError) -> Outcome {
        try conclude(start(takesInput: false), input: [], deadline: deadline)
    }

    /// Starts the program, which ends with the calling thread.
    func start(takesInput: Bool) throws(LibraryError) -> ledger_child {
        var child = ledger_child()
        let failure = unsafe Self.withStrings([executable] + arguments) { argv in
            unsafe Self.withStrings(environment) { envp in
                unsafe ledger_spawn(executable, argv, envp, takesInput ? 1 : 0, &child)
            }
        }
        guard failure == 0 else {
            throw .system(
                .cannotSpawn, "cannot start a process", executable,
                remedy:
                    "check that the file is executable and that the process limit is not reached",
                number: failure)
        }
        return child
    }

    /// Writes what it is to read, and waits for its end.
    ///
    /// - Parameters:
    ///   - saysAll: whether what it has written to stdout is all that is awaited of it; it counts
    ///     as having ended by itself then, and is killed. nil: its end is awaited.
    ///   - told: called when that is so, before it is waited for.
    func conclude(
        _ child: ledger_child, input: [UInt8], deadline: Duration,
        saysAll: (([UInt8]) -> Bool)? = nil, told: (Outcome) -> Void = { _ in }
    ) throws(LibraryError) -> Outcome {
        var child = child
        var collection = ChildOutput(child: child, bytesMax: outputBytesMax, input: input)
        let ending = collection.collect(until: ContinuousClock.now + deadline, saysAll)
        if ending == .told { told(collection.outcome(.exited(0))) }
        var status: Int32 = 0
        let reaping = unsafe ledger_reap(&child, &status)
        guard reaping == 0 else {
            throw .system(
                .cannotSpawn, "lost the end of a process", executable,
                remedy: "do not ignore SIGCHLD in the host", number: reaping)
        }
        return collection.outcome(
            status < 0 ? .killed(signal: -status) : .exited(status),
            isTimedOut: ending == .timedOut)
    }

    /// Ends a program of which nothing is wanted any more.
    func dismiss(_ child: ledger_child) {
        var child = child
        var status: Int32 = 0
        _ = unsafe ledger_reap(&child, &status)
    }

    /// The name of a signal, such as `SIGSEGV`.
    public static func name(ofSignal signal: Int32) -> String {
        switch signal {
        case SIGHUP: "SIGHUP"
        case SIGINT: "SIGINT"
        case SIGQUIT: "SIGQUIT"
        case SIGILL: "SIGILL"
        case SIGTRAP: "SIGTRAP"
        case SIGABRT: "SIGABRT"
        case SIGBUS: "SIGBUS"
        case SIGFPE: "SIGFPE"
        case SIGKILL: "SIGKILL"
        case SIGSEGV: "SIGSEGV"
        case SIGPIPE: "SIGPIPE"
        case SIGALRM: "SIGALRM"
        case SIGTERM: "SIGTERM"
        case SIGXCPU: "SIGXCPU"
        case SIGXFSZ: "SIGXFSZ"
        case SIGSYS: "SIGSYS"
        default: "signal \(signal)"
        }
    }

    /// Lends an array of C strings that ends with a null pointer.
    private static func withStrings<R>(
        _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        var copies: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) }
        unsafe copies.append(nil)
        defer {
            for index in unsafe copies.indices { unsafe free(copies[index]) }
        }
        return unsafe copies.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { preconditionFailure("it has an element") }
            return unsafe body(base)
        }
    }
}

extension ChildOutput {
    fileprivate func outcome(
        _ end: ThrowawayProcess.End, isTimedOut: Bool = false
    ) -> ThrowawayProcess.Outcome {
        ThrowawayProcess.Outcome(
            end: end, isTimedOut: isTimedOut, output: output, errors: errors, isCutOff: isCutOff)
    }
}
