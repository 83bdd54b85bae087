import Foundation
import Testing

/// Archives that mean harm: refused, with nothing left behind inside the root or outside of it.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct ArchiveTests {
    struct Hostile: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let build: @Sendable (inout TarFile) -> Void

        init(_ description: String, _ build: @escaping @Sendable (inout TarFile) -> Void) {
            testDescription = description
            self.build = build
        }
    }

    /// Where the archives below try to write.
    static let victim = NSTemporaryDirectory() + "plugin-host-victim"

    static let hostile: [Hostile] = [
        Hostile("a name that climbs out") { $0.add("lib/../../../../plugin-host-victim", "x") },
        Hostile("a name that begins with ..") { $0.add("../plugin-host-victim", "x") },
        Hostile("an absolute name") { $0.add(victim, "x") },
        Hostile("a symbolic link out") {
            $0.add("priv/out", kind: "2", link: NSTemporaryDirectory())
        },
        Hostile("a file through a symbolic link") {
            $0.add("priv/out", kind: "2", link: NSTemporaryDirectory())
            $0.add("priv/out/plugin-host-victim", "x")
        },
        Hostile("a hard link to a file outside") {
            $0.add("priv/passwd", kind: "1", link: "/etc/passwd")
        },
        Hostile("a character device") { $0.add("priv/null", kind: "3") },
        Hostile("a block device") { $0.add("priv/disk", kind: "4") },
        Hostile("a fifo") { $0.add("priv/pipe", kind: "6") },
        Hostile("an entry of unknown kind") { $0.add("priv/what", kind: "Z") },
        Hostile("a duplicate entry") {
            $0.add("priv/twice", "1")
            $0.add("priv/twice", "2")
        },
        Hostile("a second library over the first") { $0.add("lib/libsound.so", "x") },
        Hostile("a file where a directory was") { $0.add("lib", "x") },
        Hostile("a directory where a file was") { $0.add("manifest.json/x", "x") },
        Hostile("an unexpected name at the top") { $0.add("run/evil.so", "x") },
        Hostile("a control character in a name") { $0.add("priv/a\u{1B}[2Jb", "x") },
        Hostile("a declared size beyond the end") { $0.add("priv/huge", "x", size: 1 << 30) },
        Hostile("a negative size") { $0.add("priv/negative", "x", size: -1) },
        Hostile("a wrong checksum") { $0.add("priv/sum", "x", checksum: 1) },
        Hostile("a very deep path") {
            $0.add("priv/" + String(repeating: "d/", count: 40) + "x", "x")
        },
        Hostile("more entries than anybody needs") { tar in
            for number in 0..<50_100 { tar.add("priv/\(number)", "") }
        },
        Hostile("a bomb") { $0.add("priv/zeros", Data(count: 100 << 20)) },
    ]

    @Test(arguments: hostile)
    func hostileArchive_isRefused_andNothingIsLeftBehind(_ hostile: Hostile) throws {
        let files = try TemporaryDirectory()
        var tar = try soundTar()
        hostile.build(&tar)
        try expectNothingLeft(after: try tar.gzip(in: files))
    }

    @Test func archive_isInstalled_whenNothingIsWrongWithIt() throws {
        let files = try TemporaryDirectory()
        let root = try Root()
        try root.must("install", soundTar().gzip(in: files))
        #expect(try root.status("sound")["version"].string == "1.0.0")
    }

    @Test func damagedGzip_isRefused_andNothingIsLeftBehind() throws {
        let files = try TemporaryDirectory()
        let whole = try Data(contentsOf: URL(fileURLWithPath: soundTar().gzip(in: files)))
        var wrongSum = whole
        wrongSum[whole.count - 6] ^= 1
        var wrongBody = whole
        wrongBody[whole.count / 2] ^= 0x10
        for damaged in [
            Data(), Data("not an archive".utf8), whole.prefix(whole.count / 2), whole.dropLast(4),
            whole + Data("garbage".utf8), wrongSum, wrongBody,
        ] {
            try expectNothingLeft(after: files.write("damaged.tar.gz", damaged))
        }
    }

    @Test func archiveWithoutItsEnd_isRefused() throws {
        let files = try TemporaryDirectory()
        var tar = TarFile()
        tar.add("manifest.json", "{}", size: 5_000)
        try expectNothingLeft(after: tar.gzip(in: files, ending: false))
        try expectNothingLeft(after: TarFile().gzip(in: files))
    }

    /// The parts of a bundle that could be installed.
    private func soundTar() throws -> TarFile {
        let directory = try Fixtures.directory("sound")
        var tar = TarFile()
        for name in ["manifest.json", "lib/libsound.so", "priv/static/index.html"] {
            tar.add(name, try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(name)")))
        }
        return tar
    }

    private func expectNothingLeft(after bundle: String) throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("versioned_v1"))
        let before = try contents(of: root)

        expectRefusal(try root.host("install", bundle))

        #expect(try contents(of: root) == before)
        #expect(!FileManager.default.fileExists(atPath: Self.victim))
        #expect(try host.hello("versioned") == hello)
    }

    /// Every path below the root but those of the database, which grows.
    private func contents(of root: Root) throws -> Set<String> {
        Set(
            try FileManager.default.subpathsOfDirectory(atPath: root.path)
                .filter { !$0.hasPrefix("host.db") })
    }
}
