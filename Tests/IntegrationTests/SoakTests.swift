import Foundation
import Glibc
import Testing

/// Many reloads under load: no request fails, every image unloads, and nothing piles up.
///
/// A short form runs with the other tests; `SOAK_RELOADS=1000` makes it as long as one likes.
@Suite(.ownThreadAlone, .serialized, .timeLimit(.minutes(60))) struct SoakTests {
    enum Way: String, CaseIterable, Sendable {
        case cp, mv
    }

    static let reloads =
        ProcessInfo.processInfo.environment["SOAK_RELOADS"].flatMap(Int.init) ?? 50

    /// The samples that say hello, or a fixture where none is built.
    static let plugins = SampleTests.hellos.isEmpty ? ["sound"] : SampleTests.hellos

    @Test(arguments: plugins, Way.allCases)
    func reloads_failNoRequestAndLeaveNothingBehind(_ plugin: String, by way: Way) throws {
        let root = try Root()
        let host = try HostProcess(root)
        for one in Self.plugins {
            try root.must("install", Repository.sampleBundle(one) ?? Fixtures.bundle(one))
        }
        let paths = Self.plugins.map { "/plugin/\($0)/api/hello" }
        let code = try Data(contentsOf: URL(fileURLWithPath: root.library(plugin)))
        let files = try TemporaryDirectory()
        let first = try files.write("1.so", code + Data("variant 1".utf8))
        let second = try files.write("2.so", code + Data("variant 2".utf8))

        // What is made once, at the first reloads, is no leak.
        try reload(plugin, by: way, [first, second], 10, root, host)
        try host.waitUntilUnmapped(plugin, except: 11)
        let before = Holding(host)

        let load = try Load(port: host.port, paths: paths)
        try reload(plugin, by: way, [first, second], Self.reloads, root, host)
        let result = try load.end()
        try host.waitUntilUnmapped(plugin, except: 11 + Self.reloads)

        #expect(result.answers > Self.reloads)
        #expect(result.failures == 0, "\(result.story)")
        #expect(try root.status(plugin)["generation"].number == Double(11 + Self.reloads))
        try eventually("threads and fds are as before: \(before), \(Holding(host))") {
            let now = Holding(host)
            return now.threads <= before.threads && now.descriptors <= before.descriptors
        }
        // 10 KB a reload is what a Swift plugin may cost; 2 MB is what the load itself may.
        let grown = Holding(host).bytes - before.bytes
        #expect(grown < 2 << 20 + Self.reloads * 10_240, "\(grown) bytes more are in use")
        print("\(plugin) by \(way): \(result.story); \(grown / Self.reloads) bytes a reload")
    }

    /// Replaces the library so often, waiting each time until the new code answers and the former
    /// image has gone with the verdict `unloaded`.
    private func reload(
        _ plugin: String, by way: Way, _ variants: [String], _ count: Int, _ root: Root,
        _ host: HostProcess
    ) throws {
        let client = try host.client()
        let admin = try HTTPClient(unixSocket: "\(root.path)/host.sock")
        func status() throws -> JSON { try admin.get("/plugins/\(plugin)").json ?? .null }
        let start = Int(try #require(try status()["generation"].number))
        for number in start..<start + count {
            switch way {
            case .cp:
                try copy(variants[number % 2], to: root.library(plugin))
            case .mv:
                let beside = "\(root.plugin(plugin))/lib/.new"
                try copy(variants[number % 2], to: beside)
                try #require(rename(beside, root.library(plugin)) == 0)
            }
            do {
                try eventually("generation \(number + 1) of \(plugin) answers") {
                    try client.get("/plugin/\(plugin)/api/version").json?["generation"].number
                        == Double(number + 1)
                }
            } catch {
                let log = host.log.split(separator: "\n").suffix(20).joined(separator: "\n")
                Issue.record("\(error)\n\(try status())\n\(log)")
                throw error
            }
            var last = JSON.null
            try eventually("generation \(number) of \(plugin) has a verdict") {
                last = try status()["last_unload"]
                return last["generation"].number == Double(number)
            }
            try #require(last["verdict"].string == "unloaded", "\(last)")
        }
    }

    /// Writes over a file in place, as cp does.
    private func copy(_ source: String, to target: String) throws {
        let descriptor = open(target, O_WRONLY | O_CREAT | O_TRUNC, 0o755)
        try #require(descriptor >= 0)
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try file.write(contentsOf: Data(contentsOf: URL(fileURLWithPath: source)))
        try file.close()
    }
}

/// What a host holds that must not grow.
private struct Holding {
    let threads: Int
    let descriptors: Int
    let bytes: Int

    init(_ host: HostProcess) {
        threads = host.state.threads.count
        descriptors = host.state.fileDescriptorCount
        bytes = host.state.residentBytes
    }
}

/// wrk on several paths in turn; where it is not installed, the tests' own load.
private final class Load {
    struct Result {
        var answers: Int
        var failures: Int
        var story: String
    }

    private let wrk: ChildProcess?
    private let own: SteadyLoad?
    private let files: TemporaryDirectory?

    init(port: UInt16, paths: [String]) throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/wrk") else {
            wrk = nil
            files = nil
            own = SteadyLoad(port: port, paths: paths, connections: 8)
            return
        }
        let files = try TemporaryDirectory()
        let script = try files.write(
            "paths.lua",
            """
            local paths, next = { \(paths.map { "\"\($0)\"" }.joined(separator: ", ")) }, 0
            request = function()
                next = next % #paths + 1
                return wrk.format("GET", paths[next])
            end
            """)
        self.files = files
        own = nil
        wrk = try ChildProcess([
            "/usr/bin/wrk", "--threads", "1", "--connections", "16", "--duration", "3600s",
            "--script", script, "http://127.0.0.1:\(port)",
        ])
    }

    func end() throws -> Result {
        if let own {
            let result = own.end()
            return Result(
                answers: result.answers, failures: result.failures.count,
                story: "\(result.answers) answers; \(result.failures.prefix(3))")
        }
        let wrk = try #require(wrk)
        wrk.send(signal: SIGINT)
        try #require(wrk.waitForOutput(within: 60) != nil, "wrk does not end")
        let text = wrk.standardOutput
        let answers = try #require(text.firstMatch(of: #/(\d+) requests in/#), "\(text)").1
        var failures = 0
        for match in text.matches(of: #/Non-2xx or 3xx responses: (\d+)/#) {
            failures += Int(match.1) ?? 1
        }
        for match in text.matches(
            of: #/Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/#)
        {
            failures += [match.1, match.2, match.3, match.4].reduce(0) { $0 + (Int($1) ?? 1) }
        }
        return Result(
            answers: Int(answers) ?? 0, failures: failures,
            story: "\(answers) answers, \(failures) failed")
    }
}
