import Foundation
import Glibc
import Testing

/// Host and commands are killed at each call that changes a file, or that call fails, and they are
/// started again: the old state is found, or the new one, and never a mixture; nothing is lost, and
/// nothing is left over.
///
/// A run takes some points of each change, chosen by `INTEGRATION_SEED`; with `KILL_EVERY_POINT=1`
/// it takes all of them.
@Suite(.ownThreads, .timeLimit(.minutes(60))) struct KillPointTests {
    private static let takesAll =
        ProcessInfo.processInfo.environment["KILL_EVERY_POINT"] != nil
    private static let pointsEach = 2

    /// A change of the plugin "versioned", in a root where "sound" serves beside it.
    enum Change: String, CaseIterable, CustomTestStringConvertible {
        case install, upgrade, upgradeWithOneTooMany, rollback, remove, removeKeepingData

        /// What has been installed before, one after the other.
        var past: [String] {
            switch self {
            case .install: []
            case .upgrade, .remove, .removeKeepingData: ["versioned_v1"]
            case .rollback: ["versioned_v1", "versioned_v2"]
            case .upgradeWithOneTooMany:
                ["versioned_v2", "versioned_v1", "versioned_v2", "versioned_v1"]
            }
        }

        func command() throws -> [String] {
            switch self {
            case .install: ["install", try Fixtures.bundle("versioned_v1")]
            case .upgrade, .upgradeWithOneTooMany: ["install", try Fixtures.bundle("versioned_v2")]
            case .rollback: ["rollback", "versioned"]
            case .remove: ["remove", "versioned"]
            case .removeKeepingData: ["remove", "versioned", "--keep-data"]
            }
        }

        /// The versions that serve before and after.
        var versions: (old: String?, new: String?) {
            switch self {
            case .install: (nil, "1.0.0")
            case .upgrade, .upgradeWithOneTooMany: ("1.0.0", "2.0.0")
            case .rollback: ("2.0.0", "1.0.0")
            case .remove, .removeKeepingData: ("1.0.0", nil)
            }
        }

        var testDescription: String { rawValue }
    }

    /// What a root shows: the version that serves, and all of its files.
    private struct Shown: Equatable {
        var version: String?
        var files: [String]
    }

    private let templates: TemporaryDirectory

    init() throws { templates = try TemporaryDirectory() }

    @Test(arguments: Change.allCases)
    func commandThatIsKilled_leavesTheOldStateOrTheNew(change: Change) throws {
        try harmEverywhere(change, "the command killed") { root, points in
            let command = try Command.run(
                [HostProcess.binary] + change.command() + ["--root", root.path],
                environment: points.environment())
            try #require([0, 128 + SIGKILL].contains(command.status), "\(command)")
            return command.status == 0
        }
    }

    @Test(arguments: Change.allCases)
    func daemonThatIsKilled_leavesTheOldStateOrTheNew(change: Change) throws {
        try harmEverywhere(change, "the daemon killed") { root, points in
            points.disarm()
            let host = try HostProcess(root, environment: points.environment())
            points.armAgain()
            let command = try Command.run(
                [HostProcess.binary] + change.command() + ["--root", root.path])
            if points.hasPoint {
                _ = host.process.waitForEnd(within: 3)
            } else {
                try settle(points)
            }
            let isDead = host.process.hasEnded
            host.kill()
            try #require(isDead || command.status == 0, "\(command)")
            return command.status == 0
        }
    }

    @Test(arguments: Change.allCases)
    func commandThatFindsTheDiskFull_leavesTheOldStateOrTheNew(change: Change) throws {
        try harmEverywhere(change, "the command's disk full", failure: ENOSPC) { root, points in
            let command = try Command.run(
                [HostProcess.binary] + change.command() + ["--root", root.path],
                environment: points.environment())
            try #require([0, 1].contains(command.status), "\(command)")
            return command.status == 0
        }
    }

    @Test(arguments: Change.allCases)
    func daemonThatFindsTheDiskFull_goesOn_inTheOldStateOrTheNew(change: Change) throws {
        try harmEverywhere(change, "the daemon's disk full", failure: ENOSPC) { root, points in
            points.disarm()
            let host = try HostProcess(root, environment: points.environment())
            points.armAgain()
            let command = try Command.run(
                [HostProcess.binary] + change.command() + ["--root", root.path])
            if !points.hasPoint { try settle(points) }
            let story: Comment = "\(points.place): \(command)\n\(host.log)"
            try #require([0, 1].contains(command.status), story)
            let version = try version(root, host, story)
            #expect([change.versions.old, change.versions.new].contains(version), story)
            if command.status == 0 { #expect(version == change.versions.new, story) }
            #expect(try host.terminate() == 0, story)
            return command.status == 0
        }
    }

    /// Waits until what the daemon does after its answer is done.
    private func settle(_ points: KillPoints) throws {
        var last = -1
        var repeats = 0
        try eventually("the daemon has nothing left to write") {
            repeats = points.seen == last ? repeats + 1 : 0
            last = points.seen
            return repeats > 200
        }
    }

    /// - Parameter attempt: makes the change; returns whether it was told that it is done.
    private func harmEverywhere(
        _ change: Change, _ harm: String, failure: Int32 = 0,
        attempt: (Root, KillPoints) throws -> Bool
    ) throws {
        var random = SplitMix(seed: DamageTests.seed)
        let template = try template(change)
        let points = try KillPoints()
        let old = try shown(copy(template))
        let changed = try copy(template)
        points.arm()
        try #require(try attempt(changed, points), "it is done when nothing kills it")
        let count = points.seen
        let new = try shown(changed)
        #expect(old.version == change.versions.old && new.version == change.versions.new)
        try #require(count > 10, "\(harm): there are \(count) points")

        var chosen = Array(1...count)
        if !Self.takesAll {
            chosen = Array(chosen.shuffled(using: &random).prefix(Self.pointsEach))
        }
        var ends = (old: 0, new: 0)
        for point in chosen {
            let root = try copy(template)
            points.arm(killingAt: point, failure: failure)
            let isTold = try attempt(root, points)
            let place = points.seen >= point ? points.place : "no call"
            // The next start may be killed as well.
            let again = Int.random(in: 1...20, using: &random)
            points.arm(killingAt: again)
            _ = try Command.run(
                [HostProcess.binary, "list", "--root", root.path],
                environment: points.environment())
            let story: Comment = "point \(point) of \(count): \(place); then \(again)"
            let found = try shown(root, story)
            #expect(found == old || found == new, story)
            if isTold { #expect(found == new, story) }
            if found == old {
                ends.old += 1
                try root.must(arguments: change.command())
                #expect(try shown(root, story).version == new.version, story)
            } else {
                ends.new += 1
            }
        }
        print(
            "\(change.rawValue), \(harm) at \(chosen.count) of \(count) points:"
                + " \(ends.old) times the old state, \(ends.new) times the new one")
        if Self.takesAll { #expect(ends.old > 0 && ends.new > 0) }
    }

    private func template(_ change: Change) throws -> String {
        let root = try Root()
        try root.must("install", Fixtures.bundle("sound"))
        try Data("tones".utf8).write(
            to: URL(fileURLWithPath: "\(root.plugin("sound"))/sqlite/a.db"))
        for fixture in change.past { try root.must("install", Fixtures.bundle(fixture)) }
        if !change.past.isEmpty {
            try Data("rows".utf8).write(
                to: URL(fileURLWithPath: "\(root.plugin("versioned"))/sqlite/a.db"))
        }
        let path = templates(change.rawValue)
        try Command.succeed(["/bin/cp", "-a", root.path, path])
        return path
    }

    private func copy(_ template: String) throws -> Root {
        let root = try Root()
        try Command.succeed(["/bin/cp", "-a", template + "/.", root.path])
        return root
    }

    /// Starts the host, and looks at what it serves, says and has on the disk.
    private func shown(_ root: Root, _ story: Comment = "") throws -> Shown {
        let host = try HostProcess(root)
        let version = try version(root, host, story)
        #expect(try host.terminate() == 0, story)
        return Shown(version: version, files: try files(root))
    }

    /// The version that serves, which everything has to agree with.
    private func version(
        _ root: Root, _ host: HostProcess, _ story: Comment
    ) throws -> String? {
        #expect(try host.hello("sound") == hello, story)
        #expect(try data("sound", root) == "tones", story)
        let answer = try host.get("/plugin/versioned/api/which")
        guard try root.list().contains("versioned") else {
            #expect(answer.status == 404, story)
            return nil
        }
        let version = answer.text
        let status = try root.status("versioned")
        #expect(status["state"].string == "active", "\(story) \(status)")
        #expect(status["version"].string == version, "\(story) \(status)")
        let manifest = "\(root.plugin("versioned"))/manifest.json"
        let json = try JSON(parsing: Data(contentsOf: URL(fileURLWithPath: manifest)))
        #expect(json["version"].string == version, story)
        let page = try host.get("/plugin/versioned/")
        #expect(page.status == 200 && page.text.contains("versioned"), story)
        return version
    }

    private func data(_ plugin: String, _ root: Root) throws -> String {
        try String(
            decoding: Data(
                contentsOf: URL(fileURLWithPath: "\(root.plugin(plugin))/sqlite/a.db")),
            as: UTF8.self)
    }

    /// Every file, but for what the host itself keeps open and what is made anew at each start.
    private func files(_ root: Root) throws -> [String] {
        let all = try FileManager.default.subpathsOfDirectory(atPath: root.path)
        return all.filter { !$0.hasPrefix("host.") && !$0.contains("/run/") }
            .map { $0.replacing(#/removed/versioned-[0-9a-f]{32}/#, with: "removed/versioned-*") }
            .sorted()
    }
}
