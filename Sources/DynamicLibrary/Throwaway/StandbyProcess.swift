/// A throwaway process that is started before it is known what it is to do.
///
/// To start a program can take longer than what it is started for. This one starts while what it is
/// to do is still being worked out, and reads that from its standard input. It ends when nobody
/// holds this any more and it was not told anything.
public final class StandbyProcess: Sendable {
    private let seat: ProcessSeat

    /// Starts the program; what goes wrong with that is told by `run`.
    ///
    /// - Parameter process: its deadline does not count here.
    public init(_ process: ThrowawayProcess) {
        seat = ProcessSeat(process, takesInput: true)
    }

    deinit { seat.dismiss() }

    /// Writes what the program is to do, and waits for its end; to be called once.
    ///
    /// - Parameters:
    ///   - input: all of what it reads from its standard input, which then ends.
    ///   - deadline: how long it may take from now on.
    ///   - saysAll: whether what it has written to stdout is all that is awaited of it: it counts
    ///     as having ended by itself then, and is killed without being waited for. nil: its end is
    ///     awaited.
    ///   - afterwards: called once when the program is gone, or if there is none, on a thread that
    ///     may block.
    /// - Throws: `cannotSpawn` with the system's reason.
    public nonisolated(nonsending) func run(
        input: [UInt8], deadline: Duration, saysAll: (@Sendable ([UInt8]) -> Bool)? = nil,
        afterwards: @escaping @Sendable () -> Void = {}
    ) async throws(LibraryError) -> ThrowawayProcess.Outcome {
        try await seat.run(
            input: input, deadline: deadline, saysAll: saysAll, afterwards: afterwards)
    }
}
