import Foundation
import Glibc
import Testing

/// The plugins of the crash lab in processes of their own: nobody else notices, and it is known who
/// it was.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct IsolatedCrashTests {
    private static let restless = ["--restart-pause", "0", "--restarts-per-minute", "1000000"]

    @Test(arguments: CrashLabTests.ways)
    func crash_endsItsProcessAlone(_ ways: [CrashLabTests.Way]) throws {
        let root = try Root()
        let host = try HostProcess(root, options: Self.restless)
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("crash_lab"), "--mode", "isolated")
        let engine = host.engine
        let others = try host.client()
        for (number, way) in ways.enumerated() {
            let path = number.isMultiple(of: 2) ? "crash" : "late"
            let before = try Chronicle(root)
            let answer = try host.get("/plugin/crash-lab/api/\(path)?how=\(way.how)")
            #expect(answer.status == 502, "\(way.how): \(answer.text)")
            #expect(try others.get("/plugin/sound/api/hello").text == hello, "\(way.how)")
            // Whoever comes meanwhile waits for the next process.
            try eventually("\(way.how): it serves again") {
                try host.get("/plugin/crash-lab/api/hello").status == 200
            }
            let end = way.end ?? String(way.cause.prefix { $0 != " " })
            try eventually("\(way.how): its end by \(end) is told") {
                let after = try Chronicle(root)
                #expect(after.continues(before), "\(way.how)")
                return after.entries.dropFirst(before.entries.count).contains {
                    $0["event"].string == "worker_ended_v1" && $0["plugin"].string == "crash-lab"
                        && $0["data"]["reason"].string?.contains(end) == true
                }
            }
        }
        #expect(host.engine == engine)
        #expect(try Chronicle(root).events("engine_crashed_v1").isEmpty)
        #expect(try host.terminate() == 0)
    }

    /// How often the hooks of a plugin at requests have been called.
    private func calls(_ root: Root, of plugin: String) throws -> [Double] {
        let points = try JSON(parsing: root.must("hooks", "--json").output)["points"].elements
        return points.filter { $0["point"].string == "request" }
            .flatMap { $0["hooks"].elements }.filter { $0["plugin"].string == plugin }
            .compactMap { $0["calls"].number }
    }

    @Test func pluginThatCrashesTheHostInAHook_hooksOnFromAProcessOfItsOwn() throws {
        let root = try Root()
        let host = try HostProcess(root, options: Self.restless + ["--on-crash", "isolate"])
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("crash_places"), "--mode", "in-process")
        let api = "/plugin/crash-places/api"
        let before = try calls(root, of: "crash-places")
        #expect(before.count == 4)
        #expect(try host.get("\(api)/arm?request-enter").text == "armed")
        #expect(throws: HTTPClient.Failure.self) { try host.hello("sound") }
        try eventually("the next engine answers") { (try? host.hello("sound")) == hello }
        let status = try root.waitForStatus("crash-places", "it serves again") {
            $0["state"].string == "active"
        }
        #expect(status["mode"].string == "isolated", "\(status)")
        #expect(status["quarantine"] == .null, "\(status)")
        let crash = try Chronicle(root).last("engine_crashed_v1")["data"]
        #expect(crash["culprit"]["plugin"].string == "crash-places", "\(crash)")

        // Its hooks are there once, and called for every request.
        let engine = host.engine
        let former = try calls(root, of: "crash-places")
        #expect(former.count == before.count)
        #expect(try host.hello("sound") == hello)
        try eventually("all of them are called") {
            try zip(former, calls(root, of: "crash-places")).allSatisfy { $0 < $1 }
        }
        // What they do from now on ends its own process only.
        for place in ["request-before", "request-leave", "request-after"] {
            let ended = try Chronicle(root).events("worker_ended_v1").count
            #expect(try host.get("\(api)/arm?\(place)").text == "armed")
            _ = try? host.hello("sound")
            try eventually("\(place): the end of its process is told") {
                try Chronicle(root).events("worker_ended_v1").count > ended
            }
            try eventually("\(place): its hooks work again") {
                let former = try calls(root, of: "crash-places")
                let answer = try host.hello("sound")
                return try answer == hello
                    && zip(former, calls(root, of: "crash-places")).allSatisfy { $0 < $1 }
            }
        }
        #expect(host.engine == engine)
        #expect(try host.terminate() == 0)
    }

    @Test func threadsThatDoNotComeBack_endTheirProcess() throws {
        let root = try Root()
        let host = try HostProcess(
            root,
            options: Self.restless + ["--request-timeout", "1", "--stuck-threads", "2"])
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("crash_lab"), "--mode", "isolated")
        for how in ["sleep", "deadlock"] {
            #expect(try host.get("/plugin/crash-lab/api/late?how=\(how)").status == 504)
            #expect(try host.hello("sound") == hello)
        }
        try eventually("its end is told") {
            try Chronicle(root).last("worker_ended_v1")["data"]["reason"].string?
                .contains("2 of its threads did not come back") == true
        }
        #expect(try host.hello("crash-lab") == hello)
        #expect(try host.terminate() == 0)
    }

    @Test func stepThatCrashes_isTold_andEndsNobodyElse() throws {
        let root = try Root()
        let host = try HostProcess(root, options: ["--no-proof"])
        try root.must("install", Fixtures.bundle("sound"))
        for (fixture, step) in [("crash_lab_init", "init"), ("crash_lab_start", "start")] {
            let refused = try root.host(
                "install", Fixtures.bundle(fixture), "--mode", "isolated")
            expectRefusal(refused, "SIGSEGV", step)
        }
        try root.must("install", Fixtures.bundle("crash_lab_stop"), "--mode", "isolated")
        _ = try root.host("deactivate", "crash-lab-stop")
        #expect(host.log.contains("SIGSEGV"), "\(host.log)")
        #expect(try host.hello("sound") == hello)
        #expect(try Chronicle(root).events("engine_crashed_v1").isEmpty)
        #expect(try host.terminate() == 0)
    }
}
