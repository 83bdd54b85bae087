import CPluginABI
import Glibc
import HostModel
import Synchronization
import Testing

@testable import PluginHost

/// What a worker has asked one engine for, it has from the next one.
@Suite struct HostLineTests {
    /// An engine at the other end of a channel, which grants everything.
    private final class Engine: Sendable {
        let worker: ControlChannel
        private let own: ControlChannel
        private let book: Book

        /// What it was asked for, with what of it matters.
        var asked: [String] { book.asked.withLock { $0 } }

        private final class Book: Sendable {
            let asked = Mutex<[String]>([])
            let next: Mutex<UInt64>

            init(next: UInt64) { self.next = Mutex(next) }
        }

        /// - Parameter handle: the first that it gives away.
        init(handle: UInt64) throws {
            var ends: [Int32] = [-1, -1]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
            own = try ControlChannel(owning: ends[0])
            worker = try ControlChannel(owning: ends[1])
            let book = Book(next: handle)
            self.book = book
            try own.start("engine") { request in
                let json = request.json
                let what = json["handle"]?.string ?? json["number"]?.string ?? ""
                book.asked.withLock { $0.append("\(request.topic) \(what)") }
                let given = book.next.withLock { next in
                    defer { next += 1 }
                    return next
                }
                request.reply([
                    "status": .status(ph_status(PH_OK)), "handle": .number64(given),
                ])
            } ended: {
            }
            try worker.start("worker") { _ in
            } ended: {
            }
        }

        deinit { own.end() }
    }

    private func ask(
        _ line: HostLine, _ topic: String, _ json: JSONObject = [:]
    ) async -> JSONValue? {
        await withCheckedContinuation { continuation in
            line.request(topic, json) { answer in
                continuation.resume(returning: try? answer.get().json)
            }
        }
    }

    @Test func whatLasts_isPutToTheNextEngine_andHandlesKeepTheirNames() async throws {
        let (first, second) = (try Engine(handle: 70), try Engine(handle: 900))
        let line = HostLine(first.worker)
        _ = await ask(line, RemoteTopic.provide, ["capability": "a"])
        let kept = await ask(line, RemoteTopic.bind)?["handle"]
        let released = await ask(line, RemoteTopic.bind)?["handle"]
        _ = await ask(line, RemoteTopic.release, ["handle": released ?? .null])
        _ = await ask(line, RemoteTopic.subscribe, ["number": "5"])
        _ = await ask(line, RemoteTopic.subscribe, ["number": "6"])
        line.forget(subscription: 5)
        _ = await ask(line, RemoteTopic.call, ["handle": kept ?? .null])
        // Each engine knows a handle by the number that it has given.
        #expect(first.asked.contains("release 72") && first.asked.last == "call 71")

        #expect(line.isCurrent(first.worker))
        try await line.move(to: second.worker, within: 60)
        #expect(line.isCurrent(second.worker))
        #expect(second.asked == ["provide ", "bind ", "subscribe 6"])
        _ = await ask(line, RemoteTopic.call, ["handle": kept ?? .null])
        #expect(second.asked.last == "call 901")
        _ = await ask(line, RemoteTopic.call, ["handle": released ?? .null])
        #expect(second.asked.last == "call 0")
        withExtendedLifetime(first) {}
    }

    @Test func noticesWithoutAnEngine_waitForTheNextOne() async throws {
        let (first, second) = (try Engine(handle: 1), try Engine(handle: 1))
        let line = HostLine(first.worker)
        line.lost(first.worker)
        line.tell(RemoteTopic.log, ["number": "1"])
        #expect(second.asked.isEmpty)
        try await line.move(to: second.worker, within: 60)
        #expect(await eventuallyTrue { second.asked == ["log 1"] })
        line.tell(RemoteTopic.log, ["number": "2"])
        #expect(await eventuallyTrue { second.asked == ["log 1", "log 2"] })
        #expect(first.asked.isEmpty)
    }
}
