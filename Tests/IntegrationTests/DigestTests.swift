import Foundation
import Testing

/// The SHA-256 of a library is taken when it is installed, and again at each load.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct DigestTests {
    let root: Root
    let files: TemporaryDirectory

    init() throws {
        root = try Root()
        files = try TemporaryDirectory()
        try root.must("install", Fixtures.bundle("sound"))
    }

    private func newCode() throws -> String {
        try files.write("new.so", Fixtures.code("sound", saying: 7))
    }

    private func digest(_ path: String) throws -> String {
        let told = try Command.succeed(["/usr/bin/sha256sum", path]).output
        return String(told.prefix(64))
    }

    @Test func replacedLibrary_isLoaded_andWrittenDownWithItsDigest() throws {
        let host = try HostProcess(root)
        let installed = try digest(root.library("sound"))
        #expect(try root.status("sound")["digest"].string == installed)
        let code = try newCode()
        try Command.succeed(["/bin/cp", code, root.library("sound")])
        try host.waitForHello("sound", Fixtures.hello(saying: 7))
        let replaced = try digest(code)
        #expect(try root.status("sound")["digest"].string == replaced)
        try eventually("the replacement is in the journal") {
            let events = try root.must("events", "--plugin", "sound").output
            return events.split(separator: "\n").contains {
                $0.contains("library_replaced_v1") && $0.contains(installed)
                    && $0.contains(replaced)
            }
        }
    }

    @Test func replacedLibrary_isRefused_whereLibrariesArePinned() throws {
        let installed = try digest(root.library("sound"))
        let original = try files.write(
            "old.so", Data(contentsOf: URL(fileURLWithPath: root.library("sound"))))
        let code = try newCode()
        let replaced = try digest(code)
        let host = try HostProcess(root, options: ["--pinned"])
        try Command.succeed(["/bin/cp", code, root.library("sound")])
        try root.waitForStatus("sound", "the replacement is refused") {
            $0["last_error"]["code"].string == "digest_differs"
        }
        #expect(try host.hello("sound") == hello)
        expectRefusal(try root.host("reload", "sound"), replaced, installed, "host install")
        #expect(try root.status("sound")["generation"].number == 1)
        #expect(try host.terminate() == 0)

        let again = try HostProcess(root, options: ["--pinned"])
        #expect(try root.status("sound")["state"].string == "failed")
        #expect(try again.get("/plugin/sound/api/hello").status == 503)
        try Command.succeed(["/bin/cp", original, root.library("sound")])
        try again.waitForHello("sound", hello)
    }
}
