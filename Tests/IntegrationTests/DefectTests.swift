import Foundation
import Testing

/// Bundles with one defect each: refused before they do harm, by name, and nothing else notices.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct DefectTests {
    struct Defect: CustomTestStringConvertible, Sendable {
        let fixture: String
        /// What the refusal must name.
        let mentions: [String]
        /// For what hangs: the deadline that its manifest asks for.
        var startSeconds: Int?

        var testDescription: String { fixture }
    }

    static let defects: [Defect] = [
        Defect(fixture: "missing_entry", mentions: ["ph_plugin_entry"]),
        Defect(fixture: "entry_returns_null", mentions: ["entry-returns-null"]),
        Defect(fixture: "abi_too_new", mentions: ["ABI 3"]),
        Defect(fixture: "abi_too_new_without_note", mentions: ["ABI 3"]),
        Defect(fixture: "struct_too_small", mentions: ["ph_plugin_entry"]),
        Defect(fixture: "handle_missing", mentions: ["handle"]),
        Defect(fixture: "manifest_differs", mentions: ["1.0.0", "2.0.0", "version"]),
        Defect(fixture: "manifest_name_invalid", mentions: ["Not_A_Name"]),
        Defect(fixture: "duplicate_routes", mentions: ["GET"]),
        Defect(fixture: "ambiguous_routes", mentions: ["/notes/{id}", "/notes/{name}"]),
        Defect(fixture: "invalid_pattern", mentions: ["/files/{path...}/info"]),
        Defect(fixture: "unresolved_symbol", mentions: ["fixture_function_that_nobody_defines"]),
        Defect(fixture: "needs_missing_library", mentions: ["libfixture-absent.so"]),
        Defect(fixture: "constructor_crashes", mentions: ["constructor-crashes"]),
        Defect(fixture: "constructor_exits", mentions: ["constructor-exits"]),
        Defect(fixture: "constructor_hangs", mentions: ["constructor-hangs"], startSeconds: 1),
        Defect(fixture: "entry_crashes", mentions: ["entry-crashes"]),
        Defect(fixture: "init_fails", mentions: ["the moon is not full"]),
        Defect(fixture: "init_hangs", mentions: ["init"], startSeconds: 1),
        Defect(fixture: "start_fails", mentions: ["the database is locked"]),
        Defect(fixture: "start_hangs", mentions: ["start"], startSeconds: 1),
        Defect(fixture: "unhealthy_at_start", mentions: ["the disk is full"]),
    ]

    @Test(arguments: defects)
    func defectivePlugin_isRefusedByName_andTheOthersServeOn(_ defect: Defect) throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        let neighbour = try host.client()
        let draft = try DraftBundle(copying: defect.fixture)
        if let seconds = defect.startSeconds {
            let manifest = String(decoding: try draft.read("manifest.json"), as: UTF8.self)
            try draft.write(
                "manifest.json",
                manifest.replacingOccurrences(
                    of: #"{"name""#, with: #"{"limits":{"startSeconds":\#(seconds)},"name""#))
        }

        expectRefusal(try root.host("install", draft.pack()), defect.mentions)

        #expect(try neighbour.get("/plugin/sound/api/hello").text == hello)
        #expect(!host.process.hasEnded)
        let list = try root.list()
        #expect(list == ["sound"])
        let plugins = try FileManager.default.contentsOfDirectory(atPath: "\(root.path)/plugins")
        #expect(plugins.filter { !$0.hasPrefix(".") } == ["sound"])
        #expect(try root.status("sound")["generation"].number == 1)
    }

    @Test func everyObjection_isListedAtOnce() throws {
        let draft = try DraftBundle(copying: "missing_entry")
        try draft.write(
            "manifest.json",
            #"{"name":"Bad_Name","version":"one","abi":"nine","colour":"red"}"#)
        let root = try Root()
        let host = try HostProcess(root)
        expectRefusal(
            try root.host("install", draft.pack()), "Bad_Name", "one", "nine", "colour")
        #expect(!host.process.hasEnded)
    }

    @Test(arguments: ["../evil", "a/b", ".", "..", "", "UPPER", "a..b", "-a"])
    func manifestName_isRefused_whenItIsNoPluginName(_ name: String) throws {
        let draft = try DraftBundle(copying: "sound")
        let manifest = String(decoding: try draft.read("manifest.json"), as: UTF8.self)
        try draft.write(
            "manifest.json",
            manifest.replacingOccurrences(of: #""name":"sound""#, with: #""name":"\#(name)""#))
        let root = try Root()
        let host = try HostProcess(root)
        expectRefusal(try root.host("install", draft.pack()), "name")
        #expect(try host.get("/").status == 200)
    }

    @Test(arguments: ["", "{", "[]", #"{"name":"sound","name":"sound"}"#, "\u{FEFF}{}"])
    func manifest_isRefused_whenItCannotBeRead(_ text: String) throws {
        let draft = try DraftBundle(copying: "sound")
        try draft.write("manifest.json", text)
        let root = try Root()
        let host = try HostProcess(root)
        expectRefusal(try root.host("install", draft.pack()), "manifest.json")
        #expect(try host.get("/").status == 200)
    }

    @Test(arguments: ["manifest.json", "lib/libsound.so"])
    func bundle_isRefused_whenAPartIsMissing(_ part: String) throws {
        let draft = try DraftBundle(copying: "sound")
        try draft.remove(part)
        let root = try Root()
        let host = try HostProcess(root)
        expectRefusal(try root.host("install", draft.pack()), part)
        #expect(try host.get("/").status == 200)
    }

    @Test func library_isRefused_whenItIsNoLibraryForThisMachine() throws {
        let root = try Root()
        let host = try HostProcess(root)
        let good = try Data(contentsOf: URL(fileURLWithPath: Fixtures.library("sound")))
        var otherMachine = good
        otherMachine[18] = 183  // e_machine: aarch64
        var object = good
        object[16] = 1  // e_type: ET_REL
        let wrong: [(Data, String)] = [
            (otherMachine, "aarch64"), (object, "object file"), (Data("#!/bin/sh\n".utf8), "ELF"),
            (Data(), "libsound.so"), (good.prefix(64), "libsound.so"),
            (good.prefix(good.count / 2), "libsound.so"), (good.dropLast(1), "libsound.so"),
        ]
        for (code, mention) in wrong {
            let draft = try DraftBundle(copying: "sound")
            try code.write(to: URL(fileURLWithPath: "\(draft.path)/lib/libsound.so"))
            expectRefusal(try root.host("install", draft.pack()), mention)
        }
        #expect(try root.list() == [])
        #expect(try host.get("/").status == 200)
    }

    @Test func inspect_tellsTheVerdictAndTheCure_beforeAnythingRuns() throws {
        let expected = [
            ("sound", "close", ""), ("nodelete", "pin", "nodelete"),
            ("unique_symbols", "pin", "-fno-gnu-unique"),
            ("needs_shared_swift", "isolate", "-static-stdlib"),
        ]
        for (fixture, verdict, cure) in expected {
            let library = try Fixtures.library(fixture)
            let text = try Command.run([HostProcess.binary, "inspect", library])
            #expect(text.output.contains(verdict), "\(text)")
            #expect(cure.isEmpty || text.output.contains(cure), "\(text)")
            let json = try Command.run([HostProcess.binary, "inspect", library, "--json"])
            #expect("\(try JSON(parsing: json.output))".contains("\"\(verdict)\""), "\(json)")
            let bundle = try Command.run([
                HostProcess.binary, "inspect", Fixtures.bundle(fixture), "--json",
            ])
            #expect("\(try JSON(parsing: bundle.output))".contains("\"\(verdict)\""), "\(bundle)")
        }
    }

    @Test(arguments: ["nodelete", "unique_symbols"])
    func imageThatCannotBeUnloaded_isIsolated_unlessTheOperatorInsists(_ fixture: String) throws {
        let root = try Root()
        let host = try HostProcess(root)
        let name = fixture.replacingOccurrences(of: "_", with: "-")
        try root.must("install", Fixtures.bundle(fixture))
        #expect(try root.status(name)["mode"].string == "isolated")
        #expect(try host.hello(name) == hello)
        #expect(host.maps(of: name).isEmpty)
        try root.must("remove", name)
        try root.must(
            "install", Fixtures.bundle(fixture), "--mode", "in-process", "--allow-tombstoned")
        let before = try root.status(name)
        #expect(before["unload"]["verdict"].string == "pin", "\(before)")
        #expect(!before["unload"]["reasons"].strings.isEmpty, "\(before)")
        #expect(try host.hello(name) == hello)

        try root.must("deactivate", name)

        let after = try root.status(name)
        #expect(after["last_unload"]["verdict"].string == "pinned", "\(after)")
        #expect(!after["last_unload"]["reasons"].strings.isEmpty, "\(after)")
        #expect(!host.maps(of: name).isEmpty)
    }

    @Test func sharedSwiftPlugin_isIsolated_unlessTheOperatorInsists() throws {
        let root = try Root()
        let host = try HostProcess(root)
        let bundle = try Fixtures.bundle("needs_shared_swift")
        try root.must("install", bundle)
        #expect(try root.status("needs-shared-swift")["mode"].string == "isolated")
        #expect(try host.get("/plugin/needs-shared-swift/api/swift").status == 200)
        #expect(host.maps(of: "needs-shared-swift").isEmpty)
        try root.must("install", bundle, "--mode", "in-process")
        #expect(try root.status("needs-shared-swift")["unload"]["verdict"].string == "isolate")
        #expect(try host.get("/plugin/needs-shared-swift/api/swift").status == 200)
        try root.must("deactivate", "needs-shared-swift")
        let status = try root.status("needs-shared-swift")
        #expect(status["last_unload"]["verdict"].string == "pinned", "\(status)")
        #expect(try host.get("/").status == 200)
    }

    @Test func pluginsWithTheSameRoutes_areApart() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("key_leak"))
        #expect(
            try host.get("/plugin/sound/api/version").json?["name"].string == "sound")
        #expect(
            try host.get("/plugin/key-leak/api/version").json?["name"].string == "key-leak")
    }
}
