import Foundation
import Glibc

/// The real `host serve`, over loopback, in a root of its own.
final class HostProcess {
    struct NotReady: Error, CustomStringConvertible {
        let description: String
    }

    /// The command that is tested: `HOST_BINARY`, or the one built beside this test bundle.
    static let binary: String =
        ProcessInfo.processInfo.environment["HOST_BINARY"] ?? Repository.products + "/host"

    let root: Root
    let port: UInt16
    let process: ChildProcess

    /// Starts a host and waits until it says that it listens.
    ///
    /// Plugins get every service that they ask for, unless the options say otherwise.
    init(
        _ root: Root, threads: Int = 2, environment: [String: String] = [:],
        options: [String] = [], binary: String = HostProcess.binary
    ) throws {
        self.root = root
        // What counts the calls of a process follows none of its children.
        let alone = environment["KILL_POINTS"] != nil ? ["--no-supervisor"] : []
        let grants = options.contains("--grant-default") ? [] : ["--grant-default", "all"]
        process = try ChildProcess(
            [
                binary, "serve", "--root", root.path, "--listen", "127.0.0.1:0",
                "--threads", "\(threads)",
            ] + grants + alone + options, environment: environment)
        let line = process.waitForLine(after: "listening on http://127.0.0.1:", within: 60)
        guard let line, let port = UInt16(line) else {
            process.kill()
            throw NotReady(description: "host serve is not ready:\n\(process.standardError)")
        }
        self.port = port
    }

    deinit { kill() }

    /// The process in which the plugins are: the one that the supervisor has started, or the one
    /// that was started where there is no supervisor.
    var engine: pid_t {
        ProcessState(pid: process.pid).children.last {
            ProcessState(pid: $0).arguments.dropFirst().first == "engine"
        } ?? process.pid
    }
    var state: ProcessState { ProcessState(pid: engine) }

    /// Kills supervisor and engine, and waits until both are gone.
    func kill() {
        let engine = engine
        process.kill()
        try? eventually("the engine is gone") { !ProcessState(pid: engine).isAlive }
    }

    var log: String { process.standardError }

    func client() throws -> HTTPClient { try HTTPClient(port: port) }

    /// One GET on a connection of its own.
    func get(_ path: String) throws -> HTTPResponse { try client().get(path) }

    /// Ends the host as a service manager does, and returns its exit status.
    func terminate() throws -> Int32 {
        process.send(signal: SIGTERM)
        switch process.waitForEnd(within: 60) {
        case .exited(let status)?: return status
        case .signalled(let signal)?: return 128 + signal
        case nil:
            process.kill()
            throw NotReady(description: "host serve did not end:\n\(log)")
        }
    }

    /// The lines of the host's maps that belong to a plugin.
    func maps(of plugin: String) -> [String] { state.maps(below: root.plugin(plugin)) }

    /// Waits until no code of a plugin is mapped any more, or only that of one generation.
    func waitUntilUnmapped(_ plugin: String, except generation: Int? = nil) throws {
        try eventually("only generation \(generation ?? 0) of \(plugin) is mapped") {
            let copies = Set(maps(of: plugin).compactMap { $0.split(separator: "/").last })
            return copies.allSatisfy { copy in
                generation.map { copy.contains(".\($0).") } ?? false
            }
        }
    }
}

/// A root directory, and the `host` command applied to it.
final class Root: Sendable {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    var path: String { directory.path }
    func plugin(_ name: String) -> String { directory("plugins/\(name)") }
    func library(_ name: String) -> String { directory("plugins/\(name)/lib/lib\(name).so") }

    /// Runs `host` on this root, whatever it comes to.
    func host(_ arguments: String...) throws -> Command {
        try Command.run([HostProcess.binary] + arguments + ["--root", path])
    }

    /// Runs `host` on this root; it must succeed.
    @discardableResult
    func must(_ arguments: String...) throws -> Command {
        try must(arguments: arguments)
    }

    @discardableResult
    func must(arguments: [String]) throws -> Command {
        try Command.succeed([HostProcess.binary] + arguments + ["--root", path])
    }

    func status(_ plugin: String) throws -> JSON {
        try JSON(parsing: must("status", plugin, "--json").output)
    }

    /// The names of the plugins that `host list` knows.
    func list() throws -> [String] {
        try JSON(parsing: must("list", "--json").output)["plugins"].elements
            .compactMap { $0["name"].string }
    }

    /// Waits until the status of a plugin is as described, and returns it.
    @discardableResult
    func waitForStatus(
        _ plugin: String, _ what: String, within seconds: Double = 30,
        _ condition: (JSON) -> Bool
    ) throws -> JSON {
        var last = JSON.null
        do {
            try eventually("\(plugin): \(what)", within: seconds) {
                last = try status(plugin)
                return condition(last)
            }
        } catch is NeverHappened {
            throw NeverHappened(what: "\(plugin): \(what); it is \(last)", seconds: seconds)
        }
        return last
    }
}
