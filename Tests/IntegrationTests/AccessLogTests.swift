import Foundation
import Testing

/// `host serve --access-log`: what an operator finds in it, and how it is rotated.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct AccessLogTests {
    let root: Root
    let directory: TemporaryDirectory

    init() throws {
        root = try Root()
        directory = try TemporaryDirectory()
    }

    private func lines(_ path: String) -> [JSON] {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { try? JSON(parsing: String($0)) }
    }

    @Test func request_isEntered_withItsPluginRouteAndName() throws {
        let path = directory("access.log")
        let host = try HostProcess(root, options: ["--access-log", path])
        try root.must("install", Fixtures.bundle("sound"))
        let client = try host.client()
        let answer = try client.get(
            "/plugin/sound/api/hello?x=1",
            headers: ["X-Request-ID": "trace-me", "User-Agent": "test \"agent\""])
        #expect(answer["x-request-id"] == "trace-me")
        let missing = try client.get("/plugin/sound/api/missing")
        #expect(missing.json?["request_id"].string == missing["x-request-id"])
        try eventually("both requests are entered") { lines(path).count == 2 }
        let entered = lines(path)
        #expect(entered[0]["plugin"].string == "sound")
        #expect(entered[0]["generation"].number == 1)
        #expect(entered[0]["route"].string == "GET /hello")
        #expect(entered[0]["path"].string == "/plugin/sound/api/hello")
        #expect(entered[0]["query"].string == "x=1")
        #expect(entered[0]["status"].number == 200)
        #expect(entered[0]["bytes"].number == Double(answer.body.count))
        #expect(entered[0]["request_id"].string == "trace-me")
        #expect(entered[0]["user_agent"].string == "test \"agent\"")
        #expect(entered[1]["status"].number == 404)
        #expect(entered[1]["plugin"].string == "sound")
        #expect(entered[1]["request_id"].string == missing["x-request-id"])
        #expect(try host.terminate() == 0)
    }

    @Test func file_isOpenedAgain_atSIGUSR1_andWhenItHasBeenRenamed() throws {
        let path = directory("access.log")
        let host = try HostProcess(root, options: ["--access-log", path])
        func ask(_ name: String) throws { _ = try host.get("/\(name)") }
        func has(_ name: String, _ file: String) throws {
            try eventually("\(name) is in \(file)") {
                lines(file).contains { $0["path"].string == "/\(name)" }
            }
        }
        try ask("one")
        try has("one", path)
        try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
        host.process.send(signal: SIGUSR1)
        try eventually("the file is there again") { FileManager.default.fileExists(atPath: path) }
        try ask("two")
        try has("two", path)
        #expect(lines(path + ".1").count == 1)
        try FileManager.default.moveItem(atPath: path, toPath: path + ".2")
        var number = 0
        try eventually("a rename is noticed") {
            number += 1
            try ask("more-\(number)")
            return FileManager.default.fileExists(atPath: path)
        }
        try ask("last")
        try has("last", path)
        #expect(try host.terminate() == 0)
        #expect(lines(path).count + lines(path + ".2").count == number + 2)
    }

    @Test func standardOutput_mayBeTheLog_inTheCombinedFormat() throws {
        let host = try HostProcess(
            root, options: ["--access-log", "-", "--access-log-format", "combined"])
        _ = try host.get("/healthz")
        #expect(try host.terminate() == 0)
        #expect(
            host.process.standardOutput.contains("] \"GET /healthz HTTP/1.1\" 200 15 \"-\" \"-\""))
    }
}
