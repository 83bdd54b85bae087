internal import CLedger
import Dispatch
import Glibc
import Synchronization

/// One run of a throwaway process, on a thread of its own, which is also the one whose end would
/// end the process.
final class ProcessSeat: Sendable {
    /// What the process is to do, and what is done with what comes of it.
    private struct Order: Sendable {
        var input: [UInt8]
        var deadline: Duration
        var saysAll: (@Sendable ([UInt8]) -> Bool)?
        var finish: @Sendable (Result<ThrowawayProcess.Outcome, LibraryError>) -> Void
        var afterwards: @Sendable () -> Void
    }

    private enum Stage {
        case waiting
        case ordered(Order)
        case dismissed
    }

    private let process: ThrowawayProcess
    private let takesInput: Bool
    private let stage = Mutex(Stage.waiting)
    private let word = DispatchSemaphore(value: 0)
    /// Why there is no thread; 0 if there is one.
    private let failure = Atomic<Int32>(0)

    /// Starts the process, which then waits for its input if it takes any.
    init(_ process: ThrowawayProcess, takesInput: Bool) {
        self.process = process
        self.takesInput = takesInput
        var thread = pthread_t()
        let retained = unsafe Unmanaged.passRetained(self)
        let result = unsafe pthread_create(
            &thread, nil,
            { value in
                guard let value = unsafe value else { return nil }
                unsafe Unmanaged<ProcessSeat>.fromOpaque(value).takeRetainedValue().serve()
                return nil
            }, retained.toOpaque())
        guard result == 0 else {
            unsafe retained.release()
            failure.store(result, ordering: .relaxed)
            return
        }
        pthread_detach(thread)
    }

    /// Has the process do something, once, and waits for what comes of it.
    ///
    /// - Parameters:
    ///   - saysAll: as for `ThrowawayProcess.conclude`.
    ///   - afterwards: called on the thread when the process is gone, or if there never was one.
    nonisolated(nonsending) func run(
        input: [UInt8], deadline: Duration, saysAll: (@Sendable ([UInt8]) -> Bool)? = nil,
        afterwards: @escaping @Sendable () -> Void = {}
    ) async throws(LibraryError) -> ThrowawayProcess.Outcome {
        let number = failure.load(ordering: .relaxed)
        guard number == 0 else {
            afterwards()
            throw .system(
                .cannotSpawn, "cannot start a thread for a process", process.executable,
                remedy: "check the limit of threads", number: number)
        }
        let result = await withCheckedContinuation { continuation in
            let order = Order(
                input: input, deadline: deadline, saysAll: saysAll,
                finish: { continuation.resume(returning: $0) }, afterwards: afterwards)
            let isFirst = settle(.ordered(order))
            precondition(isFirst, "a process is told once what it is to do")
        }
        return try result.get()
    }

    /// Ends the process, unless it has been told to do something.
    func dismiss() { _ = settle(.dismissed) }

    private func settle(_ next: Stage) -> Bool {
        let isFirst = stage.withLock { stage in
            guard case .waiting = stage else { return false }
            stage = next
            return true
        }
        if isFirst { word.signal() }
        return isFirst
    }

    // MARK: - On its thread

    private func serve() {
        let started = start()
        word.wait()
        guard case .ordered(let order) = stage.withLock({ $0 }) else {
            if case .success(let child) = started { process.dismiss(child) }
            return
        }
        // The caller holds what it is handed no longer than this.
        stage.withLock { $0 = .dismissed }
        switch started {
        case .failure(let error): order.finish(.failure(error))
        case .success(let child): conclude(child, order)
        }
        order.afterwards()
    }

    private func start() -> Result<ledger_child, LibraryError> {
        do throws(LibraryError) {
            return .success(try process.start(takesInput: takesInput))
        } catch {
            return .failure(error)
        }
    }

    private func conclude(_ child: ledger_child, _ order: Order) {
        var isTold = false
        let result: Result<ThrowawayProcess.Outcome, LibraryError>
        do throws(LibraryError) {
            result = .success(
                try process.conclude(
                    child, input: order.input, deadline: order.deadline, saysAll: order.saysAll
                ) {
                    isTold = true
                    order.finish(.success($0))
                })
        } catch {
            result = .failure(error)
        }
        if !isTold { order.finish(result) }
    }
}
