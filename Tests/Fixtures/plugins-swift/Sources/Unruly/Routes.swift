import Glibc
import PluginKit

extension Unruly {
    @RouteBuilder<Self> static var routes: Routes {
        Get("/header") { _, request in .text("x").adding("X-Value", request.query["value"] ?? "") }
        Get("/waiting-header") { _, request in
            await Task.yield()
            return .text("x").adding("X-Value", request.query["value"] ?? "")
        }
        Get("/status") { _, request in
            .text(
                "x",
                status: Status(UInt16(try request.query.integer("code", in: 0...999, absent: 0))))
        }
        Get("/secret") { _, _ in throw Secret(word: "swordfish") }
        Get("/conflict") { _, _ in
            throw HTTPError(.conflict, "taken", members: [JSON.Member("by", "another")])
        }
        Get("/{first}/to/{rest...}") { _, request in
            let parameters = request.parameters
            return .json([
                .string(parameters["first"]), .string(parameters["rest"]),
                .string(parameters["none"]),
            ])
        }
        Get("/query") { _, request in
            .json([
                "a": request.query["a"].map(JSON.string) ?? nil,
                "all": .array(request.query.values("b").map(JSON.string)),
                "raw": .string(String(request.query.raw)),
            ])
        }
        Get("/fields") { _, request in
            .json([
                "accept": .string(request.headers["ACCEPT"] ?? "none"),
                "all": .array(request.headers.values("x-many").map(JSON.string)),
                "method": .bool(request.method == "GET"),
                "length": .integer(Int(clamping: request.contentLength ?? 0)),
            ])
        }
        Post("/json") { _, request in .json(try request.body.json()) }
        Post("/pieces", body: .streamed) { plugin, request in
            var count = 0
            for try await piece in request.pieces { count += piece.count }
            return .json(.integer(count))
        }
        Post("/late", body: .streamed) { plugin, request in
            try await Task.sleep(for: .milliseconds(20))
            return .stream(request.pieces)
        }
        Get("/lines") { _, request in
            let count = try request.query.integer("count", in: 0...1_000_000, absent: 10)
            return .stream(contentType: "text/plain") { writer in
                for line in 1...count { try await writer.write("line \(line)\n") }
            }
        }
        Get("/identity") { plugin, request in
            plugin.host.log.about(request).info("asked")
            return .json([
                "id": .string(request.id), "parent": .string(request.traceparent),
                "state": request.tracestate.map(JSON.string) ?? nil,
            ])
        }
        Get("/trailers") { _, request in
            let name = request.query["name"] ?? "Digest"
            return .stream { writer in
                try await writer.write("body")
                writer.addTrailer(name, "abc")
            }
        }
        Get("/events") { _, request in
            let last = Int(request.lastEventID ?? "") ?? 0
            return .events { stream in
                await withTaskGroup { group in
                    for number in last + 1...last + 40 {
                        group.addTask { try? await stream.send("\(number)", id: "\(number)") }
                    }
                }
            }
        }
        Get("/heartbeats") { _, _ in
            .events(heartbeat: .milliseconds(1)) { _ in try await Task.sleep(for: .seconds(3_600)) }
        }
        Get("/short") { _, _ in
            .stream(contentLength: 10) { writer in try await writer.write("abc") }
        }
        Get("/long") { _, _ in
            .stream(contentLength: 2) { writer in try await writer.write("abc") }
        }
        Get("/until-cancelled") { plugin, _ in
            do {
                try await Task.sleep(for: .seconds(3_600))
            } catch {
                plugin.host.log.info("cancelled")
                throw error
            }
            return .text("not cancelled")
        }
        Get("/endless") { plugin, _ in
            .stream { writer in
                do {
                    while true {
                        try await writer.write("more\n")
                        try await Task.sleep(for: .milliseconds(1))
                    }
                } catch {
                    plugin.host.log.info("cancelled")
                    throw error
                }
            }
        }
        Get("/never") { _, _ in
            await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
            return .empty()
        }
        Get("/blocked") { _, _ in
            await Task.yield()
            sleep(4)
            return .empty()
        }
        Route("PURGE", "/cache") { _, request in .text(String(request.method)) }
        Every("/any") { _, request in .text(String(request.method)) }
        Get("/clocks") { _, _ in .json(try await clocks()) }
        Get("/threads") { _, _ in .json(await threads()) }
    }

    /// How long sleeps of 30 ms take on each clock, and by each way to sleep.
    static func clocks() async throws -> JSON {
        var members: [JSON.Member] = []
        func measure(_ name: String, _ sleep: () async throws -> Void) async rethrows {
            let begin = ContinuousClock.now
            try await sleep()
            let (seconds, attoseconds) = (ContinuousClock.now - begin).components
            let milliseconds = seconds * 1_000 + attoseconds / 1_000_000_000_000_000
            members.append(JSON.Member(name, .integer(Int(milliseconds))))
        }
        let pause = Duration.milliseconds(30)
        try await measure("nanoseconds") { try await Task.sleep(nanoseconds: 30_000_000) }
        try await measure("duration") { try await Task.sleep(for: pause) }
        try await measure("continuous") {
            try await Task.sleep(until: .now + pause, clock: .continuous)
        }
        try await measure("suspending") {
            try await Task.sleep(until: .now + pause, clock: .suspending)
        }
        try await measure("past") { try await Task.sleep(until: .now - pause, clock: .continuous) }
        try await measure("main") { try await sleepOnMain(pause) }
        return .object(members)
    }

    @MainActor static func sleepOnMain(_ pause: Duration) async throws {
        try await Task.sleep(for: pause)
        MainActor.assertIsolated()
    }

    /// The names of the threads that many tasks and the main actor ran on.
    static func threads() async -> JSON {
        var pool: Set<String> = []
        await withTaskGroup(of: String.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    usleep(200)
                    return threadName()
                }
            }
            for await name in group { pool.insert(name) }
        }
        let main = await MainActor.run {
            (threadName(), MainActor.assumeIsolated { threadName() })
        }
        let global = await withTaskExecutorPreference(globalConcurrentExecutor) {
            await Task.yield()
            return threadName()
        }
        return [
            "global": .string(global),
            "pool": .array(pool.sorted().map(JSON.string)), "main": .string(main.0),
            "same": .bool(main.0 == main.1),
        ]
    }

    static func threadName() -> String {
        var name = [CChar](repeating: 0, count: 16)
        let file = open("/proc/thread-self/comm", O_RDONLY)
        defer { close(file) }
        _ = read(file, &name, name.count - 1)
        return String(decoding: name.prefix { $0 > 31 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
