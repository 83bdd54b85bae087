import Glibc
import HostModel
import Testing

@testable import PluginHost

/// Whenever a change is cut short, its root shows the state before it or the state after it.
///
/// strace ends the process, or fails its call, at the first, second, third ... call of each kind
/// that could change anything, until the change gets through.
@Suite struct InstallerAtomicityTests {
    /// Everything that can change a file system or decide that it is safe there.
    private static let calls =
        callsThatNeedSpace + [
            "openat", "unlink", "unlinkat", "rmdir", "chmod", "fchmod", "fchmodat", "utimensat",
        ]
    private static let callsThatNeedSpace = [
        "mkdir", "mkdirat", "write", "rename", "symlink", "symlinkat", "linkat", "fsync",
    ]
    /// More than any change makes of one kind.
    private static let callsMax = 500

    /// What a root shows of the plugin.
    private enum Shown: Equatable {
        case nothing
        case version(String)
        case mixed(String)
    }

    private let scratch: Scratch
    private let name: PluginName
    private let probe: String

    init() throws {
        scratch = try Scratch()
        name = try PluginName(checking: "demo")
        // The test's own executable lies beside the probe.
        let executable = try #require(SymbolicLink.target(of: "/proc/self/exe"))
        let candidates = [executable] + CommandLine.arguments
        probe = try #require(
            candidates.lazy.compactMap { path in
                path.lastIndex(of: "/").map { String(path[..<$0]) + "/bundle-probe" }
            }.first { access($0, X_OK) == 0 })
        try #require(Shell.run("strace -V >/dev/null") == 0, "these tests need strace")
        for version in ["1.0.0", "1.1.0"] {
            var tar = TarBuilder()
            tar.addPlugin(version: version, library: Array("library \(version)".utf8))
            tar.add("priv/static/index.html", Array("page \(version)".utf8))
            try tar.gzipped(at: scratch.path + "/\(version).tar.gz")
        }
    }

    private func archive(_ version: String) -> String { scratch.path + "/\(version).tar.gz" }

    private func freshRoot(installing versions: [String]) throws -> RootLayout {
        try Directory.remove(scratch.path + "/root")
        let layout = try scratch.root()
        let installer = Installer(layout)
        for version in versions {
            _ = try installer.install(installer.prepare(archive: archive(version)))
        }
        if !versions.isEmpty {
            try scratch.write("data", to: "root/plugins/demo/sqlite/a.db")
        }
        return layout
    }

    private func shown(_ layout: RootLayout) throws -> Shown {
        let directory = layout.plugin(name)
        guard Files.exists(directory.path) else { return .nothing }
        let manifest = try Manifest(parsing: Files.text(directory.manifest).utf8)
        let version = manifest.version.description
        let parts = [
            try Files.text(directory.library(manifest)) == "library \(version)",
            try Files.text(directory.staticFiles + "/index.html") == "page \(version)",
            try SHA256.digest(ofFile: directory.bundle)
                == (try SHA256.digest(ofFile: archive(version))),
        ]
        return parts.contains(false) ? .mixed("\(version) \(parts)") : .version(version)
    }

    /// Runs the change once for each system call, and says after how many it showed what.
    private func interrupt(
        _ calls: [String], by fault: String, _ arguments: [String], from versions: [String],
        old: Shown, new: Shown, sourceLocation: SourceLocation = #_sourceLocation,
        check: (RootLayout, Int32) throws -> Void = { _, _ in }
    ) throws {
        let words = ([probe] + arguments).map { "'\($0)'" }.joined(separator: " ")
        var interruptedCount = 0
        for call in calls {
            // strace counts the calls of each kind for itself.
            for number in 1...Self.callsMax {
                let layout = try freshRoot(installing: versions)
                let status = Shell.run(
                    "strace -f -o /dev/null -e inject=\(call):\(fault):when=\(number) \(words)"
                        + " >'\(scratch.path)/output' 2>&1")
                let shown = try shown(layout)
                let place: Comment = "\(call) \(number): \(shown)"
                #expect(shown == old || shown == new, place, sourceLocation: sourceLocation)
                try check(layout, status)
                if case .version = shown, !versions.isEmpty {
                    #expect(try scratch.read("root/plugins/demo/sqlite/a.db") == "data", place)
                }
                _ = try Installer(layout).recover()
                #expect(try self.shown(layout) == shown, place, sourceLocation: sourceLocation)
                #expect(try Directory.entries(of: layout.staging).isEmpty, place)
                if status == 0 {
                    #expect(shown == new, place, sourceLocation: sourceLocation)
                    break
                }
                interruptedCount += 1
                #expect(
                    number < Self.callsMax, "it never got through", sourceLocation: sourceLocation)
            }
        }
        #expect(interruptedCount > 10, sourceLocation: sourceLocation)
    }

    private var root: String { scratch.path + "/root" }

    @Test func installation_isWholeOrNotThere_wheneverItIsKilled() throws {
        try interrupt(
            Self.calls, by: "signal=KILL", ["install", root, archive("1.0.0")], from: [],
            old: .nothing, new: .version("1.0.0"))
    }

    @Test func upgrade_isWholeOrNotThere_wheneverItIsKilled() throws {
        try interrupt(
            Self.calls, by: "signal=KILL", ["install", root, archive("1.1.0")], from: ["1.0.0"],
            old: .version("1.0.0"), new: .version("1.1.0")
        ) { (layout, _) throws in
            // The next try gets through whatever was left behind.
            guard try shown(layout) == .version("1.0.0") else { return }
            let installer = Installer(layout)
            _ = try installer.recover()
            _ = try installer.install(installer.prepare(archive: archive("1.1.0")))
            #expect(try shown(layout) == .version("1.1.0"))
            _ = try installer.rollback(name, to: SemanticVersion("1.0.0"))
        }
    }

    @Test func rollback_isWholeOrNotThere_wheneverItIsKilled() throws {
        try interrupt(
            Self.calls, by: "signal=KILL", ["rollback", root, "demo"], from: ["1.0.0", "1.1.0"],
            old: .version("1.1.0"), new: .version("1.0.0"))
    }

    @Test func removal_isWholeOrNotThere_wheneverItIsKilled() throws {
        try interrupt(
            Self.calls, by: "signal=KILL", ["remove", root, "demo"], from: ["1.0.0"],
            old: .version("1.0.0"), new: .nothing)
    }

    @Test func upgrade_leavesNothingBehind_whereverTheDiskIsFull() throws {
        try interrupt(
            Self.callsThatNeedSpace, by: "error=ENOSPC", ["install", root, archive("1.1.0")],
            from: ["1.0.0"], old: .version("1.0.0"), new: .version("1.1.0")
        ) { (layout, status) throws in
            #expect(try Directory.entries(of: layout.staging).isEmpty)
            #expect(status == 0 || status == 1, "it ended by itself")
            guard status == 1 else { return }
            let output = try scratch.read("output")
            #expect(output.contains("why: No space left on device"), "\(output)")
        }
    }

    @Test func installation_leavesNothingBehind_whenAFileMayNotGrow() throws {
        let layout = try freshRoot(installing: [])
        var tar = TarBuilder()
        tar.addPlugin(library: [UInt8](repeating: 1, count: 1 << 20))
        try tar.gzipped(at: archive("big"))
        let status = Shell.run(
            "ulimit -f 256; '\(probe)' install '\(layout.root)' '\(archive("big"))'"
                + " >'\(scratch.path)/output'")
        #expect(status == 1)
        #expect(try scratch.read("output").contains("fix: raise the file-size limit"))
        #expect(try Directory.entries(of: layout.staging).isEmpty)
        #expect(try Directory.entries(of: layout.plugins).isEmpty)
    }
}
