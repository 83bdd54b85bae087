import Glibc
import HostModel
import Testing

@testable import PluginHost

@Suite struct LayoutTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    @Test func root_comesFromTheEnvironment_inTheDocumentedOrder() {
        let home = ["HOME": "/people/a"]
        #expect(RootLayout.standard(environment: home).root == "/people/a/.local/share/plugin-host")
        let data = home.merging(["XDG_DATA_HOME": "/data"]) { $1 }
        #expect(RootLayout.standard(environment: data).root == "/data/plugin-host")
        let relative = home.merging(["XDG_DATA_HOME": "data"]) { $1 }
        #expect(
            RootLayout.standard(environment: relative).root == "/people/a/.local/share/plugin-host")
        let all = data.merging(["PLUGIN_HOST_ROOT": "/srv/host/"]) { $1 }
        #expect(RootLayout.standard(environment: all).root == "/srv/host")
        let empty = data.merging(["PLUGIN_HOST_ROOT": ""]) { $1 }
        #expect(RootLayout.standard(environment: empty).root == "/data/plugin-host")
        #expect(RootLayout(root: "here").root.hasSuffix("/here"))
        #expect(RootLayout(root: "here").root.hasPrefix("/"))
    }

    @Test func root_isCreatedForItsOwnerAlone_withItsParents() throws {
        let layout = RootLayout(root: scratch.path + "/a/b/root")
        try layout.create()
        try layout.create()
        #expect(Files.status(layout.root)?.st_mode == S_IFDIR | 0o700)
        #expect(Files.status(layout.plugins)?.st_mode == S_IFDIR | 0o755)
    }

    @Test func root_isRefusedWithACure_whenAFileIsThere() throws {
        try scratch.write("x", to: "file")
        let error = #expect(throws: HostError.self) {
            try RootLayout(root: scratch.path + "/file").create()
        }
        #expect(error?.code == "root_unusable" && error?.systemError == ENOTDIR)
        #expect(error?.remedy.isEmpty == false)
    }

    @Test func lock_isHeldByOne_andNamesIt() throws {
        let layout = try scratch.root()
        do {
            let lock = try RootLock(layout)
            let error = #expect(throws: HostError.self) { _ = try RootLock(layout) }
            #expect(error?.code == "root_locked")
            #expect(error?.reasons == ["process \(getpid()) holds its lock"])
            _ = consume lock
        }
        _ = try RootLock(layout)
    }

    @Test func tree_isRemoved_withoutFollowingLinks() throws {
        try scratch.write("kept", to: "outside/file")
        try scratch.write("x", to: "tree/a/b/c")
        #expect(symlink(scratch.path + "/outside", scratch.path + "/tree/a/link") == 0)
        try Directory.remove(scratch.path + "/tree")
        #expect(!Files.exists(scratch.path + "/tree"))
        #expect(try scratch.read("outside/file") == "kept")
        try Directory.remove(scratch.path + "/tree")
    }

    @Test func reading_isRefused_beyondTheLimit() throws {
        try scratch.write(String(repeating: "x", count: 1000), to: "file")
        let path = scratch.path + "/file"
        #expect(
            try Descriptor(opening: path, flags: O_RDONLY).readAll(bytesMax: 1000).count == 1000)
        let error = #expect(throws: HostError.self) {
            try Descriptor(opening: path, flags: O_RDONLY).readAll(bytesMax: 999)
        }
        #expect(error?.code == "file_too_large")
    }

    @Test func digest_isTheKnownOne() throws {
        #expect(
            SHA256.digest(of: Array("abc".utf8)).hex
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            SHA256.digest(of: []).hex
                == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        try scratch.write(String(repeating: "a", count: 1_000_000), to: "million")
        #expect(
            try SHA256.digest(ofFile: scratch.path + "/million").hex
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }
}
