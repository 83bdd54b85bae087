import Foundation
import Glibc
import HTTPServer
import HTTPWire
import Synchronization

/// An application made of closures, one a path, that counts how exchanges end.
final class TestApplication: Application, @unchecked Sendable {
    typealias Handler = @Sendable (Exchange) -> Void

    struct Route: Sendable {
        var disposition: Disposition
        var handler: Handler
    }

    let routes: [String: Route]
    let routed = Atomic<Int>(0)
    let handled = Atomic<Int>(0)
    let endedCount = Atomic<Int>(0)
    /// The threads that have lost their loop, oldest first.
    let lostThreads = Mutex<[Int32]>([])
    private let onRouted: (@Sendable (Exchange) -> Void)?
    private let onEnded: (@Sendable (Exchange) -> Void)?
    private let onReport: (@Sendable (ExchangeReport) -> Void)?

    init(
        _ routes: [String: Route], onRouted: (@Sendable (Exchange) -> Void)? = nil,
        onEnded: (@Sendable (Exchange) -> Void)? = nil,
        onReport: (@Sendable (ExchangeReport) -> Void)? = nil
    ) {
        self.routes = routes
        self.onReport = onReport
        self.onRouted = onRouted
        self.onEnded = onEnded
    }

    override func route(_ exchange: Exchange) -> Disposition {
        guard let route = routes[String(decoding: exchange.path)] else {
            exchange.answer(404, "no \(exchange.path)")
            return .responded
        }
        routed.add(1, ordering: .relaxed)
        if case .responded = route.disposition {
            route.handler(exchange)
        } else {
            onRouted?(exchange)
        }
        return route.disposition
    }

    override func handle(_ exchange: Exchange) {
        handled.add(1, ordering: .relaxed)
        routes[String(decoding: exchange.path)]?.handler(exchange)
    }

    override func overran(_ exchange: Exchange, _ kind: CallKind, thread: Int32) {
        lostThreads.withLock { $0.append(thread) }
    }

    override func returned(_ exchange: Exchange, _ kind: CallKind, result: Int32) {
        if kind == .body { exchange.resumeBody() }
    }

    override func returned(_ socket: WebSocket, _ kind: SocketCallKind, result: Int32) {
        if kind == .message { socket.resume() }
    }

    override func ended(_ exchange: Exchange) {
        endedCount.add(1, ordering: .relaxed)
        onEnded?(exchange)
    }

    override func report(_ report: ExchangeReport) { onReport?(report) }
}

extension TestApplication.Route {
    static func buffered(
        _ bodyBytesMax: Int = 1 << 20, _ handler: @escaping TestApplication.Handler
    ) -> Self { Self(disposition: .buffered(bodyBytesMax: bodyBytesMax), handler: handler) }

    static func streamed(_ handler: @escaping TestApplication.Handler) -> Self {
        Self(disposition: .streamed, handler: handler)
    }

    static func responded(_ handler: @escaping TestApplication.Handler) -> Self {
        Self(disposition: .responded, handler: handler)
    }

    static let hello = buffered { $0.answer(200, "hello") }
    static let echo = buffered { exchange in
        exchange.answer(200, String(decoding: exchange.body, as: UTF8.self))
    }
}

/// Calls `body` with fields that borrow the given texts.
func withFields<R>(
    _ fields: [(String, String)], _ body: (UnsafeBufferPointer<HeaderField>) -> R
) -> R {
    var bytes: [UInt8] = []
    for (name, value) in fields { bytes += Array(name.utf8) + Array(value.utf8) }
    return bytes.withUnsafeBytes { all in
        var offset = 0
        func slice(_ count: Int) -> ByteSlice {
            defer { offset += count }
            return ByteSlice(UnsafeRawBufferPointer(rebasing: all[offset..<(offset + count)]))
        }
        let table = fields.map {
            HeaderField(name: slice($0.0.utf8.count), value: slice($0.1.utf8.count))
        }
        return table.withUnsafeBufferPointer(body)
    }
}

extension Exchange {
    @discardableResult
    func answer(_ status: UInt16, _ text: String, _ fields: [(String, String)] = [])
        -> ResponseResult
    {
        withFields(fields) { fields in
            Array(text.utf8).withUnsafeBytes { respond(status: status, fields: fields, body: $0) }
        }
    }

    @discardableResult
    func start(_ status: UInt16 = 200, contentLength: UInt64? = nil) -> ResponseResult {
        withFields([]) { begin(status: status, fields: $0, contentLength: contentLength) }
    }

    @discardableResult
    func put(_ text: String) -> ResponseResult {
        Array(text.utf8).withUnsafeBytes { write($0) }
    }
}

extension RemoteExchange {
    @discardableResult
    func answer(_ status: UInt16, _ text: String, _ fields: [(String, String)] = [])
        -> ResponseResult
    {
        withFields(fields) { fields in
            Array(text.utf8).withUnsafeBytes { respond(status: status, fields: fields, body: $0) }
        }
    }

    @discardableResult
    func start(_ status: UInt16 = 200, contentLength: UInt64? = nil) -> ResponseResult {
        withFields([]) { begin(status: status, fields: $0, contentLength: contentLength) }
    }

    @discardableResult
    func put(_ text: String) -> ResponseResult {
        Array(text.utf8).withUnsafeBytes { write($0) }
    }
}

/// A running server on a free port of 127.0.0.1.
final class TestServer: Sendable {
    let server: HTTPServer
    let application: TestApplication
    let port: UInt16

    init(
        _ routes: [String: TestApplication.Route], reactors: Int = 1,
        onRouted: (@Sendable (Exchange) -> Void)? = nil,
        onEnded: (@Sendable (Exchange) -> Void)? = nil,
        onReport: (@Sendable (ExchangeReport) -> Void)? = nil,
        certificates: TLSCertificates? = nil,
        configure: (inout ServerConfiguration) -> Void = { _ in }
    ) throws {
        var configuration = ServerConfiguration()
        configuration.reactorCount = reactors
        configure(&configuration)
        application = TestApplication(
            routes, onRouted: onRouted, onEnded: onEnded, onReport: onReport)
        server = try HTTPServer(configuration: configuration, application: application)
        guard case .ip(_, let port)? = try server.listen([.ip("127.0.0.1", port: 0)]).first else {
            throw TestClient.Failure(description: "no address")
        }
        self.port = port
        if let certificates { server.secure([0], by: certificates) }
        try server.start()
    }

    func client(receiveBufferBytes: Int32 = 0) throws -> TestClient {
        try TestClient(port: port, receiveBufferBytes: receiveBufferBytes)
    }

    /// The most memory that the reactors' buffers have taken up so far.
    func peakBufferBytes() async -> Int {
        let total = Counter()
        await server.forEachReactor { total.increment(by: $0.bufferBytesPeak) }
        return total.value
    }

    /// Waits until the reactors have done what they were told so far.
    ///
    /// Twice, because what a loop is asked to do comes before what its last turn has left to do.
    func settle() async {
        await server.forEachReactor { _ in }
        await server.forEachReactor { _ in }
    }

    func stop() async { await server.stop(drainSeconds: 60) }
}

/// Runs blocking test code without keeping a thread of the cooperative pool from everyone else.
func onOwnThread<R>(_ body: () async throws -> R) async rethrows -> R {
    try await withTaskExecutorPreference(OwnThread(), operation: body)
}

private final class OwnThread: TaskExecutor {
    private let queue = DispatchQueue(label: "test")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// A change of the configuration, for `withServer`.
func setting(
    _ change: @escaping (inout ServerConfiguration) -> Void
) -> (inout ServerConfiguration) -> Void { change }

/// Runs a test against a server and stops it afterwards.
func withServer(
    _ routes: [String: TestApplication.Route], reactors: Int = 1,
    onEnded: (@Sendable (Exchange) -> Void)? = nil,
    onReport: (@Sendable (ExchangeReport) -> Void)? = nil,
    certificates: TLSCertificates? = nil,
    configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (TestServer) async throws -> Void
) async throws {
    let server = try TestServer(
        routes, reactors: reactors, onEnded: onEnded, onReport: onReport,
        certificates: certificates, configure: configure)
    do {
        try await onOwnThread { try await body(server) }
    } catch {
        await server.stop()
        throw error
    }
    await server.stop()
}

/// An event that something on another thread has happened.
final class Signal: Sendable {
    private struct State {
        var isSet = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())

    var isSet: Bool { state.withLock { $0.isSet } }

    func set() {
        let waiters = state.withLock { state in
            state.isSet = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isSet = state.withLock { state in
                if !state.isSet { state.waiters.append(continuation) }
                return state.isSet
            }
            if isSet { continuation.resume() }
        }
    }
}

/// A count that several threads keep.
final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    var value: Int { count.load(ordering: .relaxed) }

    func increment(by step: Int = 1) { count.add(step, ordering: .relaxed) }
}

/// Runs the closure on a thread of its own.
func elsewhere(_ body: @escaping @Sendable () -> Void) {
    Thread.detachNewThread(body)
}

/// Blocking work on a thread of its own, to be waited for.
final class Background: Sendable {
    private let isDone = Signal()
    private let failure = Mutex<(any Error)?>(nil)

    init(_ body: @escaping @Sendable () throws -> Void) {
        elsewhere {
            do { try body() } catch { self.failure.withLock { $0 = error } }
            self.isDone.set()
        }
    }

    var hasEnded: Bool { isDone.isSet }

    var value: Void {
        get async throws {
            await isDone.wait()
            if let error = failure.withLock({ $0 }) { throw error }
        }
    }
}
