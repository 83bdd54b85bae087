import Foundation
import Testing

/// From a bundle to a served plugin, and what the commands tell about it.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct InstallTests {
    let root: Root

    init() throws { root = try Root() }

    @Test func installedPlugin_isServed_withoutRestart() throws {
        let host = try HostProcess(root)
        #expect(try host.get("/plugin/sound/api/hello").status == 404)

        try root.must("install", Fixtures.bundle("sound"))

        let response = try host.get("/plugin/sound/api/hello")
        #expect(response.status == 200)
        #expect(response.text == hello)
        #expect(response["content-type"] == "application/json")
        #expect(try host.get("/plugin/sound/").text.contains("<title>sound</title>"))
    }

    @Test func status_hasTheFieldsThatAreDocumented() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))

        let status = try root.status("sound")
        #expect(status["name"].string == "sound")
        #expect(status["version"].string == "1.0.0")
        #expect(status["state"].string == "active")
        #expect(status["mode"].string == "in-process")
        #expect(status["generation"].number == 1)
        #expect(status["in_flight"].number == 0)
        #expect(
            status["routes"].strings
                == ["GET /plugin/sound/api/hello", "GET /plugin/sound/api/version"])
        #expect(status["unload"]["verdict"].string == "close")
        #expect(status["unload"]["reasons"] == .array([]))
        #expect(status.members.keys.contains("last_unload"))
        #expect(status["last_unload"] == .null)

        let digest = try Command.succeed(["/usr/bin/sha256sum", root.library("sound")]).output
        #expect(status["digest"].string == String(digest.prefix(64)))

        let version = try #require(try host.get("/plugin/sound/api/version").json)
        #expect(version["generation"] == status["generation"])
    }

    @Test func listAndRoutes_nameEveryPlugin() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("versioned_v1"))

        let list = try root.list()
        #expect(list == ["sound", "versioned"])
        let table = try root.must("list").output
        #expect(table.contains("sound") && table.contains("versioned"))

        let routes = try root.must("routes").output
        #expect(routes.contains("/plugin/versioned/api/which"))
        let text = try root.must("routes", "--json").output
        #expect(try JSON(parsing: text) != .null)
        #expect(text.contains("/plugin/versioned/api/which"))
        #expect(try host.hello("sound") == hello)
    }

    @Test func layout_isAsDocumented() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        for name in [
            "sound.tar.gz", "lib/libsound.so", "priv/static/index.html", "manifest.json", "sqlite",
            "events", "run",
        ] {
            #expect(
                FileManager.default.fileExists(atPath: "\(root.plugin("sound"))/\(name)"), "\(name)"
            )
        }
        #expect(host.maps(of: "sound").allSatisfy { $0.contains("/sound/run/") })
        #expect(!host.maps(of: "sound").isEmpty)
    }

    @Test func pluginInstalledOffline_isServedAtTheNextStart() throws {
        try root.must("install", Fixtures.bundle("sound"))
        #expect(try root.status("sound")["version"].string == "1.0.0")
        let host = try HostProcess(root)
        #expect(try host.hello("sound") == hello)
    }

    @Test func pluginInstalledWithoutActivation_isServedOnceActivated() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"), "--no-activate")
        #expect(try root.status("sound")["state"].string == "inactive")
        #expect(host.maps(of: "sound").isEmpty)
        try root.must("activate", "sound")
        #expect(try host.hello("sound") == hello)
    }

    @Test func restart_bringsBackWhatWasActive() throws {
        var host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("versioned_v1"))
        try root.must("deactivate", "versioned")
        #expect(try host.terminate() == 0)

        host = try HostProcess(root)
        #expect(try host.hello("sound") == hello)
        #expect(try root.status("versioned")["state"].string == "inactive")
        #expect(host.maps(of: "versioned").isEmpty)
        let generation = try #require(try root.status("sound")["generation"].number)
        #expect(generation == 2)
    }

    @Test func upgrade_replacesCodeAndManifest_whenANewerBundleIsInstalled() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("versioned_v1"))
        #expect(try host.get("/plugin/versioned/api/which").text == "1.0.0")

        try root.must("install", Fixtures.bundle("versioned_v2"))

        #expect(try host.get("/plugin/versioned/api/which").text == "2.0.0")
        #expect(try root.status("versioned")["version"].string == "2.0.0")
        try root.waitForStatus("versioned", "generation 1 is unloaded") {
            $0["last_unload"]["generation"].number == 1
                && $0["last_unload"]["verdict"].string == "unloaded"
        }
        try host.waitUntilUnmapped("versioned", except: 2)
    }

    @Test(arguments: ["cp", "mv"])
    func upgrade_happens_whenTheBundleIsReplacedInPlace(_ way: String) throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("versioned_v1"))
        let place = "\(root.plugin("versioned"))/versioned.tar.gz"
        let files = try TemporaryDirectory()
        try Command.succeed(["/bin/cp", Fixtures.bundle("versioned_v2"), files("new.tar.gz")])

        try Command.succeed(["/bin/\(way)", files("new.tar.gz"), place])

        try eventually("version 2.0.0 answers") {
            try host.get("/plugin/versioned/api/which").text == "2.0.0"
        }
        try root.waitForStatus("versioned", "version 2.0.0") { $0["version"].string == "2.0.0" }
        let manifest = try JSON(
            parsing: Data(
                contentsOf: URL(fileURLWithPath: "\(root.plugin("versioned"))/manifest.json")))
        #expect(manifest["version"].string == "2.0.0")
        // And on from there, in the ordinary way.
        try root.must("install", Fixtures.bundle("versioned_v1"))
        #expect(try host.get("/plugin/versioned/api/which").text == "1.0.0")
    }

    @Test func hostPack_packsWhatInstallTakes() throws {
        let directory = try TemporaryDirectory()
        let bundle = directory("packed.tar.gz")
        try Command.succeed([
            HostProcess.binary, "pack", Fixtures.directory("sound"), "-o", bundle,
        ])
        let host = try HostProcess(root)
        try root.must("install", bundle)
        #expect(try host.hello("sound") == hello)
    }

    @Test func serve_endsWithStatusZero_onSIGTERM() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        #expect(try host.terminate() == 0)
    }

    @Test func secondServe_isRefused_whileOneRunsOnTheRoot() throws {
        let host = try HostProcess(root)
        let second = try root.host("serve", "--listen", "127.0.0.1:0")
        expectRefusal(second, root.path)
        #expect(try host.get("/").status == 200)
    }

    @Test func libraryReplacedWhileNoHostRan_isServedAtTheNextStart() throws {
        var host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        #expect(try host.terminate() == 0)
        let files = try TemporaryDirectory()
        let code = try files.write("new.so", Fixtures.code("sound", saying: 77))
        try Command.succeed(["/bin/cp", code, root.library("sound")])

        host = try HostProcess(root)

        #expect(try host.hello("sound") == Fixtures.hello(saying: 77))
        let digest = try Command.succeed(["/usr/bin/sha256sum", code]).output.prefix(64)
        #expect(try root.status("sound")["digest"].string == String(digest))
    }

    @Test func adminSocket_isForItsOwnerOnly_andSpeaksHTTPAndJSON() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        let socket = "\(root.path)/host.sock"
        let attributes = try FileManager.default.attributesOfItem(atPath: socket)
        #expect(attributes[.posixPermissions] as? Int == 0o600)

        let curl = try Command.succeed([
            "/usr/bin/curl", "--silent", "--fail", "--unix-socket", socket,
            "http://localhost/plugins/sound",
        ])
        #expect(try JSON(parsing: curl.output)["name"].string == "sound")

        let admin = try HTTPClient(unixSocket: socket)
        let list = try admin.get("/plugins")
        #expect(list.json?["plugins"][0]["name"].string == "sound")
        let missing = try admin.get("/plugins/nobody")
        #expect(missing.status == 404)
        #expect(missing.json?["error"]["code"].string != nil)
        #expect(missing.json?["error"]["fix"].string != nil)
        // A request that needs to say nothing has no body; null is one.
        #expect(try admin.request("POST", "/plugins/sound/reload").status == 200)
        let null = try admin.request("POST", "/plugins/sound/reload", body: "null")
        #expect(null.status == 400)
        #expect(null.json?["error"]["why"][0].string == "the body is null, not an object")
        // What the admin socket answers is not to be had over TCP.
        #expect(try host.get("/plugins/sound").status == 404)
    }
}
