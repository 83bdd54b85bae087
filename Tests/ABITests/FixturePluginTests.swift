import CPluginABI
import Foundation
import Testing

/// The fixtures have the defect that they are named for, and no other.
struct FixturePluginTests {
    private static let directory = NSTemporaryDirectory() + "abi-fixtures-\(getpid())"
    private static let built = Result {
        try Tool.run([
            "make", "--directory", Repository.path + "/Tests/Fixtures/plugins", "--jobs=2",
            "OUT=" + directory,
        ])
    }

    private static func library(_ fixture: String) throws -> String {
        _ = try built.get()
        let folder = "\(directory)/\(fixture)/lib"
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        return "\(folder)/\(try #require(names.first))"
    }

    private static func open(_ fixture: String) throws -> FakeHost {
        try FakeHost(
            library: try library(fixture), name: fixture.replacingOccurrences(of: "_", with: "-"))
    }

    /// Opens a fixture and starts it; stops and closes it afterwards.
    private func running(_ fixture: String, _ body: (FakeHost) throws -> Void) throws {
        let host = try Self.open(fixture)
        try OwnThread.run {
            try host.start()
            try body(host)
            try host.stop()
        }
        #expect(try host.close(), "the image is still mapped")
    }

    @Test func everySource_becomesAFixture_withAManifest() throws {
        _ = try Self.built.get()
        let folder = Repository.path + "/Tests/Fixtures/plugins"
        // One source of several fixtures is none itself.
        let makefile = try Repository.text(folder + "/Makefile")
        let variants = try #require(makefile.firstMatch(of: #/shared = ([a-z_ ]+)/#)).1
            .split(separator: " ").map(String.init)
        let sources = try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasSuffix(".c") || $0.hasSuffix(".cpp") }
            .map { String($0.prefix { $0 != "." }) }
            .filter { !variants.contains($0) }
        #expect(sources.count > 40)
        for fixture in sources + ["versioned_v1", "versioned_v2"] {
            let path = "\(Self.directory)/\(fixture)/manifest.json"
            let data = try Data(contentsOf: URL(fileURLWithPath: path))
            let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            let library = try #require(json["library"] as? [String: Any])["file"] as? String
            #expect((try Self.library(fixture) as NSString).lastPathComponent == library)
        }
    }

    @Test(arguments: [
        "sound", "key_leak", "signal_handler_left", "handle_returns_error",
        "handle_completes_nothing", "handle_never_completes", "handle_blocks", "handle_crashes",
        "duplicate_routes", "ambiguous_routes", "invalid_pattern", "unhealthy_at_start",
        "undeclared_service", "thread_local_destructor",
    ])
    func fixture_isAWholePlugin_apartFromItsDefect(fixture: String) throws {
        let host = try Self.open(fixture)
        try OwnThread.run {
            try host.start()
            #expect(try host.call("GET", "/hello").text == #"{"message":"Hello, World!"}"#)
            #expect(try host.call("GET", "/version").text.contains(#""version":"1.0.0""#))
            try host.stop()
        }
        // What key_leak and signal_handler_left left behind points into the image: it stays open.
        guard !["key_leak", "signal_handler_left"].contains(fixture) else { return }
        #expect(try host.close(), "the image is still mapped")
    }

    @Test(arguments: [("versioned_v1", "1.0.0"), ("versioned_v2", "2.0.0")])
    func versionedFixture_saysItsVersion(fixture: String, version: String) throws {
        try running(fixture) { (host) throws in
            #expect(try host.call("GET", "/which").text == version)
            #expect(host.manifest.version.string == version)
            #expect(host.manifest.name.string == "versioned")
        }
    }

    @Test(arguments: [
        ("missing_entry", "there is no ph_plugin_entry"),
        ("entry_returns_null", "the entry returned null"),
        ("unresolved_symbol", "fixture_function_that_nobody_defines"),
        ("needs_missing_library", "libfixture-absent.so"),
        ("static_tls", "static TLS"),
    ])
    func fixture_isRefused_whenItIsOpened(fixture: String, reason: String) throws {
        let failure = #expect(throws: FakeHost.Failure.self) { _ = try Self.open(fixture) }
        #expect(failure?.description.contains(reason) == true, "\(String(describing: failure))")
    }

    @Test(arguments: [
        ("init_fails", "init failed with -1: the moon is not full"),
        ("start_fails", "start failed with -1: the database is locked"),
    ])
    func fixture_saysWhyItDoesNotStart(fixture: String, reason: String) throws {
        let host = try Self.open(fixture)
        let failure = #expect(throws: FakeHost.Failure.self) { try host.start() }
        #expect(failure?.description == reason)
    }

    @Test func stopFails_saysWhy() throws {
        let host = try Self.open("stop_fails")
        try host.start()
        let failure = #expect(throws: FakeHost.Failure.self) { try host.stop() }
        #expect(failure?.description == "stop failed with -1: the queue could not be flushed")
    }

    @Test func tablesOfFunctions_haveTheirDefect() throws {
        #expect(try Self.open("abi_too_new_without_note").plugin.abi_version >> 16 == 3)
        #expect(try Self.open("abi_too_new").plugin.abi_version >> 16 == 3)
        #expect(try Self.open("handle_missing").plugin.handle == nil)
        let end = MemoryLayout<ph_plugin>.offset(of: \.handle)
        #expect(Int(try Self.open("struct_too_small").plugin.size) == end)
        #expect(try Self.open("manifest_name_invalid").manifest.name.string == "Not_A_Name")
        #expect(try Self.open("manifest_differs").manifest.version.string == "1.0.0")
    }

    @Test func unhealthyAtStart_saysWhy() throws {
        try running("unhealthy_at_start") { (host) throws in
            let (status, reason) = try #require(host.health())
            #expect(status == 2)
            #expect(reason == "the disk is full")
        }
    }

    @Test func undeclaredService_isNotHandedOut() throws {
        try running("undeclared_service") { (host) throws in
            #expect(try host.call("GET", "/log").text == "null")
        }
    }

    @Test(arguments: ["nodelete", "unique_symbols"])
    func pinnedFixture_staysInMemory(fixture: String) throws {
        let host = try Self.open(fixture)
        #expect(try host.close() == false)
    }

    @Test func bigResponse_isWhole_alsoToASlowClient() throws {
        try running("big_response") { (host) throws in
            let expected = Data((0..<1_000_003).map { UInt8($0 % 251) })
            #expect(try host.call("GET", "/big", query: "bytes=1000003").response.body == expected)
            let pieces = try host.call("GET", "/pieces", query: "bytes=1000003", fullEvery: 3)
            #expect(pieces.response.body == expected)
            #expect(pieces.response.state == .completed)
            #expect(try host.call("GET", "/full").text == "20")
        }
    }

    @Test(arguments: ["/upload", "/paused"])
    func streamingUpload_countsWhatCame(pattern: String) throws {
        try running("streaming_upload") { (host) throws in
            let pieces = [Data([1, 2, 3]), Data([250]), Data(repeating: 2, count: 1000)]
            let answer = try host.call("POST", pattern, body: pieces)
            #expect(answer.text == #"{"bytes":1004,"pieces":3,"sum":2256}"#)
            #expect(try host.call("POST", pattern).text == #"{"bytes":0,"pieces":0,"sum":0}"#)
        }
    }

    @Test func longResponse_comesChunkByChunk_andWaitsForItsRelease() throws {
        try running("long_response") { (host) throws in
            let long = try host.call("GET", "/long", query: "chunks=3&milliseconds=1")
            #expect(long.text == (1...3).map { "generation 1 chunk \($0)\n" }.joined())
            let call = FakeCall()
            let held = try host.begin("/held", call)
            try #require(held.response.waitForBody(count: 19))
            #expect(held.text == "generation 1 begun\n")
            #expect(held.response.state == .begun)
            #expect(
                FileManager.default.createFile(
                    atPath: host.directory + "/run/release", contents: nil))
            try #require(held.response.waitForBody(count: 41))
            #expect(held.text == "generation 1 begun\ngeneration 1 released\n")
        }
    }

    @Test func longResponse_isCut_whenThePluginIsStopped() throws {
        let host = try Self.open("long_response")
        try host.start()
        let held = try host.begin("/held", FakeCall())
        try host.stop()
        #expect(held.response.state == .cut)
        #expect(try host.close())
    }

    @Test func responsesOfWrongUses_areRefusedOneByOne() throws {
        try running("response_misused") { (host) throws in
            let lines = try host.call("GET", "/misused").text.split(separator: "\n")
            #expect(lines.count == 13)
            #expect(lines.prefix(11).allSatisfy { $0.hasSuffix(": -2") }, "\(lines)")
            #expect(lines.suffix(2).allSatisfy { $0.hasSuffix(": -3") }, "\(lines)")
        }
    }

    @Test func responseCompletedTwice_breaksTheRules() throws {
        let host = try Self.open("response_completed_twice")
        try host.start()
        #expect(try host.call("GET", "/twice").text == "first")
        #expect(try host.call("GET", "/second").text == "-3")
        let failure = #expect(throws: FakeHost.Failure.self) { try host.stop() }
        #expect(failure?.description == "respond after completion")
    }

    @Test func clientGone_isCounted_andItsResponseIsCut() throws {
        try running("client_gone") { (host) throws in
            let call = FakeCall()
            let waiting = try host.begin("/wait", call)
            #expect(waiting.handleStatus == .pending)
            let observer = try #require(waiting.response.observer)
            observer.on_closed(observer.context, .closed)
            #expect(waiting.response.state == .cut)
            #expect(try host.call("GET", "/gone").text == "1")
        }
    }
}
