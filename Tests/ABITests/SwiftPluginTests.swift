import CPluginABI
import Foundation
import Testing

/// The samples in Swift do what their pages say, and unload.
struct SwiftPluginTests {
    @Test(arguments: SwiftPackage.samples)
    func sample_exportsOneSymbol_andCarriesTheNote(sample: SwiftPackage) throws {
        try sample.build()
        let symbols = try Tool.run([
            "nm", "-D", "--defined-only", "--extern-only", "-P", sample.library,
        ])
        #expect(
            symbols.split(separator: "\n").map { $0.prefix { $0 != " " } } == ["ph_plugin_entry"])
        let notes = try Tool.run(["readelf", "--notes", sample.library])
        #expect(notes.components(separatedBy: "PluginHost").count == 2)
        #expect(notes.contains("01 00 01 00"))
    }

    @Test(arguments: SwiftPackage.samples)
    func sample_needsNoSwiftLibrary(sample: SwiftPackage) throws {
        try sample.build()
        let dynamic = try Tool.run(["readelf", "--dynamic", sample.library])
        let needed = dynamic.split(separator: "\n").filter { $0.contains("(NEEDED)") }
        #expect(needed.contains { $0.contains("libc.so.6") })
        for name in ["libswift", "libFoundation", "lib_Foundation", "libdispatch"] {
            #expect(!needed.contains { $0.contains(name) })
        }
    }

    @Test(arguments: SwiftPackage.samples)
    func manifestFile_saysWhatTheCodeSays(sample: SwiftPackage) throws {
        try sample.build()
        let file = try Data(contentsOf: URL(fileURLWithPath: sample.bundle + "/manifest.json"))
        let json = try #require(try JSONSerialization.jsonObject(with: file) as? [String: Any])
        try SwiftPackage.live {
            try FakeHost(library: sample.library, name: sample.name)
        } body: { host in
            #expect(json["name"] as? String == host.manifest.name.string)
            #expect(json["version"] as? String == host.manifest.version.string)
            #expect(json["abi"] as? String == "1.0")
            #expect(json["description"] as? String == host.manifest.description.string)
            #expect(json["services"] as? [String] == host.services)
        }
    }

    @Test(arguments: [SwiftPackage.helloSwift, .helloEmbedded])
    func hello_answersAsEverySampleDoes(sample: SwiftPackage) throws {
        try sample.withHost(generation: 3) { host in
            let hello = try host.call("GET", "/hello")
            #expect(hello.handleStatus == .ok)
            #expect(hello.text == #"{"message":"Hello, World!"}"#)
            let version = #"{"name":"\#(sample.name)","version":"1.0.0","generation":3}"#
            #expect(try host.call("GET", "/version").text == version)
            #expect(host.health()?.0 == 0)
        }
    }

    @Test(arguments: [
        (SwiftPackage.helloEmbedded, ["GET:/hello", "GET:/version", "GET:/hello/Ann"], 0.3),
        (.helloSwift, ["GET:/hello", "GET:/sum", "GET:/main", "POST:/echo:abc", "GET:/fail"], 10),
        (.helloSwift, ["GET:/status", "GET:/sum"], 10),
        (.notes, [#"POST:/notes:{"title":"a"}"#, "GET:/notes?q=a"], 10),
    ])
    func sample_leavesNothing_whenItIsLoadedManyTimes(
        sample: SwiftPackage, requests: [String], kilobytesMax: Double
    ) throws {
        try sample.build()
        let harness = try SwiftPackage.buildHarness()
        let output = try Tool.run([harness, "-q", "-n", "300", sample.library] + requests)
        let kilobytes = try #require(output.firstMatch(of: /([0-9.]+) KB a round/)?.1)
        #expect(try #require(Double(kilobytes)) <= kilobytesMax, "\(output)")
        #expect(output.contains(" 0 descriptors left"))
    }

    @Test func helloEmbedded_sendsEvents_toEveryoneWhoListens() throws {
        let calls = [FakeCall(), FakeCall(), FakeCall()]
        var answers: [FakeHost.Answer] = []
        try SwiftPackage.helloEmbedded.withHost { host in
            func say(_ text: String) throws -> String {
                try host.call("POST", "/say", body: [Data(text.utf8)]).text
            }
            #expect(try say("nobody listens") == #"{"heard":0}"#)
            answers = try calls.prefix(2).map { try host.begin("/events", $0, fullEvery: 2) }
            #expect(answers.map(\.handleStatus) == [.pending, .pending])
            #expect(try say("hello\nyou") == #"{"heard":2}"#)
            #expect(answers.map(\.text) == ["data: hello\ndata: you\n\n", answers[0].text])
            #expect(try say("more") == #"{"heard":2}"#)
            #expect(try say("too much for slow clients") == #"{"heard":0}"#)
            for answer in answers {
                answer.response.setWritable()
                answer.response.observer?.on_writable?(answer.response.observer?.context)
            }
            let observer = try #require(answers[0].response.observer)
            observer.on_closed?(observer.context, .closed)
            #expect(answers[0].response.state == .cut)
            #expect(try say("again") == #"{"heard":1}"#)
            #expect(answers[1].text.hasSuffix("data: more\n\ndata: again\n\n"))
            #expect(answers[1].response.state == .begun)
            answers.append(try host.begin("/events", calls[2], fullEvery: 0))
            answers[2].response.drain()
            #expect(answers[2].response.state == .completed)
        }
        #expect(answers[1].response.state == .completed)
        withExtendedLifetime(calls) {}
    }

    @Test func helloEmbedded_throwsTypedErrors() throws {
        try SwiftPackage.helloEmbedded.withHost { host in
            let square = try host.call("GET", "/square/{number}", parameters: ["-12"])
            #expect(square.text == #"{"number":-12,"square":144}"#)
            let large = try host.call("GET", "/square/{number}", parameters: ["4000000000"])
            #expect(large.status == 400)
            #expect(try host.call("GET", "/square/{number}", parameters: ["x"]).status == 404)
        }
    }

    @Test func helloSwift_endsALongAnswer_whenItIsStopped() throws {
        let call = FakeCall(query: "seconds=600")
        var response: FakeResponse?
        try SwiftPackage.helloSwift.withHost { host in
            let answer = try host.begin("/slow", call)
            #expect(answer.handleStatus == .pending)
            try #require(answer.response.waitForBody(count: 20))
            response = answer.response
        }
        #expect(response?.state == .cut)
    }

    @Test func helloSwift_echoesABody_pieceByPiece_alsoToASlowClient() throws {
        try SwiftPackage.helloSwift.withHost { host in
            let pieces = (0..<200).map { Data(repeating: UInt8($0), count: 1_000) }
            let answer = try host.call("POST", "/echo", body: pieces, fullEvery: 3)
            #expect(answer.response.body == Data(pieces.joined()))
            #expect(answer.response.state == .completed)
        }
    }

    @Test func notes_areKept_alsoByTheNextGeneration() throws {
        try SwiftPackage.notes.withHost { host in
            let added = try host.call(
                "POST", "/notes", body: [Data(#"{"title":" 50% off ","text":"é"}"#.utf8)])
            #expect(added.status == 201)
            #expect(added.text.hasPrefix(#"{"id":1,"title":"50% off","text":"é","#))
            #expect(try host.call("GET", "/notes", query: "q=50%25").text.contains(#""total":1"#))
            #expect(try host.call("GET", "/notes", query: "q=5%250").text.contains(#""total":0"#))
            let changed = try host.call(
                "PUT", "/notes/{id}", parameters: ["1"], body: [Data(#"{"title":"b"}"#.utf8)])
            #expect(changed.text.hasPrefix(#"{"id":1,"title":"b","text":"","#))
            #expect(try host.call("DELETE", "/notes/{id}", parameters: ["1"]).status == 204)
            #expect(try host.call("DELETE", "/notes/{id}", parameters: ["1"]).status == 404)
            #expect(FileManager.default.fileExists(atPath: host.directory + "/notes.db"))
        }
    }

    @Test(arguments: [
        (#"{"title":"","text":"x"}"#, 422, ["title"]),
        (#"{"text":7}"#, 422, ["title", "text"]),
        (#"{"title":7}"#, 422, ["title"]),
        (#"[]"#, 422, ["title"]),
        (#"{"title":"#, 400, []),
    ])
    func notes_namesEveryField_thatIsNotValid(
        body: String, status: UInt32, fields: [String]
    ) throws {
        try SwiftPackage.notes.withHost { host in
            let answer = try host.call("POST", "/notes", body: [Data(body.utf8)])
            #expect(answer.status == status)
            let json = try #require(
                try JSONSerialization.jsonObject(with: answer.response.body) as? [String: Any])
            let errors = json["errors"] as? [[String: String]] ?? []
            #expect(errors.compactMap { $0["field"] } == fields)
        }
    }
}
