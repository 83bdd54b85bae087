import CPluginABI
import Glibc
import HTTPServer
import HostModel
import Synchronization
import Testing

@testable import PluginHost

/// What a plugin's `handle` is shown.
struct FakeCall: @unchecked Sendable {
    let request: UnsafePointer<ph_request>
    let response: OpaquePointer
    let http: UnsafePointer<ph_http>

    var route: Int { Int(request.pointee.route) }
    var method: String { Self.string(request.pointee.method) }
    var path: String { Self.string(request.pointee.path) }
    var body: String {
        let bytes = request.pointee.body
        return String(
            decoding: UnsafeBufferPointer(start: bytes.data, count: bytes.length), as: UTF8.self)
    }
    var parameters: [String] {
        (0..<request.pointee.parameter_count).map { Self.string(request.pointee.parameters[$0]) }
    }
    var headers: [(String, String)] {
        (0..<request.pointee.header_count).map {
            let header = request.pointee.headers[$0]
            return (Self.string(header.name), Self.string(header.value))
        }
    }

    static func string(_ text: ph_text) -> String {
        String(
            decoding: UnsafeRawBufferPointer(start: text.data, count: text.length), as: UTF8.self)
    }

    func respond(
        _ status: UInt32 = 200, _ headers: [(String, String)] = [], _ body: String = ""
    ) -> ph_status {
        Self.withHeaders(headers) { pointer, count in
            Self.withBytes(body) { http.pointee.respond(response, status, pointer, count, $0) }
        }
    }

    func begin(
        _ status: UInt32 = 200, _ headers: [(String, String)] = [], length: UInt64 = .max
    ) -> ph_status {
        Self.withHeaders(headers) { http.pointee.begin(response, status, $0, $1, length) }
    }

    func write(_ body: String) -> ph_status {
        Self.withBytes(body) { http.pointee.write(response, $0) }
    }

    func finish() -> ph_status { http.pointee.finish(response) }
    func abort() { http.pointee.abort(response) }

    static func withBytes<R>(_ text: String, _ body: (ph_bytes) -> R) -> R {
        var text = text
        return text.withUTF8 { body(ph_bytes(data: $0.baseAddress, length: $0.count)) }
    }

    static func withHeaders<R>(
        _ headers: [(String, String)], _ body: (UnsafePointer<ph_header>?, Int) -> R
    ) -> R {
        let text = headers.flatMap { Array($0.0.utf8CString) + Array($0.1.utf8CString) }
        return text.withUnsafeBufferPointer { bytes in
            var at = 0
            func take(_ string: String) -> ph_text {
                defer { at += string.utf8.count + 1 }
                return ph_text(data: bytes.baseAddress! + at, length: string.utf8.count)
            }
            let list = headers.map { ph_header(name: take($0.0), value: take($0.1)) }
            return list.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
        }
    }
}

/// A plugin whose `handle` is a closure.
final class FakePlugin: Sendable {
    let generation: Generation
    private let box: Box

    private final class Box: Sendable {
        let answer: @Sendable (FakeCall) -> ph_status
        init(_ answer: @escaping @Sendable (FakeCall) -> ph_status) { self.answer = answer }
    }

    init(
        _ name: String = "fake", number: UInt64 = 1, reactors: Int = 2,
        routes: [RouteDeclaration] = [RouteDeclaration(method: "GET", pattern: "/hello")],
        answer: @escaping @Sendable (FakeCall) -> ph_status
    ) throws {
        box = Box(answer)
        generation = Generation(
            name: try PluginName(checking: name), number: number,
            version: try #require(SemanticVersion("1.0.0")),
            tree: try RouteTree(compiling: routes), reactors: reactors,
            handle: { state, request, response in
                guard let state, let request, let response else { return ph_status(PH_FAILED) }
                let box = Unmanaged<Box>.fromOpaque(state).takeUnretainedValue()
                return box.answer(
                    FakeCall(request: request, response: response, http: PluginHTTP.table))
            },
            state: Unmanaged.passUnretained(box).toOpaque())
    }
}

/// A server on the loopback interface that serves fake plugins.
final class BridgeServer: Sendable {
    let server: HTTPServer
    let port: UInt16
    let faults = Recorder<String>()
    private let plugins: [FakePlugin]

    init(_ plugins: [FakePlugin], mounts: [Mount] = [], reactors: Int = 2) async throws {
        self.plugins = plugins
        var configuration = ServerConfiguration()
        configuration.reactorCount = reactors
        let faults = faults
        let application = PluginApplication(bodyBytesMax: 1_000) {
            faults.add("\($0.name) \($0.route): \($0.what)")
        }
        server = try HTTPServer(configuration: configuration, application: application)
        let bound = try server.listen([.ip("127.0.0.1", port: 0)])
        guard case .ip(_, let port) = bound[0] else { throw CancellationError() }
        self.port = port
        try server.start()
        await publish(
            MountTable(
                mounts: plugins.map { Mount(name: $0.generation.name, generation: $0.generation) }
                    + mounts))
    }

    func publish(_ table: MountTable) async {
        await server.forEachReactor { PluginApplication.install(table, on: $0) }
    }

    func client() -> RawClient { RawClient(port: port) }

    func stop() async {
        await server.stop(drainSeconds: 5)
        await server.forEachReactor { PluginApplication.uninstall(from: $0) }
    }
}

/// Collects what happens on other threads, and lets a test wait for it.
final class Recorder<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var waiters: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }
    private let state = Mutex(State())

    var all: [Element] { state.withLock { $0.elements } }

    func add(_ element: Element) {
        let ready = state.withLock { state in
            state.elements.append(element)
            let count = state.elements.count
            let ready = state.waiters.filter { $0.count <= count }
            state.waiters.removeAll { $0.count <= count }
            return ready
        }
        for waiter in ready { waiter.continuation.resume() }
    }

    /// Waits until there are `count` elements.
    func wait(_ count: Int = 1) async -> [Element] {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if state.elements.count >= count { return true }
                state.waiters.append((count, continuation))
                return false
            }
            if isReady { continuation.resume() }
        }
        return all
    }
}

/// Runs the closure on a thread of its own.
func onThread(_ body: @escaping @Sendable () -> Void) {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { argument in
            guard let argument else { return nil }
            Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    pthread_detach(thread)
}
