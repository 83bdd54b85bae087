import Foundation
import Glibc

/// Runs a piece of work on a thread that ends with it, so that the destructors of its thread-local
/// data have run when this returns.
enum OwnThread {
    private final class Work {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    static func run(_ body: () throws -> Void) throws {
        try withoutActuallyEscaping(body) { body in
            var failure: (any Error)?
            let work = Work {
                do { try body() } catch { failure = error }
            }
            var thread = pthread_t()
            let context = Unmanaged.passUnretained(work).toOpaque()
            let code = pthread_create(
                &thread, nil,
                { context in
                    guard let context else { return nil }
                    Unmanaged<Work>.fromOpaque(context).takeUnretainedValue().body()
                    return nil
                }, context)
            guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EAGAIN) }
            pthread_join(thread, nil)
            withExtendedLifetime(work) {}
            if let failure { throw failure }
        }
    }

    /// How many threads the process has.
    static var count: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0
    }
}
