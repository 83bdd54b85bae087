import Synchronization

/// The last of what has happened, for those who follow it as it happens.
///
/// Everything has a position, counted from 1. Followers read at their own pace, each from the
/// position it has come to; one that falls behind by more than is kept misses the oldest, and can
/// tell. All of them are served by one thread, which never waits for any.
final class Feed<Item: Sendable>: Sendable {
    /// An item with its place.
    struct Entry: Sendable {
        let position: UInt64
        let item: Item
    }

    /// What there is after a position.
    struct Page: Sendable {
        let entries: [Entry]
        /// How many have gone before the first one.
        let missed: UInt64
    }

    private struct State: Sendable {
        /// The entries from `first` on, then those that are no longer counted.
        var entries: [Entry?] = []
        var first = 0
        var newest: UInt64 = 0
        var sizes: [Int] = []
        var bytes = 0
        var followers: [ObjectIdentifier: FeedClient] = [:]
        var isServing = false
        var isEnded = false
        var heartbeat: Deadline?
    }

    private let state = Mutex(State())
    private let worker: WorkerThreads
    private let countMax: Int
    private let bytesMax: Int
    private let heartbeat: Duration

    /// - Parameters:
    ///   - name: what its thread is called.
    ///   - heartbeat: how often followers are reminded that they are connected.
    init(
        _ name: String, countMax: Int, bytesMax: Int, heartbeat: Duration = .seconds(15)
    ) {
        worker = WorkerThreads(name, countMax: 1)
        self.countMax = countMax
        self.bytesMax = bytesMax
        self.heartbeat = heartbeat
    }

    /// The position of the last item; 0 if there was none.
    var newest: UInt64 { state.withLock { $0.newest } }

    /// Adds an item of about so many bytes.
    func append(_ item: Item, bytes: Int) {
        state.withLock { state in
            state.newest += 1
            state.entries.append(Entry(position: state.newest, item: item))
            state.sizes.append(bytes)
            state.bytes += bytes
            while state.entries.count - state.first > countMax
                || state.bytes > bytesMax && state.entries.count - state.first > 1
            {
                state.bytes -= state.sizes[state.first]
                state.entries[state.first] = nil
                state.first += 1
            }
            if state.first > 64, state.first * 2 > state.entries.count {
                state.entries.removeFirst(state.first)
                state.sizes.removeFirst(state.first)
                state.first = 0
            }
        }
        serve()
    }

    /// What there is after a position, at most `limit`.
    func page(after position: UInt64, limit: Int) -> Page {
        state.withLock { state in
            let kept = UInt64(state.entries.count - state.first)
            let oldest = state.newest - kept + 1
            guard position < state.newest else { return Page(entries: [], missed: 0) }
            let from = max(position + 1, oldest)
            let start = state.first + Int(from - oldest)
            let end = min(state.entries.count, start + limit)
            return Page(
                entries: state.entries[start..<end].compactMap(\.self),
                missed: from - position - 1)
        }
    }

    // MARK: - Followers

    /// Sends a client what its cursor finds, from now until the client leaves.
    func attach(_ response: LiveResponse, _ cursor: any FeedCursor) {
        let follower = FeedClient(response, cursor)
        response.whenWritable { [weak self, weak follower] in
            follower?.becameWritable()
            self?.serve()
        }
        let isEnded = state.withLock { state in
            if state.isEnded { return true }
            state.followers[ObjectIdentifier(follower)] = follower
            if state.heartbeat == nil { beLater(&state) }
            return false
        }
        isEnded ? follower.end() : serve()
    }

    /// Has the followers go on, on the feed's thread.
    func serve() {
        let isNeeded = state.withLock { state in
            guard !state.followers.isEmpty, !state.isServing else { return false }
            state.isServing = true
            return true
        }
        if isNeeded { worker.run { self.serveAll() } }
    }

    /// Ends all followers once they have been sent what there is, and lets nobody follow any more.
    func end() {
        worker.finish()
        let followers = state.withLock { state in
            state.isEnded = true
            state.heartbeat = nil
            defer { state.followers = [:] }
            return Array(state.followers.values)
        }
        for follower in followers { follower.end() }
    }

    private func serveAll() {
        let followers = state.withLock { state in
            state.isServing = false
            return Array(state.followers.values)
        }
        for follower in followers where !follower.goOn() {
            state.withLock { $0.followers[ObjectIdentifier(follower)] = nil }
        }
    }

    private func beLater(_ state: inout State) {
        state.heartbeat = Deadline(after: heartbeat) { [weak self] in self?.beat() }
    }

    private func beat() {
        let followers = state.withLock { state in
            state.heartbeat = nil
            if !state.followers.isEmpty { beLater(&state) }
            return Array(state.followers.values)
        }
        for follower in followers { follower.beat() }
    }
}
