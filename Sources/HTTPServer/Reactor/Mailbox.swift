import CLinux
import Glibc
import HTTPWire
import Synchronization

/// What another thread asks a loop to do.
enum Message {
    /// Run the closure, one of a bounded number.
    case call(@Sendable () -> Void)
    /// Run the server's own closure.
    case control(@Sendable () -> Void)
    /// Take over an accepted socket, and speak TLS on it or not.
    case adopt(Int32, isSecure: Bool)
    /// Do something to an exchange, if it is still the one that was meant.
    case exchange(Exchange, generation: UInt32, RemoteAct)
    /// Go on with an exchange that was held while another thread ran code for it.
    case returned(Exchange, CallKind, result: Int32)
    /// Do something to a WebSocket; the bytes are those that were booked for it.
    case socket(WebSocket, SocketAct, bytes: Int)
    /// Go on with a WebSocket that was held while another thread ran code for it.
    case socketReturned(WebSocket, SocketCallKind, result: Int32)
    /// End `run()` after this turn, so that another thread can go on.
    case leave
    /// Accept no more, finish what runs, and close everything when the tick comes.
    case drain(milliseconds: UInt64)
}

/// The door into a loop: a bounded queue, and a descriptor that wakes the loop.
///
/// Only the first message after the loop has emptied the queue costs a system call. Posted closures
/// are bounded by `postedMax`; what belongs to exchanges is bounded by their number and, in bytes,
/// by `room`.
final class Mailbox: Sendable {
    private struct Contents {
        var messages: [Message] = []
        var postedCount = 0
        var isOpen = true
    }

    private let contents = Mutex(Contents())
    private let postedMax: Int
    let wakeup: Int32
    /// Bounds the bytes in the queue.
    let room: RemoteRoom

    init(postedMax: Int, bytesMax: Int) throws(ServerError) {
        let result = linux_wakeup_create()
        guard result >= 0 else { throw .kernel(Int(result), doing: "create a wake-up descriptor") }
        wakeup = result
        self.postedMax = postedMax
        room = RemoteRoom(bytesMax: bytesMax)
    }

    deinit { linux_close(wakeup) }

    /// Puts a message into the queue; false when a closure found it full, or when the loop has
    /// ended for good.
    func put(_ message: Message) -> Bool {
        var isPosted = false
        if case .call = message { isPosted = true }
        let wakes: Bool? = contents.withLock { contents in
            guard contents.isOpen, !isPosted || contents.postedCount < postedMax else { return nil }
            if isPosted { contents.postedCount += 1 }
            contents.messages.append(message)
            return contents.messages.count == 1
        }
        guard let wakes else { return false }
        if wakes { _ = linux_wakeup_signal(wakeup) }
        return true
    }

    /// Puts a closure of the server itself into the queue, also when it is full.
    func putControl(_ body: @escaping @Sendable () -> Void) -> Bool { put(.control(body)) }

    /// Takes everything out of the queue.
    func take() -> [Message] {
        _ = linux_wakeup_clear(wakeup)
        return contents.withLock { contents in
            var taken: [Message] = []
            swap(&taken, &contents.messages)
            contents.postedCount = 0
            return taken
        }
    }

    /// Takes everything out and lets nothing in any more.
    func close() -> [Message] {
        room.close()
        return contents.withLock { contents in
            contents.isOpen = false
            var taken: [Message] = []
            swap(&taken, &contents.messages)
            return taken
        }
    }
}
