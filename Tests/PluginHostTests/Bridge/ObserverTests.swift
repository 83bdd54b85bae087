import CPluginABI
import Glibc
import HTTPServer
import HostModel
import Synchronization
import Testing

@testable import PluginHost

/// An observer whose functions are closures; lives until it is released by hand.
final class FakeObserver: Sendable {
    let onBody: @Sendable (String, Bool) -> ph_status
    let onWritable: @Sendable () -> Void
    let onClosed: @Sendable (ph_status) -> Void
    let onDraining: @Sendable () -> Void

    init(
        onBody: @escaping @Sendable (String, Bool) -> ph_status = { _, _ in ph_status(PH_OK) },
        onWritable: @escaping @Sendable () -> Void = {},
        onClosed: @escaping @Sendable (ph_status) -> Void = { _ in },
        onDraining: @escaping @Sendable () -> Void = {}
    ) {
        self.onBody = onBody
        self.onWritable = onWritable
        self.onClosed = onClosed
        self.onDraining = onDraining
    }

    private static func of(_ context: UnsafeMutableRawPointer?) -> FakeObserver? {
        context.map { Unmanaged<FakeObserver>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Sets this observer; the caller keeps it alive.
    func observe(_ call: FakeCall) -> ph_status {
        var observer = ph_observer()
        observer.size = UInt32(MemoryLayout<ph_observer>.size)
        observer.context = Unmanaged.passUnretained(self).toOpaque()
        observer.on_body = { context, piece, last in
            let text = String(
                decoding: UnsafeBufferPointer(start: piece.data, count: piece.length),
                as: UTF8.self)
            return FakeObserver.of(context)?.onBody(text, last == 1) ?? ph_status(PH_FAILED)
        }
        observer.on_writable = { FakeObserver.of($0)?.onWritable() }
        observer.on_closed = { FakeObserver.of($0)?.onClosed($1) }
        return call.http.pointee.observe(call.response, &observer)
    }

    /// Has it told of draining as well.
    func observeDraining(_ call: FakeCall) -> ph_status {
        call.http.pointee.observe_draining(call.response) { FakeObserver.of($0)?.onDraining() }
    }
}

@Suite struct ObserverTests {
    private let upload = [
        RouteDeclaration(
            method: "POST", pattern: "/upload", flags: UInt32(PH_ROUTE_STREAM_BODY))
    ]

    private static let chunkedHead =
        "POST /plugin/fake/api/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    @Test func streamedBody_comesInPieces_andTheResponseAfterIt() async throws {
        let received = Mutex("")
        let observers = Mutex<[FakeObserver]>([])
        let plugin = try FakePlugin(routes: upload) { call in
            #expect(call.body.isEmpty)
            #expect(call.request.pointee.content_length == .max)
            let observer = FakeObserver(onBody: { text, isLast in
                received.withLock { $0 += text }
                if isLast { _ = call.respond(200, [], received.withLock { $0 }) }
                return ph_status(PH_OK)
            })
            observers.withLock { $0.append(observer) }
            #expect(observer.observe(call) == ph_status(PH_OK))
            #expect(observer.observe(call) == ph_status(PH_WRONG_STATE))
            return ph_status(PH_PENDING)
        }
        let host = try await BridgeServer([plugin])
        let client = host.client()
        client.send(
            Self.chunkedHead
        )
        for piece in ["3\r\nabc\r\n", "2\r\nde\r\n", "0\r\n\r\n"] { client.send(piece) }
        #expect(client.read().text == "abcde")
        client.close()
        await host.stop()
        #expect(plugin.generation.inFlight == 0)
    }

    @Test func pausedBody_waitsForResumeBody_fromAnotherThread() async throws {
        let pieces = Recorder<String>()
        let observers = Mutex<[FakeObserver]>([])
        let plugin = try FakePlugin(routes: upload) { call in
            let observer = FakeObserver(onBody: { text, isLast in
                pieces.add(text)
                if isLast {
                    _ = call.respond(200, [], "\(pieces.all.joined().utf8.count)")
                    return ph_status(PH_OK)
                }
                onThread {
                    #expect(call.http.pointee.resume_body(call.response) == ph_status(PH_OK))
                }
                return ph_status(PH_PAUSE)
            })
            observers.withLock { $0.append(observer) }
            _ = observer.observe(call)
            return ph_status(PH_PENDING)
        }
        let host = try await BridgeServer([plugin])
        let body = String(repeating: "x", count: 500_000)
        #expect(host.client().call("POST", "/plugin/fake/api/upload", body: body).text == "500000")
        #expect(pieces.all.count > 1)
        await host.stop()
    }

    @Test func bodyThatThePluginRefuses_cutsTheConnection_andOnClosedFollows() async throws {
        let reasons = Recorder<ph_status>()
        let observers = Mutex<[FakeObserver]>([])
        let plugin = try FakePlugin(routes: upload) { call in
            let observer = FakeObserver(
                onBody: { _, _ in ph_status(PH_FAILED) },
                onClosed: { reason in
                    reasons.add(reason)
                    call.abort()
                })
            observers.withLock { $0.append(observer) }
            _ = observer.observe(call)
            return ph_status(PH_PENDING)
        }
        let host = try await BridgeServer([plugin])
        let response = host.client().call("POST", "/plugin/fake/api/upload", body: "abc")
        #expect(!response.isWhole)
        #expect(await reasons.wait().count == 1)
        await host.stop()
        #expect(plugin.generation.inFlight == 0)
    }

    @Test func streamedBody_overTheRoutesLimit_isRefused_declaredOrNot() async throws {
        let reasons = Recorder<ph_status>()
        let observers = Mutex<[FakeObserver]>([])
        var route = upload[0]
        route.bodyBytesMax = 5
        let plugin = try FakePlugin(routes: [route]) { call in
            let observer = FakeObserver(
                onClosed: { reason in
                    reasons.add(reason)
                    call.abort()
                })
            observers.withLock { $0.append(observer) }
            _ = observer.observe(call)
            return ph_status(PH_PENDING)
        }
        let host = try await BridgeServer([plugin])
        #expect(host.client().call("POST", "/plugin/fake/api/upload", body: "123456").status == 413)
        let client = host.client()
        client.send(
            Self.chunkedHead + "6\r\n123456\r\n"
        )
        #expect(!client.read().isWhole)
        _ = await reasons.wait()
        await host.stop()
        #expect(plugin.generation.inFlight == 0)
        #expect(plugin.generation.requests == 1)
    }

    @Test func clientThatLeaves_isTold_andTheResponseStillOwed() async throws {
        let calls = Recorder<FakeCall>()
        let reasons = Recorder<ph_status>()
        let observers = Mutex<[FakeObserver]>([])
        let plugin = try FakePlugin { call in
            let observer = FakeObserver(onClosed: { reasons.add($0) })
            observers.withLock { $0.append(observer) }
            _ = observer.observe(call)
            calls.add(call)
            return ph_status(PH_PENDING)
        }
        let host = try await BridgeServer([plugin])
        let client = host.client()
        client.send("GET /plugin/fake/api/hello HTTP/1.1\r\nHost: x\r\n\r\n")
        let call = await calls.wait()[0]
        client.reset()
        #expect(await reasons.wait() == [ph_status(PH_CLOSED)])
        #expect(plugin.generation.inFlight == 1)
        #expect(call.path == "/hello")
        #expect(call.respond(200, [], "too late") == ph_status(PH_CLOSED))
        await host.stop()
        #expect(plugin.generation.inFlight == 0)
    }

    @Test func stream_isToldThatItsGenerationDrains_whereItHasAskedForThat() async throws {
        let calls = Recorder<FakeCall>()
        let told = Recorder<UInt64>()
        let observers = Mutex<[FakeObserver]>([])
        func plugin(_ name: String, _ number: UInt64, asks: Bool) throws -> FakePlugin {
            try FakePlugin(name, number: number) { call in
                let observer = FakeObserver(
                    onClosed: { _ in call.abort() },
                    onDraining: {
                        told.add(number)
                        _ = call.finish()
                    })
                observers.withLock { $0.append(observer) }
                #expect(observer.observeDraining(call) == ph_status(PH_WRONG_STATE))
                #expect(observer.observe(call) == ph_status(PH_OK))
                if asks { #expect(observer.observeDraining(call) == ph_status(PH_OK)) }
                _ = call.begin()
                calls.add(call)
                return ph_status(PH_PENDING)
            }
        }
        let first = try plugin("first", 1, asks: false)
        let second = try plugin("second", 2, asks: true)
        let host = try await BridgeServer([first, second])
        let clients = ["first", "second"].map { name in
            let client = host.client()
            client.send("GET /plugin/\(name)/api/hello HTTP/1.1\r\nHost: x\r\n\r\n")
            return client
        }
        _ = await calls.wait(2)
        await host.server.forEachReactor { reactor in
            first.generation.announceDraining(on: reactor)
            second.generation.announceDraining(on: reactor)
        }
        #expect(clients[1].read().isWhole)
        #expect(told.all == [2])
        #expect(first.generation.inFlight == 1)
        for client in clients { client.close() }
        await host.stop()
        #expect(first.generation.inFlight == 0)
    }

    @Test func slowReader_isWaitedFor_andTheWriterWokenOnLoop() async throws {
        let chunk = String(repeating: "y", count: 65_536)
        let total = 64 * chunk.utf8.count
        let observers = Mutex<[FakeObserver]>([])
        let waits = Mutex(0)
        let plugin = try FakePlugin { call in
            let left = Mutex(64)
            let pump: @Sendable () -> Void = {
                while left.withLock({ $0 }) > 0 {
                    let status = call.write(chunk)
                    left.withLock { $0 -= 1 }
                    if status == ph_status(PH_FULL) {
                        waits.withLock { $0 += 1 }
                        return
                    }
                    guard status == ph_status(PH_OK) else { return call.abort() }
                }
                _ = call.finish()
            }
            let observer = FakeObserver(onWritable: pump, onClosed: { _ in call.abort() })
            observers.withLock { $0.append(observer) }
            _ = observer.observe(call)
            _ = call.begin(200, [], length: UInt64(total))
            pump()
            return ph_status(PH_PENDING)
        }
        let host = try await BridgeServer([plugin])
        let response = host.client().call("GET", "/plugin/fake/api/hello")
        #expect(response.isWhole)
        #expect(response.body.count == total)
        #expect(waits.withLock { $0 } > 0)
        await host.stop()
    }

    @Test func observer_isNeverCalledAfterTheCompletion_whicheverComesFirst() async throws {
        /// Set by the completing thread as soon as its call has returned.
        final class Flag: Sendable {
            let isOver = Atomic<Bool>(false)
        }
        let late = Atomic<Int>(0)
        let done = Recorder<Int>()
        let calls = Recorder<Int>()
        let observers = Mutex<[FakeObserver]>([])
        let plugin = try FakePlugin(routes: upload) { call in
            let flag = Flag()
            let observer = FakeObserver(
                onBody: { _, _ in
                    if flag.isOver.load(ordering: .acquiring) {
                        late.add(1, ordering: .relaxed)
                    }
                    sched_yield()
                    if flag.isOver.load(ordering: .acquiring) {
                        late.add(1, ordering: .relaxed)
                    }
                    return ph_status(PH_OK)
                },
                onClosed: { _ in
                    if flag.isOver.load(ordering: .acquiring) {
                        late.add(1, ordering: .relaxed)
                    }
                })
            observers.withLock { $0.append(observer) }
            _ = observer.observe(call)
            calls.add(1)
            onThread {
                _ = call.respond(200, [], "done")
                flag.isOver.store(true, ordering: .releasing)
                done.add(1)
            }
            return ph_status(PH_PENDING)
        }
        let host = try await BridgeServer([plugin])
        let rounds = 300
        for round in 0..<rounds {
            let client = host.client()
            client.send(
                Self.chunkedHead
                    + String(repeating: "1\r\nx\r\n", count: 50))
            if round % 3 == 0 { client.reset() } else { _ = client.read() }
        }
        _ = await done.wait(calls.all.count)
        await host.stop()
        #expect(late.load(ordering: .relaxed) == 0)
        #expect(plugin.generation.inFlight == 0)
    }
}
