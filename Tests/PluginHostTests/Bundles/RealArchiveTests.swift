import Glibc
import HostModel
import Testing

@testable import PluginHost

/// What common tools write is read, and comes out as it went in.
@Suite struct RealArchiveTests {
    private let scratch: Scratch
    private let layout: RootLayout
    private let longDirectory = "priv/" + String(repeating: "directory-of-some-length/", count: 8)
    private let longName = String(repeating: "n", count: 180) + ".txt"

    init() throws {
        scratch = try Scratch()
        layout = try scratch.root()
        try scratch.write(
            #"{"name":"demo","version":"1.0.0","abi":"1.0"}"#, to: "in/manifest.json")
        try scratch.write("library", to: "in/lib/libdemo.so")
        try scratch.write("<p>", to: "in/priv/static/index.html")
        try scratch.write("é", to: "in/priv/static/größe.txt")
        #expect(chmod(scratch.path + "/in/lib/libdemo.so", 0o4777) == 0)
        #expect(chmod(scratch.path + "/in/priv/static/index.html", 0o600) == 0)
        #expect(symlink("index.html", scratch.path + "/in/priv/static/start.html") == 0)
        #expect(
            Shell.run("touch -d @1700000000.25 '\(scratch.path)/in/priv/static/index.html'") == 0)
    }

    private func addLongNames() throws {
        try scratch.write("deep", to: "in/" + longDirectory + "x.txt")
        try scratch.write("long", to: "in/priv/" + longName)
    }

    private func check(_ path: String, long: Bool) throws {
        let bundle = try Installer(layout).prepare(archive: path)
        let out = bundle.directory
        #expect(bundle.manifest.name.text == "demo")
        #expect(try Files.text(out + "/lib/libdemo.so") == "library")
        #expect(try Files.text(out + "/priv/static/größe.txt") == "é")
        #expect(SymbolicLink.target(of: out + "/priv/static/start.html") == "index.html")
        let index = try #require(Files.status(out + "/priv/static/index.html"))
        #expect(index.st_mode & 0o7777 == 0o644 && index.st_mtim.tv_sec == 1_700_000_000)
        #expect(index.st_uid == getuid())
        #expect(Files.status(out + "/lib/libdemo.so")?.st_mode == S_IFREG | 0o755)
        #expect(Files.status(out + "/priv/static")?.st_mode == S_IFDIR | 0o755)
        if long {
            #expect(try Files.text(out + "/" + longDirectory + "x.txt") == "deep")
            #expect(try Files.text(out + "/priv/" + longName) == "long")
        }
    }

    @Test(arguments: ["v7", "oldgnu", "gnu", "ustar", "pax"])
    func gnuTar_isRead_inEveryFormat(format: String) throws {
        // Only these three can hold the long names.
        let long = ["oldgnu", "gnu", "pax"].contains(format)
        if long { try addLongNames() }
        let path = scratch.path + "/x.tar.gz"
        for names in [".", "manifest.json lib priv"] {
            try #require(
                Shell.run(
                    "cd '\(scratch.path)/in' && tar --format=\(format) -czf '\(path)' \(names)")
                    == 0)
            try check(path, long: long)
        }
    }

    @Test(arguments: ["USTAR_FORMAT", "GNU_FORMAT", "PAX_FORMAT"])
    func pythonTarfile_isRead_inEveryFormat(format: String) throws {
        if format != "USTAR_FORMAT" { try addLongNames() }
        let path = scratch.path + "/x.tar.gz"
        let program = """
            import tarfile
            with tarfile.open('\(path)', 'w:gz', format=tarfile.\(format)) as t:
                for n in ['manifest.json', 'lib', 'priv']: t.add('\(scratch.path)/in/' + n, n)
            """
        try scratch.write(program, to: "pack.py")
        try #require(Shell.run("python3 '\(scratch.path)/pack.py'") == 0)
        try check(path, long: format != "USTAR_FORMAT")
    }

    @Test func shippedPacker_isRead_byGNUTarAndByOurselves() throws {
        try addLongNames()
        let path = scratch.path + "/x.tar.gz"
        let packed = try BundleWriter().pack(scratch.path + "/in", to: path)
        #expect(packed.digest == (try SHA256.digest(ofFile: path)))
        try scratch.write("", to: "out/.keep")
        try #require(Shell.run("tar -xzf '\(path)' -C '\(scratch.path)/out'") == 0)
        #expect(try scratch.read("out/lib/libdemo.so") == "library")
        #expect(try scratch.read("out/" + longDirectory + "x.txt") == "deep")
        #expect(try scratch.read("out/priv/" + longName) == "long")
        #expect(try scratch.read("out/priv/static/start.html") == "<p>")
        let bundle = try Installer(layout).prepare(archive: path)
        #expect(try Files.text(bundle.directory + "/priv/" + longName) == "long")
        // A time of zero is no time: the file is as old as its installation.
        let index = try #require(Files.status(bundle.directory + "/priv/static/index.html"))
        #expect(index.st_mtim.tv_sec > 1_700_000_000)
    }

    @Test func concatenatedMembers_areOneArchive() throws {
        let path = scratch.path + "/x.tar.gz"
        try #require(
            Shell.run(
                "cd '\(scratch.path)/in' && tar -cf ../x.tar manifest.json lib priv && cd .."
                    + " && (head -c 700 x.tar | gzip; tail -c +701 x.tar | gzip -1;"
                    + " gzip </dev/null)"
                    + " > x.tar.gz") == 0)
        try check(path, long: false)
    }

    @Test func libraryWithItsNumber_isExecutable() throws {
        try scratch.write("x", to: "in/lib/libz.so.1.2")
        try scratch.write("x", to: "in/lib/notes.sort.txt")
        let path = scratch.path + "/x.tar.gz"
        _ = try BundleWriter().pack(scratch.path + "/in", to: path)
        let bundle = try Installer(layout).prepare(archive: path)
        #expect(Files.status(bundle.directory + "/lib/libz.so.1.2")?.st_mode == S_IFREG | 0o755)
        #expect(Files.status(bundle.directory + "/lib/notes.sort.txt")?.st_mode == S_IFREG | 0o644)
    }

    @Test func numbers_areRead_inOctalAndBase256() {
        #expect(TarHeader.number(Array("0000644\0".utf8)[...]) == 0o644)
        #expect(TarHeader.number(Array("   644 \0".utf8)[...]) == 0o644)
        #expect(TarHeader.number(Array("\0\0\0\0\0\0\0\0".utf8)[...]) == 0)
        #expect(TarHeader.number(Array("777777777777".utf8)[...]) == 0o777777777777)
        #expect(TarHeader.number([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]) == 258)
        #expect(TarHeader.number([UInt8](repeating: 0xFF, count: 12)[...]) == -1)
        #expect(
            TarHeader.number([0x80, 0, 0, 0, 0x7F] + [UInt8](repeating: 0xFF, count: 7)) == .max)
        #expect(TarHeader.number([0x80, 0, 0, 0, 0x80] + [UInt8](repeating: 0, count: 7)) == nil)
        #expect(TarHeader.number(Array("0000648\0".utf8)[...]) == nil)
        #expect(TarHeader.number(Array("64 4\0".utf8)[...]) == nil)
        #expect(TarHeader.number(Array("-644\0".utf8)[...]) == nil)
    }

    @Test func signedCheckSum_isAccepted_asOldTarsWroteIt() throws {
        var tar = TarBuilder()
        tar.addPlugin()
        tar.add("priv/größe", Array("x".utf8), signedChecksum: true)
        let path = scratch.path + "/x.tar.gz"
        try tar.gzipped(at: path)
        let bundle = try Installer(layout).prepare(archive: path)
        #expect(try Files.text(bundle.directory + "/priv/größe") == "x")
    }

    @Test func paxRecords_winOverTheHeader_andEmptyOnesTakeThemBack() throws {
        var tar = TarBuilder()
        tar.addPlugin()
        tar.addPax([("mtime", "1600000000.5"), ("comment", "all")], type: "g")
        tar.addPax([("path", "priv/from-pax"), ("size", "3")])
        tar.add("priv/from-header", Array("abc".utf8), size: 0)
        tar.addPax([("mtime", "")])
        tar.add("priv/second", Array("d".utf8), mtime: 1_500_000_000)
        let path = scratch.path + "/x.tar.gz"
        try tar.gzipped(at: path)
        let bundle = try Installer(layout).prepare(archive: path)
        #expect(try Files.text(bundle.directory + "/priv/from-pax") == "abc")
        #expect(!Files.exists(bundle.directory + "/priv/from-header"))
        let first = Files.status(bundle.directory + "/priv/from-pax")
        #expect(first?.st_mtim.tv_sec == 1_600_000_000)
    }

    @Test func hardLinks_areFilesLikeAnyOther() throws {
        try #require(Shell.run("cd '\(scratch.path)/in/lib' && ln libdemo.so a.so") == 0)
        let path = scratch.path + "/x.tar.gz"
        // The archive names a.so first, so the library itself is the link.
        try #require(
            Shell.run(
                "cd '\(scratch.path)/in' && tar -czf '\(path)' manifest.json lib/a.so lib priv")
                == 0)
        #expect(throws: HostError.self) {
            _ = try Installer(layout).prepare(archive: path).manifest
        }
        try #require(
            Shell.run(
                "cd '\(scratch.path)/in' && tar --sort=name -czf '\(path)' manifest.json lib priv")
                == 0)
        let bundle = try Installer(layout).prepare(archive: path)
        #expect(try Files.text(bundle.library) == "library")
        #expect(bundle.files.contains { $0.path == "lib/libdemo.so" && $0.bytes == 7 })
    }
}
