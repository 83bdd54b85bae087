import Dispatch
import Synchronization

/// Does something once when a time has passed, unless it is called off first.
///
/// A cancelled `Task.sleep` keeps its memory until its time would have come; after many short calls
/// with long deadlines that adds up. This one gives everything back at once.
final class Deadline: Sendable {
    private let number: UInt64

    init(after duration: Duration, _ body: @escaping @Sendable () -> Void) {
        number = Alarm.shared.add(ContinuousClock.now + duration, body)
    }

    deinit { cancel() }

    func cancel() {
        Alarm.shared.remove(number)
    }

    /// Lets a time pass.
    nonisolated(nonsending) static func pause(for duration: Duration) async {
        await withCheckedContinuation { continuation in
            _ = Alarm.shared.add(ContinuousClock.now + duration) { continuation.resume() }
        }
    }
}

/// The thread that waits for the next deadline.
///
/// It is woken only for a deadline that comes before the one it sleeps to: most are called off long
/// before, and it finds out when it wakes by itself.
private final class Alarm: Sendable {
    static let shared = Alarm()

    private struct Entry {
        var time: ContinuousClock.Instant
        var body: @Sendable () -> Void
    }

    private struct State {
        var entries: [UInt64: Entry] = [:]
        var lastNumber: UInt64 = 0
        var hasThread = false
        /// nil: it sleeps until it is woken.
        var sleepsUntil: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    private let wakeUp = DispatchSemaphore(value: 0)

    func add(_ time: ContinuousClock.Instant, _ body: @escaping @Sendable () -> Void) -> UInt64 {
        let (number, needsThread, isEarlier) = state.withLock { state in
            state.lastNumber += 1
            state.entries[state.lastNumber] = Entry(time: time, body: body)
            let needsThread = !state.hasThread
            state.hasThread = true
            let isEarlier = state.sleepsUntil.map { time < $0 } ?? true
            if isEarlier { state.sleepsUntil = time }
            return (state.lastNumber, needsThread, isEarlier)
        }
        if needsThread, !OwnThread.start("deadlines", { self.run() }) {
            // Without a thread there is no deadline; the next one tries again.
            state.withLock { $0.hasThread = false }
        }
        if isEarlier { wakeUp.signal() }
        return number
    }

    func remove(_ number: UInt64) {
        _ = state.withLock { $0.entries.removeValue(forKey: number) }
    }

    private func run() {
        while true {
            let (due, next) = takeDue()
            for body in due { body() }
            if let next {
                let (seconds, attoseconds) = (next - .now).components
                let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
                _ = wakeUp.wait(timeout: .now() + .nanoseconds(Int(clamping: nanoseconds)))
            } else {
                wakeUp.wait()
            }
        }
    }

    /// What is to be done now, and when to look again.
    private func takeDue() -> ([@Sendable () -> Void], ContinuousClock.Instant?) {
        let now = ContinuousClock.now
        return state.withLock { state in
            let due = state.entries.filter { $0.value.time <= now }
            for number in due.keys { state.entries[number] = nil }
            state.sleepsUntil = state.entries.values.map(\.time).min()
            return (due.values.map(\.body), state.sleepsUntil)
        }
    }
}
