import Foundation

/// Requests without pause over keep-alive connections, on threads of their own, until it is told to
/// end. Every answer that is not 200, and every connection that breaks, is a failure.
final class SteadyLoad: @unchecked Sendable {  // because all that changes is behind `condition`
    struct Result {
        var answers = 0
        var failures: [String] = []
        /// The different bodies that came, at most a thousand of them.
        var bodies: Set<String> = []
    }

    private let condition = NSCondition()
    private var result = Result()
    private var isEnding = false
    private var running: Int

    init(port: UInt16, paths: [String], connections: Int) {
        running = connections
        for number in 0..<connections {
            Thread.detachNewThread { self.run(port, paths, from: number) }
        }
    }

    /// How many answers have come so far.
    var answers: Int {
        condition.lock()
        defer { condition.unlock() }
        return result.answers
    }

    /// Ends the load once every connection has the answer that it waits for.
    func end() -> Result {
        condition.lock()
        defer { condition.unlock() }
        isEnding = true
        while running > 0 { condition.wait() }
        return result
    }

    private func run(_ port: UInt16, _ paths: [String], from first: Int) {
        var client: HTTPClient?
        var next = first
        while note({ !self.isEnding }) {
            let path = paths[next % paths.count]
            next += 1
            do {
                let connection = try client ?? HTTPClient(port: port)
                client = connection
                let response = try connection.get(path)
                note {
                    self.result.answers += 1
                    if response.status != 200 {
                        self.result.failures.append("\(path): \(response.status) \(response.text)")
                    } else if self.result.bodies.count < 1_000 {
                        self.result.bodies.insert(response.text)
                    }
                }
                if response["connection"]?.lowercased() == "close" { client = nil }
            } catch {
                client = nil
                note { self.result.failures.append("\(path): \(error)") }
            }
        }
        note {
            self.running -= 1
            self.condition.broadcast()
        }
    }

    @discardableResult
    private func note<Value>(_ body: () -> Value) -> Value {
        condition.lock()
        defer { condition.unlock() }
        return body()
    }
}
