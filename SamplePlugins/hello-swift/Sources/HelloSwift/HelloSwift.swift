import Foundation
import PluginKit

/// What Swift plugins can use: Foundation, async functions, actors, task groups, the main actor,
/// streams both ways, and typed errors.
@main
struct HelloSwift: Plugin {
    static var manifest: Manifest {
        Manifest(
            name: "hello-swift", version: "1.0.0",
            description: "Says hello with Foundation, actors and tasks.", services: [.log])
    }

    static var routes: Routes {
        Get("/hello") { _, _ in .json(literal: #"{"message":"Hello, World!"}"#) }
        Get("/version") { plugin, _ in plugin.version() }
        Get("/status") { plugin, _ in try plugin.status() }
        Get("/sum") { plugin, request in
            let count = try request.query.integer("count", in: 1...10_000, absent: 100)
            return await plugin.sum(upTo: count)
        }
        Get("/slow") { _, request in
            let seconds = try request.query.integer("seconds", in: 0...3_600, absent: 5)
            return slow(seconds: seconds)
        }
        Post("/echo", body: .streamed) { _, request in .stream(request.pieces) }
        Get("/main") { _, _ in .json(["visits": .integer(await Visits.shared.count())]) }
        Get("/fail") { _, request in
            throw HTTPError(.badRequest, "this route always fails: \(String(request.path))")
        }
    }

    let host: HostContext
    let started = Date()

    init(host: HostContext) {
        self.host = host
    }

    func start() async throws {
        host.log.info("hello-swift has started")
    }

    func stop() async {
        host.log.info("hello-swift has stopped")
    }
}

extension HelloSwift {
    private struct Status: Encodable {
        let started: Date
        let generation: UInt64
    }

    func version() -> Response {
        .json([
            "name": .string(host.pluginName), "version": "1.0.0",
            "generation": .integer(Int(host.generation)),
        ])
    }

    /// Encodes with Foundation, which is linked into the plugin.
    func status() throws -> Response {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = .sortedKeys
        return .json(
            encoded: try encoder.encode(Status(started: started, generation: host.generation)))
    }

    /// Adds the numbers up in child tasks that share an actor.
    func sum(upTo count: Int) async -> Response {
        let total = Total()
        await withTaskGroup { group in
            for number in 1...count { group.addTask { await total.add(number) } }
        }
        return .json(["count": .integer(count), "sum": .integer(await total.value)])
    }

    /// A long answer: a line each 100 ms. It goes on over a reload, in the generation that began
    /// it.
    static func slow(seconds: Int) -> Response {
        .stream(contentType: "text/plain; charset=utf-8") { writer in
            let clock = ContinuousClock()
            let begin = clock.now
            for line in 0..<seconds * 10 {
                try await writer.write("line \(line + 1) of \(seconds * 10)\n")
                try await clock.sleep(until: begin + .milliseconds(100 * (line + 1)))
            }
        }
    }
}

actor Total {
    private(set) var value = 0

    func add(_ number: Int) {
        value += number
    }
}

@MainActor
final class Visits {
    static let shared = Visits()
    private var visits = 0

    func count() -> Int {
        visits += 1
        return visits
    }
}
