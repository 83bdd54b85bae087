import Foundation
import Glibc
import Testing

/// A plugin's process is killed again and again while everybody is asked without pause.
///
/// A run kills for three seconds; `KILL_SECONDS=300` says otherwise.
@Suite(.ownThreadAlone, .timeLimit(.minutes(20))) struct WorkerKillTests {
    private static let seconds =
        ProcessInfo.processInfo.environment["KILL_SECONDS"].flatMap(Double.init) ?? 3
    private static let connections = 4

    private let root: Root
    private let host: HostProcess
    private let victim = "/plugin/key-leak/api/hello"
    private let others = ["/plugin/sound/api/hello", "/plugin/versioned/api/which"]

    init() throws {
        root = try Root()
        host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("versioned_v1"), "--mode", "isolated")
        let draft = try DraftBundle(copying: "key_leak")
        let manifest = String(decoding: try draft.read("manifest.json"), as: UTF8.self)
        let restart = #""restart":{"restartsMax":1000000,"pauseMilliseconds":0},"#
        try draft.write("manifest.json", "{" + restart + manifest.dropFirst())
        try root.must("install", draft.pack(), "--mode", "isolated")
    }

    /// The plugin's process; nil while there is none.
    private func worker(_ admin: HTTPClient) throws -> pid_t? {
        let status = try JSON(parsing: Data(admin.get("/plugins/key-leak").text.utf8))
        return status["workers"][0]["pid"].number.map { pid_t($0) }
    }

    /// Kills the process about ten times a second, each time another one; how often.
    private func kill(for seconds: Double) throws -> Int {
        let admin = try HTTPClient(unixSocket: "\(root.path)/host.sock")
        let end = Date(timeIntervalSinceNow: seconds)
        var (last, kills) = (pid_t(0), 0)
        while Date() < end || kills < 5 {
            if let pid = try worker(admin), pid != last {
                #expect(Glibc.kill(pid, SIGKILL) == 0)
                (last, kills) = (pid, kills + 1)
            }
            // The rhythm is the input of this test; there is no event to wait for.
            _ = poll(nil, 0, 100)
        }
        return kills
    }

    /// What the engine holds.
    private struct Holdings: CustomStringConvertible {
        let descriptors: [String: Int]
        /// By name.
        let threads: [String: Int]
        let children: Int
        let files: [String]

        init(_ host: HostProcess) {
            let pid = host.engine
            let list = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd"))
            let kinds = (list ?? []).compactMap { name in
                try? FileManager.default.destinationOfSymbolicLink(
                    atPath: "/proc/\(pid)/fd/\(name)")
            }.map { $0.hasPrefix("/") ? "file" : String($0.prefix { $0 != ":" && $0 != "[" }) }
            descriptors = Dictionary(grouping: kinds) { $0 }.mapValues(\.count)
            threads = Dictionary(grouping: host.state.threads) { $0 }.mapValues(\.count)
            children = host.state.children.count
            files = ((try? FileManager.default.subpathsOfDirectory(atPath: host.root.path)) ?? [])
                .filter { $0.contains("/run/") }
        }

        var description: String {
            "\(descriptors.sorted { $0.key < $1.key }), "
                + "threads \(threads.sorted { $0.key < $1.key }), \(children) processes, \(files)"
        }

        /// Threads that Dispatch has come and go, and bear the names of those that had them made.
        static let spareThreads = 2

        /// The threads that are there for one process, or for the plugin; each is started when it
        /// is first needed.
        var ownThreads: [String: Int] {
            threads.filter { name, _ in
                name == "key-leak"
                    || ["worker-", "serve-", "calls-", "for-", "told-"].contains {
                        name.hasPrefix($0)
                    }
            }
        }

        /// All threads but those for work that blocks: of these there are more while more waits,
        /// and they stay.
        private var threadCount: Int {
            threads.filter { $0.key != "blocking" }.values.reduce(0, +)
        }

        func isWithin(_ other: Holdings) -> Bool {
            ownThreads.allSatisfy { $0.value <= max(1, other.ownThreads[$0.key] ?? 0) }
                && threadCount <= other.threadCount + Self.spareThreads
                && children == other.children && files.count <= other.files.count
                && descriptors.allSatisfy { $0.value <= other.descriptors[$0.key] ?? 0 }
        }
    }

    @Test func killedAgainAndAgain_othersNoticeNothing_andNothingIsLeft() throws {
        func load() -> [SteadyLoad] {
            [
                SteadyLoad(port: host.port, paths: others, connections: Self.connections),
                SteadyLoad(port: host.port, paths: [victim], connections: Self.connections),
            ]
        }
        // What is made once is no leak.
        let warm = load()
        _ = try kill(for: 0)
        for one in warm { _ = one.end() }
        try eventually("it serves again") { try host.get(victim).status == 200 }
        let before = Holdings(host)
        let bytes = host.state.residentBytes

        let loads = load()
        let kills = try kill(for: Self.seconds)
        let (other, own) = (loads[0].end(), loads[1].end())
        try eventually("it serves again") { try host.get(victim).status == 200 }
        #expect(other.failures.isEmpty, "\(other.failures.prefix(3))")
        // What was in flight at a kill, on each connection once.
        #expect(own.failures.count <= kills * Self.connections, "\(own.failures.prefix(3))")
        #expect(own.failures.allSatisfy { $0.contains("502") }, "\(own.failures.prefix(3))")
        var after = before
        do {
            try eventually("nothing is left") {
                after = Holdings(host)
                return after.isWithin(before)
            }
        } catch {
            Issue.record("before: \(before)\nafter: \(after)")
        }
        let grown = host.state.residentBytes - bytes
        #expect(grown < 16 << 20 + kills * 4_096, "\(grown) bytes more are in use")
        print(
            "\(kills) kills, \(other.answers) answers of others, \(own.answers) of the victim and "
                + "\(own.failures.count) failures, \(grown) bytes more\nbefore: \(before)\n"
                + "after: \(after)")
        #expect(try host.terminate() == 0)
    }
}
