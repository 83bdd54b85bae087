import Foundation
import Glibc
import Testing

/// What an operator sets, from the files and variables to the plugin.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct ConfigurationTests {
    let root: Root

    init() throws {
        root = try Root()
        try FileManager.default.createDirectory(
            atPath: root.path + "/config", withIntermediateDirectories: true)
    }

    /// Puts a file in its place as editors do, in one step.
    private func write(_ name: String, _ configuration: String, enabled: Bool? = nil) throws {
        let enabled = enabled.map { "\"enabled\": \($0), " } ?? ""
        try writeFile(
            name, #"{"plugins": {"counting": {\#(enabled)"configuration": \#(configuration)}}}"#)
    }

    private func writeFile(_ name: String, _ text: String) throws {
        try text.write(toFile: "\(root.path)/config/\(name)", atomically: true, encoding: .utf8)
    }

    private func configuration(_ host: HostProcess) throws -> JSON {
        try JSON(parsing: host.get("/plugin/counting/api/configuration").text)
    }

    private func count(_ host: HostProcess) throws -> String {
        try host.client().request("POST", "/plugin/counting/api/count", body: "").text
    }

    /// The origin of each value that `host config` shows.
    private func origins() throws -> [String: String] {
        let report = try JSON(parsing: root.must("config", "counting", "--json").output)
        let pairs = report["values"].elements.map { ($0["key"].string ?? "", $0["origin"].string) }
        return Dictionary(uniqueKeysWithValues: pairs).compactMapValues { $0 }
    }

    @Test func eachLayer_goesBeforeTheOnesBelow_andIsNamed() throws {
        try write("local.json", #"{"step": 3, "restore": null}"#)
        try write("production.json", #"{"step": 2, "title": "Production", "save": "fails"}"#)
        let host = try HostProcess(
            root, environment: ["PLUGIN_HOST_COUNTING_KEY": "42"],
            options: ["--environment", "production"])
        try root.must("install", Fixtures.bundle("counting"))
        let values = try configuration(host)
        #expect(values["step"].number == 3)
        #expect(values["title"].string == "Production")
        #expect(values["key"].string == "42")
        #expect(values["quiet"] == .bool(true))
        #expect(values["restore"] == .null)
        #expect(
            try origins() == [
                "/step": "config/local.json", "/title": "config/production.json",
                "/save": "config/production.json", "/key": "$PLUGIN_HOST_COUNTING_KEY",
                "/observer": "default", "/quiet": "default", "/start": "default",
            ])
        #expect(try host.terminate() == 0)
        // Without a daemon the command puts it together by itself.
        #expect(try origins()["/title"] == "manifest")
    }

    @Test func invalidConfiguration_isRefusedWithEveryObjection_andInstallsOnceItIsMended() throws {
        try write("local.json", #"{"step": 0, "title": "", "stepp": 1}"#)
        let host = try HostProcess(root)
        let refused = try root.host("install", Fixtures.bundle("counting"))
        expectRefusal(
            refused, "counting", "/step", "at least 1", "/title", "/stepp",
            "did you mean \"step\"?",
            "config/local.json")
        #expect(try root.list() == [])
        try write("local.json", #"{"step": 5}"#)
        try root.must("install", Fixtures.bundle("counting"))
        #expect(try count(host) == "5")
    }

    @Test func change_reachesAnObserverWithoutAReload_whichMayRefuseIt() throws {
        try write("local.json", #"{"step": 1, "observer": "takes"}"#)
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("counting"))
        #expect(try count(host) == "1")
        try write("local.json", #"{"step": 10, "observer": "takes"}"#)
        try eventually("the new step counts") { try configuration(host)["step"].number == 10 }
        #expect(try count(host) == "11")

        try write("local.json", #"{"step": 100, "observer": "refuses"}"#)
        let status = try root.waitForStatus("counting", "the refusal is told") {
            $0["configuration"]["error"] != .null
        }
        #expect("\(status["configuration"]["error"])".contains("it does not like that"))
        #expect(status["generation"].number == 1)
        #expect(try configuration(host)["step"].number == 10)
        #expect(try count(host) == "21")
        #expect(host.log.contains("what was in force stays"))
    }

    @Test func change_reloadsAPluginThatDoesNotObserve_andKeepsItsState() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("counting"))
        #expect(try count(host) == "1")
        try write("local.json", #"{"step": 10}"#)
        try root.waitForStatus("counting", "it is reloaded") { $0["generation"].number == 2 }
        #expect(try count(host) == "11")
    }

    @Test(arguments: [#"{"plugins": {"counting": {"configuration": {"step": "x"}}}}"#, "{"])
    func invalidChange_isRefused_andTheOldConfigurationStays(text: String) throws {
        try write("local.json", #"{"step": 2}"#)
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("counting"))
        try writeFile("local.json", text)
        try root.waitForStatus("counting", "the error is told") {
            "\($0["configuration"]["error"])".contains("config/local.json")
        }
        #expect(try count(host) == "2")
        #expect(try root.host("config", "--check").status == 1)
        #expect(try root.host("config", "counting").status == 1)
        try write("local.json", #"{"step": 3}"#)
        try root.waitForStatus("counting", "it is reloaded") { $0["generation"].number == 2 }
        #expect(try count(host) == "5")
        #expect(try root.must("config", "--check").output == "every configuration is valid\n")
    }

    @Test func secrets_areHandedToThePlugin_andShownNowhere() throws {
        let secret = "hunter2-\(UInt32.random(in: 0 ... .max))"
        let file = root.path + "/secret"
        try (secret + "\n").write(toFile: file, atomically: true, encoding: .utf8)
        try #require(chmod(file, 0o644) == 0)
        try write("local.json", #"{"key": {"$secret": {"file": "\#(file)"}}}"#)
        let host = try HostProcess(root, environment: ["FOREIGN_SECRET": "\(secret)-2"])
        try root.must("install", Fixtures.bundle("counting"))
        #expect(try configuration(host)["key"].string == secret)
        let shown = try root.must("config", "counting")
        #expect(shown.output.contains("/key"))
        #expect(shown.output.contains("***"))
        #expect(shown.output.contains(file))
        #expect(shown.output.contains("chmod 600"))
        #expect(host.log.contains("chmod 600 \(file)"))

        try write("local.json", #"{"key": {"$secret": {"environment": "FOREIGN_SECRET"}}}"#)
        try eventually("the other secret") {
            try configuration(host)["key"].string == secret + "-2"
        }
        // Not even an objection to it quotes it.
        try write(
            "local.json", #"{"step": {"$secret": {"file": "\#(file)"}}, "title": 1}"#)
        try root.waitForStatus("counting", "the error is told") {
            $0["configuration"]["error"] != .null
        }
        let told = try [
            root.must("status", "counting", "--json").output,
            root.host("config", "counting").output,
            root.host("config", "counting").errors, root.must("list", "--json").output, host.log,
        ].joined()
        #expect(!told.contains("hunter2"))
    }

    @Test func secretFile_isReadAgain_atSIGHUP() throws {
        let file = root.path + "/secret"
        try "one".write(toFile: file, atomically: true, encoding: .utf8)
        try write(
            "local.json", #"{"observer": "takes", "key": {"$secret": {"file": "\#(file)"}}}"#)
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("counting"))
        #expect(try configuration(host)["key"].string == "one")
        try "two".write(toFile: file, atomically: true, encoding: .utf8)
        host.process.send(signal: SIGHUP)
        try eventually("the new secret") { try configuration(host)["key"].string == "two" }
        #expect(try root.status("counting")["generation"].number == 1)
    }

    @Test func disabledPlugin_restsWithoutBeingRemoved_andServesAgainWhenItIsEnabled() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("counting"))
        #expect(try count(host) == "1")
        try write("local.json", "{}", enabled: false)
        try root.waitForStatus("counting", "it is disabled") { $0["state"].string == "disabled" }
        #expect(try host.get("/plugin/counting/api/count").status == 503)
        try host.waitUntilUnmapped("counting")
        expectRefusal(try root.host("activate", "counting"), "disabled", "host config counting")
        expectRefusal(try root.host("reload", "counting"), "disabled")
        #expect(
            try root.must("config", "counting").output.contains("disabled by config/local.json"))
        #expect(try host.terminate() == 0)

        let again = try HostProcess(root)
        #expect(try root.status("counting")["state"].string == "disabled")
        try write("local.json", "{}", enabled: true)
        try root.waitForStatus("counting", "it serves") { $0["state"].string == "active" }
        #expect(try count(again) == "1")
    }
}
