import CPluginABI
import Foundation
import Testing

/// The samples in C, C++ and Rust do what their pages say, and unload.
struct SamplePluginTests {
    enum Sample: String, CaseIterable {
        case c = "hello-c"
        case cpp = "hello-cpp"
        case rust = "hello-rust"

        static let built = isInstalled("cargo") ? allCases : [.c, .cpp]
        static let withWords: [Sample] = built.filter { $0 != .c }

        private static func isInstalled(_ program: String) -> Bool {
            (try? Tool.run([program, "--version"])) != nil
        }

        private var directory: String { "\(Repository.path)/SamplePlugins/\(rawValue)" }
        var bundle: String { "\(directory)/.build/bundle" }
        var library: String { "\(bundle)/lib/lib\(rawValue).so" }

        func open() throws -> FakeHost {
            try build()
            return try FakeHost(library: library, name: rawValue, generation: 3)
        }

        func build() throws {
            _ = try Self.building.withLock {
                try Tool.run(["make", "--directory", directory, "bundle"])
            }
        }

        private static let building = NSLock()
    }

    @Test(.enabled(if: Sample.built.contains(.rust), "cargo is not installed"))
    func helloRust_isAmongTheSamplesThatAreTested() {
        #expect(Sample.built.count == Sample.allCases.count)
    }

    @Test(arguments: Sample.built)
    func sample_exportsOneSymbol_andCarriesTheNote(sample: Sample) throws {
        try sample.build()
        let symbols = try Tool.run(["nm", "-D", "--defined-only", "-P", sample.library])
        #expect(
            symbols.split(separator: "\n").map { $0.prefix { $0 != " " } } == ["ph_plugin_entry"])
        let notes = try Tool.run(["readelf", "--notes", sample.library])
        #expect(notes.contains("PluginHost"))
        #expect(notes.contains(/0[01] 00 01 00/))
    }

    @Test(arguments: Sample.built)
    func manifestFile_saysWhatTheCodeSays(sample: Sample) throws {
        let host = try sample.open()
        let file = try Data(contentsOf: URL(fileURLWithPath: sample.bundle + "/manifest.json"))
        let json = try #require(try JSONSerialization.jsonObject(with: file) as? [String: Any])
        #expect(json["name"] as? String == host.manifest.name.string)
        #expect(json["version"] as? String == host.manifest.version.string)
        #expect(json["abi"] as? String == "1.0")
        #expect(host.plugin.abi_version >> 16 == 1)
        #expect(json["description"] as? String == host.manifest.description.string)
        #expect(json["services"] as? [String] == host.services)
        #expect(try host.close())
    }

    @Test(arguments: Sample.built)
    func sample_answers_andLeavesNothingBehind(sample: Sample) throws {
        let host = try sample.open()
        try OwnThread.run {
            try host.start()
            let hello = try host.call("GET", "/hello")
            #expect(hello.status == 200)
            #expect(hello.text == #"{"message":"Hello, World!"}"#)
            let version = #"{"name":"\#(sample.rawValue)","version":"1.0.0","generation":3}"#
            #expect(try host.call("GET", "/version").text == version)
            try host.stop()
            #expect(
                host.logLines == [
                    "\(sample.rawValue) has started", "\(sample.rawValue) has stopped",
                ])
        }
        #expect(try host.close(), "the image is still mapped")
    }

    @Test(arguments: Sample.withWords)
    func words_areCounted_onAThreadOfThePlugin(sample: Sample) throws {
        let host = try sample.open()
        try OwnThread.run {
            try host.start()
            for (text, count) in [("to be\tor not\n to be ", 6), ("", 0), ("one", 1)] {
                let answer = try host.call("POST", "/words", body: [Data(text.utf8)])
                #expect(answer.handleStatus == .pending)
                #expect(answer.text == #"{"words":\#(count)}"#)
            }
            try host.stop()
        }
        #expect(try host.close(), "the image is still mapped")
    }

    @Test func helloC_greetsByName_andEscapesIt() throws {
        let host = try Sample.c.open()
        try host.start()
        let greeting = try host.call("GET", "/hello/{name}", parameters: ["A\"d\\a\n€"])
        #expect(greeting.text == #"{"message":"Hello, A\"d\\a\u000a€!"}"#)
        let long = String(repeating: "x", count: 2000)
        #expect(try host.call("GET", "/hello/{name}", parameters: [long]).status == 414)
        try host.stop()
        #expect(try host.close())
    }

    @Test func helloC_echoesTheBody() throws {
        let host = try Sample.c.open()
        try host.start()
        let body = Data((0..<10_000).map { UInt8(truncatingIfNeeded: $0) })
        let answer = try host.call(
            "POST", "/echo", headers: [("CONTENT-type", "image/png")], body: [body])
        #expect(answer.response.body == body)
        #expect(answer.status == 200)
        try host.stop()
        #expect(try host.close())
    }

    @Test(arguments: [0, 2])
    func helloC_streamsEveryLine_alsoToASlowClient(fullEvery: Int) throws {
        let host = try Sample.c.open()
        try host.start()
        let answer = try host.call("GET", "/stream", query: "x=1&lines=4", fullEvery: fullEvery)
        #expect(answer.text == (1...4).map { "line \($0) of 4, generation 3\n" }.joined())
        #expect(answer.response.state == .completed)
        try host.stop()
        #expect(try host.close())
    }

    @Test func helloC_cutsItsStreams_whenItIsStopped() throws {
        let host = try Sample.c.open()
        try host.start()
        let call = FakeCall(query: "lines=600")
        let answer = try host.begin("/stream", call)
        #expect(answer.handleStatus == .pending)
        try #require(answer.response.waitForBody(count: 20))
        try host.stop()
        #expect(answer.response.state == .cut)
        #expect(try host.close())
    }

    @Test func helloC_refusesMoreStreamsThanItHasPlaces_andSaysSoInItsHealth() throws {
        let host = try Sample.c.open()
        try host.start()
        #expect(host.health()?.0 == 0)
        let calls = (0..<64).map { _ in FakeCall(query: "lines=600") }
        for call in calls { #expect(try host.begin("/stream", call).handleStatus == .pending) }
        #expect(try host.call("GET", "/stream").status == 503)
        let (status, reason) = try #require(host.health())
        #expect(status == 1)
        #expect(reason == "all 64 streams are taken")
        try host.stop()
        #expect(try host.close())
        withExtendedLifetime(calls) {}
    }
}
