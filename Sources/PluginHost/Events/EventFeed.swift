import HostModel
import Synchronization

/// What has happened lately and happens now, for those who follow it from outside: the journal of
/// the host's events, and the last of all events.
final class EventFeed: Sendable {
    private static let keptCount = 4_096
    private static let keptBytes = 8 << 20

    let bus: EventBus
    let journal: Journal
    private let feed: Feed<Event>
    /// The thread on which events come from the bus.
    private let worker = WorkerThreads("event-tap", countMax: 1)
    private let isTapped = Atomic<Bool>(false)

    init(bus: EventBus, journal: Journal, heartbeat: Duration = .seconds(15)) {
        self.bus = bus
        self.journal = journal
        feed = Feed(
            "events", countMax: Self.keptCount, bytesMax: Self.keptBytes, heartbeat: heartbeat)
    }

    /// Begins to keep what happens, which nobody needs before somebody follows.
    func tap() {
        guard !isTapped.exchange(true, ordering: .acquiringAndReleasing) else { return }
        var shape = EventQueue.Shape()
        shape.countMax = Self.keptCount
        let lane = EventLane { [worker] job in
            worker.run(job)
            return true
        }
        bus.subscribe(
            shape, to: .everything,
            consumer: EventConsumer(lane: lane) { [feed] event, isOld in
                if !isOld { feed.append(event, bytes: event.data.count + 256) }
                return .taken
            })
    }

    /// Sends a client what it wants to know, from now on or from where it was.
    func follow(_ response: LiveResponse, _ wish: EventWishes) {
        tap()
        feed.attach(response, EventCursor(wish, feed, journal, at: bus.journaled))
    }

    /// Ends all that goes on, because the host stops; what has been published before is told.
    func end() {
        worker.finish()
        feed.end()
    }
}
