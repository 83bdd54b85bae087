import CPluginABI
import Foundation
import Testing

/// A plugin that was compiled with the headers of ABI 1.0 works with today's host and later ones.
struct FrozenPluginTests {
    private static func build(headers: String) throws -> String {
        let library = NSTemporaryDirectory() + "libabi-one-\(UUID().uuidString).so"
        try Tool.run([
            "gcc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", headers, "-fPIC",
            "-fvisibility=hidden", "-shared", "-o", library, Repository.frozen + "/plugin.c",
        ])
        return library
    }

    @Test(arguments: [Repository.frozenHeaders, Repository.currentHeaders], [false, true])
    func plugin_livesAndAnswers(headers: String, onANewerHost newer: Bool) throws {
        let library = try Self.build(headers: headers)
        defer { try? FileManager.default.removeItem(atPath: library) }
        let host = try FakeHost(library: library, name: "abi-one", generation: 7, newer: newer)
        try OwnThread.run {
            try host.start()
            #expect(host.logLines == ["abi-one has started"])
            #expect(try host.call("GET", "/hello").text == #"{"message":"Hello, World!"}"#)
            #expect(
                try host.call("GET", "/version").text
                    == #"{"name":"abi-one","version":"1.0.0","generation":7}"#)
            #expect(try host.call("GET", "/items/{id}", parameters: ["äöü"]).text == "äöü")
            let echo = try host.call("POST", "/echo", body: [Data("one ".utf8), Data("two".utf8)])
            #expect(echo.text == "one two")
            #expect(echo.response.state == .completed)
            #expect(try host.call("GET", "/fall").response.state == .cut)
            #expect(host.health()?.0 == 0)
            try host.stop()
        }
        #expect(try host.close(), "the image is still mapped")
    }
}
