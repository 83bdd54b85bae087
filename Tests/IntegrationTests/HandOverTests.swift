import Foundation
import Testing

/// State that one generation gives to the next.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct HandOverTests {
    let root: Root
    let host: HostProcess

    init() throws {
        root = try Root()
        host = try HostProcess(root)
    }

    /// Installs the fixture, with what it is to do.
    private func install(_ configuration: String = "{}") throws {
        let text = #"{"plugins": {"counting": {"configuration": \#(configuration)}}}"#
        try text.write(
            toFile: root.path + "/config/local.json", atomically: true, encoding: .utf8)
        try root.must("install", Fixtures.bundle("counting"))
    }

    private func count() throws -> Int? {
        Int(try host.client().request("POST", "/plugin/counting/api/count", body: "").text)
    }

    @Test(arguments: [true, false])
    func count_isHandedFromGenerationToGeneration(quiet: Bool) throws {
        try install(#"{"quiet": \#(quiet)}"#)
        for number in 1...5 {
            #expect(try count() == number)
            try root.must("reload", "counting", "--force")
        }
        #expect(try root.status("counting")["generation"].number == 6)
    }

    @Test func noIncrementIsLost_across100ReloadsUnderLoad() throws {
        try install()
        let counter = Counters(port: host.port, connections: 6)
        for _ in 0..<100 { try root.must("reload", "counting", "--force") }
        let (answers, failures) = counter.end()
        #expect(failures.isEmpty, "\(failures.prefix(5))")
        #expect(answers.count > 100)
        #expect(Set(answers) == Set(1...answers.count))
        #expect(try count() == answers.count + 1)
    }

    @Test(arguments: [
        (#"{"save": "fails"}"#, ["save", "it keeps its state"]),
        (#"{"save": "grows"}"#, ["64 MiB"]),
        (#"{"save": "hangs"}"#, ["save", "did not come back"]),
        (#"{"restore": "fails"}"#, ["restore", "it wants no state"]),
        (#"{"restore": "newer"}"#, ["restore", "version 7 is not known"]),
        (#"{"restore": "hangs"}"#, ["restore", "did not come back"]),
    ])
    func failedHandOver_leavesTheOldGenerationServing(
        configuration: String, reasons: [String]
    ) throws {
        try install(configuration)
        #expect(try count() == 1)
        let load = SteadyLoad(
            port: host.port, paths: ["/plugin/counting/api/hello"], connections: 2)
        expectRefusal(try root.host("reload", "counting", "--force"), reasons)
        let result = load.end()
        #expect(result.failures.isEmpty, "\(result.failures.prefix(5))")
        #expect(try count() == 2)
        let status = try root.status("counting")
        #expect(status["generation"].number == 1)
        #expect(status["state"].string == "active")
        #expect(status["last_error"] != .null)
    }

    @Test func generationThatDoesNotStart_leavesTheOldOneServing_withItsCount() throws {
        try install()
        #expect(try count() == 1)
        // The change reloads the plugin, which then does not start.
        let text = #"{"plugins": {"counting": {"configuration": {"start": "fails"}}}}"#
        try text.write(
            toFile: root.path + "/config/local.json", atomically: true, encoding: .utf8)
        try root.waitForStatus("counting", "the failure is told") {
            "\($0["last_error"])".contains("it does not start")
        }
        #expect(try count() == 2)
        #expect(try root.status("counting")["generation"].number == 1)
    }

    @Test func requestThatDoesNotEnd_makesAQuietHandOverFail_andThoseThatWaitedAreAnswered() throws
    {
        try install()
        #expect(try count() == 1)
        let slow = try host.client()
        try slow.send("GET", "/plugin/counting/api/slow")
        try root.waitForStatus("counting", "the request is there") { $0["in_flight"].number == 1 }
        let waiting = try host.client()
        let reload = try ChildProcess([
            HostProcess.binary, "reload", "counting", "--force", "--root", root.path,
        ])
        // Sent while the reload waits for the slow one; answered when it has given up.
        try waiting.send("POST", "/plugin/counting/api/count", body: "")
        #expect(try waiting.readResponse().text == "2")
        #expect(reload.waitForEnd(within: 60) == .exited(1))
        #expect(reload.standardError.contains("1 request is being answered after 3 s"))
        #expect(try count() == 3)
        // Another one is answered for the former.
        try host.client().send("GET", "/plugin/counting/api/slow")
        #expect(try slow.readResponse().text == "late")
    }

    @Test func requestWhoseBodyComesLate_isAnsweredByTheNewGeneration() throws {
        try install()
        let late = try host.client()
        try late.send(
            raw: "POST /plugin/counting/api/count HTTP/1.1\r\nHost: test\r\n"
                + "Content-Length: 4\r\n\r\n")
        try late.send(raw: "12")
        // Its head was read by the old generation, which therefore waits for the rest.
        let reload = try ChildProcess([
            HostProcess.binary, "reload", "counting", "--force", "--root", root.path,
        ])
        try late.send(raw: "34")
        #expect(try late.readResponse().text == "1")
        #expect(reload.waitForEnd(within: 60) == .exited(0))
        #expect(try count() == 2)
    }
}

/// Connections that count up, and keep what they were told.
private final class Counters: @unchecked Sendable {
    private let lock = NSLock()
    private let group = DispatchGroup()
    private var isOver = false
    private var answers: [Int] = []
    private var failures: [String] = []

    init(port: UInt16, connections: Int) {
        for _ in 0..<connections {
            group.enter()
            Thread.detachNewThread { [self] in
                defer { group.leave() }
                do {
                    let client = try HTTPClient(port: port)
                    while !lock.withLock({ isOver }) {
                        let response = try client.request(
                            "POST", "/plugin/counting/api/count", body: "")
                        lock.withLock {
                            if response.status == 200, let number = Int(response.text) {
                                answers.append(number)
                            } else {
                                failures.append("\(response.status) \(response.text)")
                            }
                        }
                    }
                } catch {
                    lock.withLock { failures.append("\(error)") }
                }
            }
        }
    }

    func end() -> (answers: [Int], failures: [String]) {
        lock.withLock { isOver = true }
        group.wait()
        return (answers, failures)
    }
}
