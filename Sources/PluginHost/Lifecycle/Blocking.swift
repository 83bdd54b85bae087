/// Work that waits for the disk, on threads of its own: the cooperative pool is never blocked.
enum Blocking {
    private static let threads = WorkerThreads("blocking", countMax: 16)

    nonisolated(nonsending) static func run<Value: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        try await begin(body).value().get()
    }

    /// Has some work done that nobody waits for.
    static func runSoon(_ body: @escaping @Sendable () -> Void) { threads.run(body) }

    /// Begins some work, for whoever goes on meanwhile.
    static func begin<Value: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) -> Promise<Result<Value, Failure>> {
        let promise = Promise<Result<Value, Failure>>()
        threads.run { promise.fulfil(outcome(of: body)) }
        return promise
    }

    private static func outcome<Value, Failure: Error>(
        of body: () throws(Failure) -> Value
    ) -> Result<Value, Failure> {
        do throws(Failure) {
            return .success(try body())
        } catch {
            return .failure(error)
        }
    }
}
