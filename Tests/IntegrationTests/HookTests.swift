import Foundation
import Testing

/// Hooks of several plugins, called by the real host.
///
/// The long form of the reloads under load: `HOOK_SECONDS=300`; with `HOOK_SEED`, the same order of
/// reloads again.
@Suite(.ownThreads, .timeLimit(.minutes(20))) struct HookTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let seconds = environment["HOOK_SECONDS"].flatMap(Double.init) ?? 6
    private static let seed =
        environment["HOOK_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0...UInt64.max)

    private func serve(_ fixtures: [String], options: [String] = []) throws -> HostProcess {
        let host = try HostProcess(Root(), options: options)
        for fixture in fixtures { try host.root.must("install", Fixtures.bundle(fixture)) }
        return host
    }

    private func hooks(_ host: HostProcess, at point: String) throws -> [JSON] {
        let points = try JSON(parsing: host.root.must("hooks", "--json").output)["points"]
        return points.elements.first { $0["point"].string == point }?["hooks"].elements ?? []
    }

    private func touch(_ host: HostProcess, _ name: String) throws {
        try Data().write(to: URL(fileURLWithPath: run(host, name)))
    }

    private func run(_ host: HostProcess, _ name: String) -> String {
        "\(host.root.plugin("hook-unruly"))/run/\(name)"
    }

    // MARK: - Ten plugins

    /// What the fixtures count in the file that they share.
    private struct Trail {
        var violations, entered, left, answered: UInt64

        init(_ host: HostProcess) throws {
            let file = try FileHandle(
                forReadingFrom: URL(fileURLWithPath: host.root.path + "/hooks.trail"))
            let data = try #require(try file.read(upToCount: 32))
            let figures = data.withUnsafeBytes { bytes in
                (0..<4).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self) }
            }
            (violations, entered, left, answered) = (figures[0], figures[1], figures[2], figures[3])
        }
    }

    @Test func tenPlugins_hookEveryRequestInOrder_whileTheyAreReloaded() throws {
        print("HOOK_SEED=\(Self.seed) HOOK_SECONDS=\(Self.seconds)")
        let fixtures = (1...10).map { "hooked_\($0)" }
        let host = try serve(fixtures + ["sound"])
        #expect(
            try hooks(host, at: "request").map { $0["plugin"].string }
                == (1...10).map { "hooked-\($0)" })
        let trail = try host.get("/plugin/sound/api/hello").headers.filter { $0.name == "x-hook" }
        #expect(trail.map(\.value) == (1...10).map(String.init))

        let admin = try HTTPClient(unixSocket: "\(host.root.path)/host.sock")
        var random = SplitMix(seed: Self.seed)
        func reload() throws {
            let name = "hooked-\(Int.random(in: 1...10, using: &random))"
            let response = try admin.request(
                "POST", "/plugins/\(name)/reload", body: #"{"force":true}"#)
            try #require(response.status == 200, "\(name): \(response.text)")
        }
        // What is made once is no leak.
        for _ in 0..<20 { try reload() }
        let before = (host.state.threads.count, host.state.fileDescriptorCount)
        let bytes = host.state.residentBytes

        let load = SteadyLoad(
            port: host.port,
            paths: ["/plugin/sound/api/hello", "/plugin/hooked-4/api/version"], connections: 8)
        let end = Date(timeIntervalSinceNow: Self.seconds)
        var reloads = 0
        while Date() < end {
            try reload()
            reloads += 1
        }
        let result = load.end()
        #expect(result.failures.isEmpty, "\(result.failures.prefix(3))")
        #expect(result.answers > reloads)
        let counted = try Trail(host)
        #expect(counted.violations == 0)
        #expect(counted.entered == counted.left)
        #expect(counted.entered == UInt64(result.answers + 1) * 10)
        #expect(counted.answered == counted.entered)
        for number in 1...10 {
            try host.root.waitForStatus("hooked-\(number)", "its former images are gone") {
                $0["images"].elements.count == 1
            }
        }
        try eventually("threads and descriptors are as before: \(before)") {
            host.state.threads.count <= before.0 && host.state.fileDescriptorCount <= before.1
        }
        let grown = host.state.residentBytes - bytes
        #expect(grown < 4 << 20 + reloads * 4_096, "\(grown) bytes more are in use")
        print(
            "\(reloads) reloads, \(result.answers) answers, \(grown / max(1, reloads)) bytes each")
    }

    // MARK: - Unruly ones

    @Test func hookInAnEndlessLoop_isNamed_andHoldsNobodyElse() throws {
        let host = try serve(["hook_unruly", "sound"], options: ["--request-timeout", "2"])
        let (entering, leaving) = (try host.client(), try host.client())
        try entering.send("GET", "/plugin/sound/api/hello?enter=wait")
        try leaving.send("GET", "/plugin/sound/api/hello?leave=wait")
        #expect(try leaving.readResponse().status == 200)
        for _ in 0..<20 { #expect(try host.hello("sound") == hello) }
        // The request has been answered; its hook is still about to leave.
        try leaving.send("GET", "/plugin/sound/api/hello")
        #expect(try leaving.readResponse().status == 200)
        let late = try entering.readResponse()
        #expect(late.status == 504)
        #expect(late.text.contains("A hook of the plugin hook-unruly did not come back"))
        try eventually("the log names the hook, and its plugin") {
            host.log.contains("plugin=hook-unruly version=1.0.0 generation=1 hook around request: ")
        }

        let command = try host.root.must("deactivate", "hook-unruly", "--drain-seconds", "1")
        #expect(command.output.contains("pinned"), "\(command)")
        #expect(command.output.contains("a hook of it"), "\(command)")
        #expect(try host.hello("sound") == hello)
        try touch(host, "release")
        try host.root.waitForStatus("hook-unruly", "it is unloaded", within: 60) {
            $0["last_unload"]["verdict"].string == "unloaded"
        }
        try host.waitUntilUnmapped("hook-unruly")
        #expect(try hooks(host, at: "request").isEmpty)
    }

    @Test func hookThatFailsOrAnswers_isToldApart() throws {
        let host = try serve(["hook_unruly", "sound"])
        let client = try host.client()
        let failed = try client.get("/plugin/sound/api/hello?enter=fail")
        #expect(failed.status == 500)
        #expect(failed.text.contains("The plugin hook-unruly failed in its hook"))
        let answered = try client.get("/plugin/sound/api/hello?enter=answer")
        #expect(answered.status == 418)
        #expect(answered.text == "tea")
        #expect(try client.get("/plugin/sound/api/hello?leave=fail").status == 200)
        for _ in 0..<3 {
            #expect(try client.get("/plugin/sound/api/hello?enter=sleep&leave=sleep").status == 200)
        }
        let hook = try #require(try hooks(host, at: "request").first)
        #expect(hook["calls"].number == 6)
        #expect(hook["failures"].number == 2)
        #expect(hook["pooled"] == .bool(true))
        let table = try host.root.must("hooks").output
        #expect(table.contains("on its own threads"), "\(table)")
    }

    @Test func hooks_mayRefuseWhatIsDoneToOtherPlugins_andAreTold() throws {
        let host = try serve(["hook_unruly"])
        let bundle = try Fixtures.bundle("sound")
        for point in ["install", "load"] {
            try touch(host, "refuse-\(point)")
            let refused = try host.root.host("install", bundle)
            #expect(refused.status == 1)
            #expect(
                refused.errors.contains("a hook of plugin \"hook-unruly\" says: not on a Friday"))
            #expect(try host.root.list() == ["hook-unruly"])
            try FileManager.default.removeItem(atPath: run(host, "refuse-\(point)"))
        }
        try host.root.must("install", bundle)
        try host.root.must("reload", "sound", "--force")
        try touch(host, "refuse-unload")
        #expect(try host.root.host("deactivate", "sound").status == 1)
        #expect(try host.hello("sound") == hello)
        // The next generation takes its place all the same, and a plugin's own hooks are not asked
        // about itself.
        try host.root.must("reload", "sound", "--force")
        try host.root.must("reload", "hook-unruly", "--force")
        try FileManager.default.removeItem(atPath: run(host, "refuse-unload"))
        try host.root.must("deactivate", "sound")
        let heard = try String(contentsOfFile: run(host, "heard"), encoding: .utf8)
        for line in [
            "before install sound {", "failed install sound {", "done install sound {",
            "before load sound {", "done load sound {", "before unload sound {",
            "done unload sound {", "\"version\":\"1.0.0\"", "\"generation\":",
        ] {
            #expect(heard.contains(line), "\(line) is not in\n\(heard)")
        }
        #expect(!heard.contains("hook-unruly"))
    }
}
