import Synchronization

/// Finds what a client that follows a feed is to be sent next.
protocol FeedCursor: Sendable {
    /// What is sent first, so that the client knows at once that it is connected.
    var greeting: String { get }

    /// What is new and has not been sent, as server-sent events; empty if there is nothing. On the
    /// feed's thread.
    mutating func next() -> String
}

extension FeedCursor {
    /// How many items are looked at in one go.
    static var pageCount: Int { 64 }
    /// After how many bytes of text a client gets what has been found.
    static var pageBytes: Int { 256 << 10 }

    /// What tells a client that it has missed something.
    static func gap(_ why: String) -> String {
        "event: gap\ndata: \"\(why)\"\n\n"
    }
}

/// One client that follows a feed, at its own pace.
///
/// `@unchecked Sendable` because only the feed's thread has the cursor move on.
final class FeedClient: @unchecked Sendable {
    private let response: LiveResponse
    private let mayWrite = Atomic<Bool>(true)
    private var cursor: any FeedCursor
    /// What is to be sent before anything else.
    private var unsent: String

    init(_ response: LiveResponse, _ cursor: any FeedCursor) {
        self.response = response
        self.cursor = cursor
        unsent = cursor.greeting
    }

    /// Says that there is room again; on any thread.
    func becameWritable() { mayWrite.store(true, ordering: .releasing) }

    /// Says that the connection is alive; on any thread.
    func beat() { _ = response.write(":\n\n") }

    /// Says that there will be nothing more; on any thread.
    func end() { response.finish() }

    /// Sends what is new, as far as there is room; on the feed's thread.
    ///
    /// - Returns: false when the client follows no longer.
    func goOn() -> Bool {
        while mayWrite.exchange(false, ordering: .acquiringAndReleasing) {
            if unsent.isEmpty { unsent = cursor.next() }
            if unsent.isEmpty {
                becameWritable()
                return !response.isOver
            }
            switch response.write(unsent) {
            case .sent:
                unsent = ""
                becameWritable()
            case .sentAsLast: unsent = ""
            case .refused: return true
            case .closed: return false
            }
        }
        return !response.isOver
    }
}
