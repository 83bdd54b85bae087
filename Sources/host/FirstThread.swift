import Dispatch
import HostModel
import Synchronization

/// The thread that the process began with, for what has to be done there.
///
/// What a supervisor starts ends with the thread that has started it, and only this one stays when
/// the process becomes another program.
enum FirstThread {
    private static let bell = DispatchSemaphore(value: 0)
    private static let work = Mutex<(@Sendable () -> Void)?>(nil)

    /// Does what others want done here, until the process ends; on that thread.
    static func attend() -> Never {
        while true {
            bell.wait()
            let body = work.withLock { work in
                defer { work = nil }
                return work
            }
            body?()
        }
    }

    /// Has something done there, once in a process, and awaits what comes of it.
    static func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(HostError) -> Value
    ) async throws(HostError) -> Value {
        let result: Result<Value, HostError> = await withCheckedContinuation { continuation in
            work.withLock { work in
                work = {
                    do throws(HostError) {
                        continuation.resume(returning: .success(try body()))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
            }
            bell.signal()
        }
        return try result.get()
    }
}
