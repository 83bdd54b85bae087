import Glibc
import HostModel
import Testing

@testable import PluginHost

@Suite struct InstallerTests {
    private let scratch: Scratch
    private let layout: RootLayout
    private let installer: Installer
    private let name: PluginName

    init() throws {
        scratch = try Scratch()
        layout = try scratch.root()
        installer = Installer(layout)
        name = try PluginName(checking: "demo")
    }

    @discardableResult
    private func install(_ version: String) throws -> InstalledPlugin {
        var tar = TarBuilder()
        tar.addPlugin(version: version, library: Array("library \(version)".utf8))
        tar.add("priv/static/index.html", Array("page \(version)".utf8))
        let path = scratch.path + "/demo.tar.gz"
        try tar.gzipped(at: path)
        return try installer.install(installer.prepare(archive: path))
    }

    @Test func plugin_isInstalled_inTheStandardLayout() throws {
        let plugin = try install("1.0.0")
        let directory = layout.plugin(name)
        #expect(plugin.directory == directory && plugin.sequence == 1)
        #expect(plugin.manifest.version.description == "1.0.0")
        #expect(plugin.bundleDigest == (try SHA256.digest(ofFile: directory.bundle)))
        let library = directory.library(plugin.manifest)
        #expect(plugin.installedLibraryDigest == (try SHA256.digest(ofFile: library)))
        #expect(try Files.text(directory.staticFiles + "/index.html") == "page 1.0.0")
        for path in [directory.sqlite, directory.events, directory.run] {
            #expect(Files.status(path)?.st_mode == S_IFDIR | 0o700)
        }
        #expect(try Directory.entries(of: layout.staging).isEmpty)
        #expect(try layout.installedNames() == [name])
    }

    @Test func upgrade_changesEverythingTogether_andLeavesTheDataAlone() throws {
        let old = try install("1.0.0")
        let directory = layout.plugin(name)
        try Descriptor(opening: directory.sqlite + "/a.db", flags: O_CREAT | O_WRONLY, mode: 0o600)
            .write("data".utf8)
        let inode = try #require(Files.status(directory.sqlite)).st_ino
        let new = try install("1.1.0")
        #expect(new.sequence == 2 && new.manifest.version.description == "1.1.0")
        #expect(try Files.text(directory.lib + "/libdemo.so") == "library 1.1.0")
        #expect(try Files.text(directory.priv + "/static/index.html") == "page 1.1.0")
        #expect(try Files.text(directory.manifest).contains("1.1.0"))
        #expect(new.bundleDigest == (try SHA256.digest(ofFile: directory.bundle)))
        #expect(try Files.text(directory.sqlite + "/a.db") == "data")
        #expect(Files.status(directory.sqlite)?.st_ino == inode)
        // What still runs of the old release finds its files where they were.
        #expect(try Files.text(old.releaseDirectory + "/priv/static/index.html") == "page 1.0.0")
    }

    @Test func replacedLibrary_isWrittenThroughTheLink() throws {
        let plugin = try install("1.0.0")
        let directory = layout.plugin(name)
        try scratch.write("by hand", to: "new.so")
        try #require(Shell.run("cp '\(scratch.path)/new.so' '\(directory.lib)/libdemo.so'") == 0)
        #expect(try Files.text(plugin.releaseDirectory + "/lib/libdemo.so") == "by hand")
        try #require(Shell.run("mv '\(scratch.path)/new.so' '\(directory.lib)/libdemo.so'") == 0)
        #expect(
            try installer.installed(name).installedLibraryDigest == plugin.installedLibraryDigest)
        // Installing the same bundle again brings its own library back.
        try install("1.0.0")
        #expect(try Files.text(directory.lib + "/libdemo.so") == "library 1.0.0")
    }

    @Test func earlierReleases_areKept_butNotForEver() throws {
        for minor in 0..<6 {
            try install("1.\(minor).0")
            _ = try installer.prune(name, keeping: ["000001-1.0.0"])
        }
        #expect(try installer.prune(name) == ["000001-1.0.0"])
        let releases = try installer.releases(of: layout.plugin(name)).map(\.text)
        #expect(releases == ["000003-1.2.0", "000004-1.3.0", "000005-1.4.0", "000006-1.5.0"])
        #expect(try Directory.entries(of: layout.staging).isEmpty)
    }

    @Test func rollback_goesOneBack_orToAVersion() throws {
        for version in ["1.0.0", "1.1.0", "1.2.0-rc.1"] { try install(version) }
        #expect(try installer.rollback(name).manifest.version.description == "1.1.0")
        let directory = layout.plugin(name)
        #expect(try Files.text(directory.lib + "/libdemo.so") == "library 1.1.0")
        #expect(try installer.rollback(name).sequence == 1)
        let error = #expect(throws: HostError.self) { try installer.rollback(name) }
        #expect(error?.code == "release_missing")
        let version = try #require(SemanticVersion("1.2.0-rc.1"))
        #expect(try installer.rollback(name, to: version).sequence == 3)
        let missing = #expect(throws: HostError.self) {
            try installer.rollback(name, to: SemanticVersion("9.0.0"))
        }
        #expect(missing?.reasons.first?.contains("000001-1.0.0, 000002-1.1.0") == true)
        // The next installation never takes the number of a release that is there.
        #expect(try install("2.0.0").sequence == 4)
    }

    @Test func removal_takesEverything_orKeepsTheData() throws {
        try install("1.0.0")
        #expect(try installer.remove(name, keepData: false) == nil)
        #expect(!Files.exists(layout.plugin(name).path))
        try install("1.0.0")
        try Descriptor(
            opening: layout.plugin(name).events + "/e.db", flags: O_CREAT | O_WRONLY, mode: 0o600
        ).write("events".utf8)
        let kept = try #require(try installer.remove(name, keepData: true))
        #expect(try Files.tree(kept) == ["events", "events/e.db", "sqlite"])
        #expect(try Directory.entries(of: layout.plugins).isEmpty)
        #expect(try Directory.entries(of: layout.staging).isEmpty)
        let error = #expect(throws: HostError.self) { try installer.remove(name, keepData: false) }
        #expect(error?.code == "plugin_not_installed")
        #expect(try install("1.0.0").sequence == 1)
    }

    @Test func preparedBundle_goesAway_whenItIsNotInstalled() throws {
        var tar = TarBuilder()
        tar.addPlugin()
        let path = scratch.path + "/demo.tar.gz"
        try tar.gzipped(at: path)
        do {
            let bundle = try installer.prepare(archive: path)
            #expect(Files.exists(bundle.library))
        }
        #expect(try Directory.entries(of: layout.staging).isEmpty)
        #expect(try layout.installedNames().isEmpty)
    }

    @Test func recovery_clearsWhatWasCutShort() throws {
        try install("1.0.0")
        let directory = layout.plugin(name)
        try scratch.write("half", to: "root/staging/abc/release/lib/x")
        #expect(symlink("releases/000009-9.0.0", directory.path + "/.current.new") == 0)
        try scratch.write("half", to: "root/removed/gone-1/lib/x")
        try scratch.write("data", to: "root/removed/gone-1/sqlite/x")
        #expect(try installer.recover() == ["staging/abc", "plugins/demo/.current.new"])
        #expect(try installer.recover() == [])
        #expect(try Files.tree(layout.removed) == ["gone-1", "gone-1/sqlite", "gone-1/sqlite/x"])
        #expect(try Files.text(directory.lib + "/libdemo.so") == "library 1.0.0")
    }

    @Test func pluginWithoutARelease_isNamed() throws {
        try install("1.0.0")
        try Directory.remove(layout.plugin(name).current)
        let error = #expect(throws: HostError.self) { try installer.installed(name) }
        #expect(error?.code == "release_unreadable")
        #expect(try install("1.1.0").sequence == 2)
    }

    @Test func upgrade_isRefused_whenALinkWasReplacedByHand() throws {
        try install("1.0.0")
        let directory = layout.plugin(name)
        try Directory.remove(directory.lib)
        try Directory.create(directory.lib, mode: 0o755)
        let error = #expect(throws: HostError.self) { try install("1.1.0") }
        #expect(error?.code == "layout_changed")
        #expect(error?.reasons == ["lib is not the link to current/lib that the host made"])
        #expect(try installer.installed(name).manifest.version.description == "1.0.0")
        #expect(try installer.releases(of: directory).count == 1)
    }
}
