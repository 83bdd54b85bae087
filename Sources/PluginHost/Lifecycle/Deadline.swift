import Dispatch

/// Does something once when a time has passed, unless it is called off first.
///
/// A cancelled `Task.sleep` keeps its memory until its time would have come; after many short calls
/// with long deadlines that adds up. This one gives everything back at once.
final class Deadline: Sendable {
    private static let queue = DispatchQueue(label: "plugin-host.deadlines")

    // because sources are thread-safe
    private nonisolated(unsafe) let timer: any DispatchSourceTimer

    init(after duration: Duration, _ body: @escaping @Sendable () -> Void) {
        let timer = DispatchSource.makeTimerSource(queue: Self.queue)
        let (seconds, attoseconds) = duration.components
        let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        timer.schedule(deadline: .now() + .nanoseconds(Int(clamping: nanoseconds)))
        timer.setEventHandler(handler: body)
        timer.activate()
        unsafe self.timer = timer
    }

    deinit {
        unsafe timer.cancel()
    }

    func cancel() {
        unsafe timer.cancel()
    }
}
