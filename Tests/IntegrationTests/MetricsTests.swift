import Foundation
import Testing

/// What monitoring sees: `/metrics`, `/healthz`, `/readyz` and `GET /health`.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct MetricsTests {
    let root: Root

    init() throws { root = try Root() }

    /// The series of a host by name and labels, as they are written.
    private func series(_ host: HostProcess) throws -> [String: Double] {
        var series: [String: Double] = [:]
        let answer = try host.get("/metrics")
        try #require(answer.status == 200)
        for line in answer.text.split(separator: "\n") where !line.hasPrefix("#") {
            let space = try #require(line.lastIndex(of: " "))
            series[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        return series
    }

    private func requests(_ plugin: String, _ code: String) -> String {
        "pluginhost_plugin_requests_total{plugin=\"\(plugin)\",code=\"\(code)\"}"
    }

    @Test func requests_areCountedOverGenerations_andVanishWithTheirPlugin() throws {
        let host = try HostProcess(root, options: ["--metrics-endpoint", "/metrics"])
        try root.must("install", Fixtures.bundle("handle_returns_error"))
        let name = "handle-returns-error"
        let client = try host.client()
        for _ in 0..<5 { #expect(try client.get("/plugin/\(name)/api/hello").status == 200) }
        #expect(try client.get("/plugin/\(name)/api/fail").status == 500)
        try root.must("reload", name, "--force")
        for _ in 0..<2 { #expect(try client.get("/plugin/\(name)/api/hello").status == 200) }
        try eventually("all are counted, and the former generation has gone") {
            let series = try series(host)
            return series[requests(name, "2xx")] == 7 && series[requests(name, "5xx")] == 1
                && series["pluginhost_plugin_images{plugin=\"\(name)\",use=\"serving\"}"] == 1
                && series["pluginhost_plugin_unloads_total{plugin=\"\(name)\"}"] == 1
        }
        let after = try series(host)
        let duration = "pluginhost_plugin_request_duration_seconds"
        #expect(after["\(duration)_count{plugin=\"\(name)\"}"] == 8)
        #expect(after["\(duration)_bucket{plugin=\"\(name)\",le=\"+Inf\"}"] == 8)
        #expect(try #require(after["\(duration)_sum{plugin=\"\(name)\"}"]) > 0)
        #expect(after["pluginhost_plugin_faults_total{plugin=\"\(name)\"}"] == 1)
        #expect(after["pluginhost_plugin_starts_total{plugin=\"\(name)\"}"] == 2)
        #expect(after["pluginhost_plugin_generation{plugin=\"\(name)\"}"] == 2)
        #expect(after["pluginhost_plugin_start_duration_seconds_count{plugin=\"\(name)\"}"] == 2)
        #expect(try #require(after["process_resident_memory_bytes"]) > 1_000_000)

        try root.must("remove", name)
        #expect(try !series(host).keys.contains { $0.contains(name) })
        #expect(try client.request("POST", "/metrics").status == 405)
        #expect(try host.terminate() == 0)
    }

    @Test func countsOfStarts_surviveTheHost_andMetricsAreOnTheAdminSocketAlone() throws {
        let first = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        #expect(try first.get("/metrics").status == 404)
        #expect(try first.terminate() == 0)
        let second = try HostProcess(root)
        let socket = root.path + "/host.sock"
        let answer = try HTTPClient(unixSocket: socket).get("/metrics")
        #expect(answer["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        #expect(answer.text.contains("pluginhost_plugin_starts_total{plugin=\"sound\"} 2\n"))
        let open = try HTTPClient(unixSocket: socket).get(
            "/metrics", headers: ["Accept": "application/openmetrics-text"])
        #expect(open.text.hasSuffix("# EOF\n"))
        #expect(try second.terminate() == 0)
    }

    /// Prometheus' own judgement, where Debian's package `prometheus` is installed.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/promtool")))
    func promtool_acceptsTheMetrics() throws {
        let host = try HostProcess(root, options: ["--metrics-endpoint", "/metrics"])
        try root.must("install", Fixtures.bundle("ailing_v1"))
        #expect(try host.get("/plugin/ailing/api/which").status == 200)
        let check = try Command.shell(
            "curl --silent --fail http://127.0.0.1:\(host.port)/metrics"
                + " | /usr/bin/promtool check metrics")
        #expect(check.status == 0, "\(check)")
        #expect(try host.terminate() == 0)
    }

    @Test func readiness_endsWithAPluginThatShouldServeAndDoesNot() throws {
        let host = try HostProcess(root, options: ["--heartbeat-seconds", "1"])
        #expect(try host.get("/readyz").status == 200)
        try root.must("install", Fixtures.bundle("ailing_v1"))
        #expect(try host.get("/readyz").status == 200)
        let sign = root.plugin("ailing") + "/sqlite/ill-1.0.0"
        try #require(FileManager.default.createFile(atPath: sign, contents: nil))
        let answer: HTTPResponse = try eventually("it is not ready") {
            let answer = try host.get("/readyz")
            return answer.status == 503 ? answer : nil
        }
        #expect(answer.json?["ready"] == .bool(false))
        #expect(answer.json?["plugins"][0]["name"].string == "ailing")
        #expect(answer.json?["plugins"][0]["reason"].string == "it has caught a cold")
        #expect(try host.get("/healthz").status == 200)
        let health = try HTTPClient(unixSocket: root.path + "/host.sock").get("/health")
        #expect(health.json?["status"].string == "unhealthy")
        #expect(health.json?["plugins"][0]["health"].string == "unhealthy")
        try root.must("deactivate", "ailing")
        #expect(try host.get("/readyz").status == 200)
        #expect(try root.host("mount", "ailing", "--at", "/readyz").status == 1)
        #expect(try host.terminate() == 0)
    }

    @Test func hostThatIsToStop_saysSo_andGoesOnForAWhile() throws {
        let host = try HostProcess(root, options: ["--stop-delay-seconds", "3600"])
        try root.must("install", Fixtures.bundle("sound"))
        host.process.send(signal: SIGTERM)
        try eventually("it is not ready") { try host.get("/readyz").status == 503 }
        #expect(try host.get("/readyz").json?["host"].string == "stopping")
        #expect(try host.get("/plugin/sound/api/hello").status == 200)
        // A second signal ends it at once.
        #expect(try host.terminate() == 128 + SIGTERM)
    }
}
