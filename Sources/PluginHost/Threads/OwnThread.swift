import CLinux
import Glibc
import HostModel

/// A thread of the host's own that runs one closure from its beginning to its end.
enum OwnThread {
    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts a thread that nobody waits for.
    ///
    /// - Parameter name: at most 15 bytes, which is what the kernel keeps.
    /// - Returns: false when the kernel gives no thread; `errno` is set then.
    static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
        let start = unsafe Unmanaged.passRetained(Start(name, body))
        var thread = pthread_t()
        let failure = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                unsafe linux_name_thread(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        guard failure == 0 else {
            unsafe start.release()
            errno = failure
            return false
        }
        pthread_detach(thread)
        return true
    }
}
