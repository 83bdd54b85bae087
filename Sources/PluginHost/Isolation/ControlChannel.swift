import CLinux
import Dispatch
import Glibc
import HostModel
import Synchronization

/// One end of the socket between the engine and a worker, over which both ask each other for
/// things.
///
/// A thread of its own reads; it never waits for anything else, so that answers always get
/// through. Whoever sends does not wait for the other side to read: what the kernel does not take
/// waits here, up to a limit beyond which the other side counts as dead.
final class ControlChannel: Sendable {
    /// What came back, or why nothing did.
    typealias Answer = Result<Content, HostError>

    struct Content: Sendable {
        var json: JSONValue
        var bytes: [UInt8]
    }

    /// Something that the other side wants.
    struct Request: Sendable {
        /// What it is about.
        let topic: String
        let json: JSONValue
        let bytes: [UInt8]
        fileprivate let number: UInt64
        fileprivate let channel: ControlChannel

        /// Answers, once; a notice needs no answer and takes none.
        func reply(_ json: JSONValue = [:], _ bytes: [UInt8] = []) {
            guard number > 0 else { return }
            channel.send(ControlFrame(.reply, number, json, bytes))
        }

        func refuse(_ error: HostError) {
            guard number > 0 else { return }
            channel.send(ControlFrame(.refusal, number, error.json, []))
        }
    }

    private struct State {
        /// What the kernel has not taken yet, from `sent` on.
        var output: [UInt8] = []
        var sent = 0
        var waiters: [UInt64: @Sendable (Answer) -> Void] = [:]
        var lastNumber: UInt64 = 0
        var isOver = false
    }

    /// The most octets that wait to be sent.
    private static let outputBytesMax = 2 * ControlFrame.bytesMax
    /// The most octets that wait when a notice, which can be done without, is sent.
    private static let noticeBytesMax = 1 << 20
    private static let topicKey = "topic"

    private let descriptor: Int32
    private let wakeup: Int32
    private let state = Mutex(State())

    /// Takes over one end of a stream socket.
    ///
    /// - Throws: `system_call_failed`; the socket is closed.
    init(owning descriptor: Int32) throws(HostError) {
        wakeup = linux_wakeup_create()
        self.descriptor = descriptor
        guard wakeup >= 0 else {
            throw .system("a worker's channel could not be made", subject: "", errno: -wakeup)
        }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit {
        _ = linux_close(descriptor)
        if wakeup >= 0 { _ = linux_close(wakeup) }
    }

    /// Begins to read.
    ///
    /// - Parameters:
    ///   - name: what the thread is called; the first 15 bytes are kept.
    ///   - receive: called on the channel's thread with each request; must not wait.
    ///   - ended: called there once when the other side is gone.
    /// - Throws: `no_thread`.
    func start(
        _ name: String, receive: @escaping @Sendable (Request) -> Void,
        ended: @escaping @Sendable () -> Void
    ) throws(HostError) {
        let name = String(name.utf8.prefix(15)) ?? "worker"
        guard OwnThread.start(name, { self.run(receive, ended) }) else {
            throw HostError(
                "no_thread", what: "a worker's channel has no thread to be read on", subject: "",
                why: "the kernel gave none",
                fix: "raise the limit of threads (ulimit -u, TasksMax=, pids.max)")
        }
    }

    /// Hangs up: the other side finds out, and so does `ended`.
    func end() {
        _ = shutdown(descriptor, Int32(SHUT_RDWR))
    }

    // MARK: - Asking

    /// Asks for something; `then` is called once, on the channel's thread or, if the channel is
    /// over, on this one.
    func request(
        _ topic: String, _ json: JSONObject = [:], _ bytes: [UInt8] = [],
        then: @escaping @Sendable (Answer) -> Void
    ) {
        let number: UInt64? = state.withLock { state in
            guard !state.isOver else { return nil }
            state.lastNumber += 1
            state.waiters[state.lastNumber] = then
            return state.lastNumber
        }
        guard let number else { return then(.failure(Self.gone)) }
        send(ControlFrame(.request, number, Self.named(topic, json), bytes))
    }

    /// Asks for something and awaits the answer.
    ///
    /// - Throws: what the other side throws, `worker_gone`, or `worker_silent` when none came in
    ///   time.
    nonisolated(nonsending) func ask(
        _ topic: String, _ json: JSONObject = [:], _ bytes: [UInt8] = [], within seconds: Int
    ) async throws(HostError) -> Content {
        let answer: Answer = await withCheckedContinuation { continuation in
            request(topic, json, bytes, within: .seconds(seconds)) {
                continuation.resume(returning: $0)
            }
        }
        return try answer.get()
    }

    /// Asks for something and gives up after a while: then `then` is called with `worker_silent`,
    /// where deadlines are watched, and must not wait.
    ///
    /// - Parameter late: called in its stead with what came after that.
    func request(
        _ topic: String, _ json: JSONObject = [:], _ bytes: [UInt8] = [], within time: Duration,
        late: @escaping @Sendable (Answer) -> Void = { _ in },
        then: @escaping @Sendable (Answer) -> Void
    ) {
        let once = Once()
        let deadline = Deadline(after: time) {
            if once.take() { then(.failure(Self.silent(topic, time))) }
        }
        request(topic, json, bytes) { answer in
            deadline.cancel()
            if once.take() { then(answer) } else { late(answer) }
        }
    }

    /// Asks for something and waits, on a thread that may.
    func wait(_ topic: String, _ json: JSONObject = [:], _ bytes: [UInt8] = []) -> Answer {
        let result = Awaited()
        request(topic, json, bytes) { result.put($0) }
        return result.take()
    }

    /// Asks for something and waits for no longer than that; see `request`.
    func wait(
        _ topic: String, _ json: JSONObject, _ bytes: [UInt8], within time: Duration,
        late: @escaping @Sendable (Answer) -> Void = { _ in }
    ) -> Answer {
        let result = Awaited()
        request(topic, json, bytes, within: time, late: late) { result.put($0) }
        return result.take()
    }

    /// An answer that a thread waits for.
    private final class Awaited: Sendable {
        private let done = DispatchSemaphore(value: 0)
        private let answer = Mutex<Answer?>(nil)

        func put(_ answer: Answer) {
            self.answer.withLock { $0 = answer }
            done.signal()
        }

        func take() -> Answer {
            done.wait()
            return answer.withLock { $0 } ?? .failure(ControlChannel.gone)
        }
    }

    /// Tells something that wants no answer, and that is dropped if the other side does not read.
    @discardableResult
    func tell(_ topic: String, _ json: JSONObject = [:], _ bytes: [UInt8] = []) -> Bool {
        send(
            ControlFrame(.notice, 0, Self.named(topic, json), bytes),
            waitingMax: Self.noticeBytesMax)
    }

    private static func named(_ topic: String, _ json: JSONObject) -> JSONValue {
        var json = json
        json[topicKey] = .string(topic)
        return .object(json)
    }

    static let gone = HostError(
        "worker_gone", what: "the process has ended", why: "its end of the channel is closed")

    /// The code of the error that stands for an answer that did not come in time.
    static let silentCode: HostError.Code = "worker_silent"

    private static func silent(_ topic: String, _ time: Duration) -> HostError {
        HostError(
            silentCode, what: "the process did not answer",
            why: "\(topic) did not come back within \(time.components.seconds) s")
    }

    /// Lets the first one through.
    private final class Once: Sendable {
        private let isTaken = Atomic(false)

        func take() -> Bool { !isTaken.exchange(true, ordering: .acquiringAndReleasing) }
    }

    // MARK: - Sending

    @discardableResult
    private func send(_ frame: ControlFrame, waitingMax: Int = outputBytesMax) -> Bool {
        let octets = frame.encoded
        let (isTaken, wakes) = state.withLock { state -> (Bool, Bool) in
            guard !state.isOver else { return (false, false) }
            let waiting = state.output.count - state.sent
            guard waiting == 0 else {
                guard waiting + octets.count <= waitingMax else { return (false, false) }
                state.output += octets
                return (true, false)
            }
            let count = put(octets[...])
            if count == octets.count { return (true, false) }
            state.output = Array(octets[count...])
            state.sent = 0
            return (true, true)
        }
        if wakes { _ = linux_wakeup_signal(wakeup) }
        // Whoever does not read for so long will not do so any more.
        if !isTaken, waitingMax == Self.outputBytesMax { end() }
        return isTaken
    }

    /// Hands octets to the kernel and returns how many it took.
    private func put(_ octets: ArraySlice<UInt8>) -> Int {
        unsafe octets.withUnsafeBytes { bytes in
            var count = 0
            while count < bytes.count {
                let sent = unsafe Glibc.send(
                    descriptor, bytes.baseAddress.map { unsafe $0 + count }, bytes.count - count,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
                if sent < 0 {
                    if errno == EINTR { continue }
                    break
                }
                count += sent
            }
            return count
        }
    }

    /// Sends more of what waits; whether there is more left.
    private func flush() -> Bool {
        state.withLock { state in
            guard state.sent < state.output.count else { return false }
            state.sent += put(state.output[state.sent...])
            if state.sent < state.output.count { return true }
            state.output = []
            state.sent = 0
            return false
        }
    }

    // MARK: - Reading

    private func run(
        _ receive: @Sendable (Request) -> Void, _ ended: @Sendable () -> Void
    ) {
        var input: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        var hasOutput = flush()
        reading: while true {
            let events = Int16(POLLIN) | (hasOutput ? Int16(POLLOUT) : 0)
            var watched = [
                pollfd(fd: descriptor, events: events, revents: 0),
                pollfd(fd: wakeup, events: Int16(POLLIN), revents: 0),
            ]
            if unsafe poll(&watched, 2, -1) < 0 {
                if errno == EINTR { continue }
                break
            }
            if watched[1].revents != 0 { _ = linux_wakeup_clear(wakeup) }
            hasOutput = flush()
            guard watched[0].revents & ~Int16(POLLOUT) != 0 else { continue }
            while true {
                let count = unsafe recv(
                    descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
                if count > 0 {
                    input += chunk[..<count]
                    if count < chunk.count { break }
                } else if count < 0, errno == EINTR {
                    continue
                } else if count < 0, errno == EAGAIN {
                    break
                } else {
                    break reading
                }
            }
            guard take(&input, receive) else { break }
        }
        finish()
        ended()
    }

    /// Takes the whole frames at the beginning; false when something else is there.
    private func take(
        _ input: inout [UInt8], _ receive: @Sendable (Request) -> Void
    ) -> Bool {
        var at = 0
        defer { input.removeFirst(at) }
        while input.count - at >= ControlFrame.lengthBytes {
            let length = ControlFrame.length(input[at...])
            guard length <= ControlFrame.bytesMax else { return false }
            let start = at + ControlFrame.lengthBytes
            guard input.count - start >= length else { return true }
            guard let frame = ControlFrame(decoding: input[start..<(start + length)]) else {
                return false
            }
            at = start + length
            take(frame, receive)
        }
        return true
    }

    private func take(_ frame: ControlFrame, _ receive: @Sendable (Request) -> Void) {
        switch frame.kind {
        case .request, .notice:
            receive(
                Request(
                    topic: frame.json[Self.topicKey]?.string ?? "", json: frame.json,
                    bytes: frame.bytes, number: frame.kind == .notice ? 0 : frame.number,
                    channel: self))
        case .reply:
            waiter(frame.number)?(.success(Content(json: frame.json, bytes: frame.bytes)))
        case .refusal:
            waiter(frame.number)?(.failure((try? HostError(json: frame.json)) ?? Self.gone))
        }
    }

    private func waiter(_ number: UInt64) -> (@Sendable (Answer) -> Void)? {
        state.withLock { $0.waiters.removeValue(forKey: number) }
    }

    private func finish() {
        let waiters = state.withLock { state in
            state.isOver = true
            state.output = []
            state.sent = 0
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        _ = shutdown(descriptor, Int32(SHUT_RDWR))
        for waiter in waiters { waiter(.failure(Self.gone)) }
    }
}
