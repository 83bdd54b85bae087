import Testing

/// Each rule catches a bad example, and lets its good neighbour pass.
struct CanaryTests {
    struct Example: Sendable {
        let rule: String
        let path: String
        let bad: String
        let good: String
        /// Where the bad one is caught.
        var line = 1
    }

    static let examples = [
        Example(
            rule: "bannedInSources", path: "Sources/host/A.swift",
            bad: "let a = try! b()", good: "let a = try b()"),
        Example(
            rule: "bannedInSources", path: "SamplePlugins/x/Sources/A.swift",
            bad: "fatalError()", good: "return nil"),
        Example(
            rule: "bannedInSources", path: "Sources/host/A.swift",
            bad: "let a = b as! C", good: "let a = b as? C"),
        Example(
            rule: "nothingLeftForLater", path: "Sources/CLedger/a.c",
            bad: "/* TODO: more */", good: "/* Todos are songs. */"),
        Example(
            rule: "nothingLeftForLater", path: "Tests/HostModelTests/A.swift",
            bad: "// FIXME", good: "// It is fixed."),
        Example(
            rule: "noSleepInTests", path: "Tests/HostModelTests/A.swift",
            bad: "try await Task.sleep(for: .seconds(1))", good: "await event.wait()"),
        Example(
            rule: "noSleepInTests", path: "Tests/HostModelTests/A.swift",
            bad: "usleep(1000)", good: "asleep(1000)"),
        Example(
            rule: "noMachinePaths", path: "README.md",
            bad: "cd /root/host", good: "cd host"),
        Example(
            rule: "wholeFilesOfProc", path: "Tests/HostModelTests/A.swift",
            bad: "String(contentsOfFile: \"/proc/self/maps\")",
            good: "FileHandle(forReadingAtPath: \"/proc/self/maps\")"),
        Example(
            rule: "lineLength", path: "Sources/CLedger/a.c",
            bad: String(repeating: "x", count: 101), good: String(repeating: "ü", count: 100)),
        Example(
            rule: "fileLength", path: "Sources/host/A.swift",
            bad: String(repeating: "\n", count: 701), good: String(repeating: "\n", count: 700),
            line: 0),
        Example(rule: "noTrailingSpace", path: "README.md", bad: "text ", good: "text"),
        Example(
            rule: "noBanners", path: "Sources/host/A.swift",
            bad: "    // ------ Lifecycle", good: "    // - Note: a list"),
        Example(
            rule: "packagesByPathOnly", path: "Package.swift",
            bad:
                "dependencies: [\n  .package(\n    url: \"https://a.org/b\", from: \"1.0.0\")]",
            good: "dependencies: [.package(path: \"../..\")]", line: 2),
        Example(
            rule: "promisesHaveReasons", path: "Sources/HTTPServer/A.swift",
            bad: "/// A loop.\nfinal class A: @unchecked Sendable {",
            good: "/// A loop, safe because of its lock.\nfinal class A: @unchecked Sendable {",
            line: 2),
        Example(
            rule: "promisesHaveReasons", path: "Sources/HTTPServer/A.swift",
            bad: "nonisolated(unsafe) var a = 1",
            good: "nonisolated(unsafe) var a = 1  // because it is written once"),
        Example(
            rule: "safeRooms", path: "Sources/HostModel/A.swift",
            bad: "let a = unsafe b.pointee", good: "/// It is unsafe to guess."),
        Example(
            rule: "arrows", path: "Sources/HTTPServer/Loop/A.swift",
            bad: "import HTTPWire\npublic import HostModel", good: "internal import HTTPWire",
            line: 2),
        Example(
            rule: "arrows", path: "Sources/HTTPWire/A.swift",
            bad: "@preconcurrency import struct Foundation.Data", good: "import Glibc"),
        Example(
            rule: "arrows", path: "Sources/Attic/A.swift",
            bad: "let a = 1", good: "", line: 0),
    ]

    @Test(arguments: examples)
    func badExample_isCaught(example: Example) throws {
        let rule = try #require(Rule.all.first { $0.0 == example.rule }?.1)
        let caught = rule.findings(in: TextFile(example.path, example.bad))
        #expect(caught.map(\.line) == [example.line], "\(caught)")
    }

    @Test(arguments: examples.filter { !$0.good.isEmpty })
    func goodNeighbour_passes(example: Example) throws {
        let rule = try #require(Rule.all.first { $0.0 == example.rule }?.1)
        #expect(rule.findings(in: TextFile(example.path, example.good)) == [])
    }

    @Test func everyRule_hasABadExample() {
        #expect(Set(Rule.all.map(\.0)) == Set(Self.examples.map(\.rule)))
    }

    @Test func strangerAtTheTop_isCaught() {
        let paths = ["Package.swift", "Sources/a.swift", ".ci/run", "notes.txt", "docs/a.md"]
        #expect(TopLevel.strangers(among: paths) == ["docs", "notes.txt"])
    }

    @Test(arguments: [
        ("import HTTPWire", "HTTPWire"), ("public import CLedger", "CLedger"),
        ("@testable import HostModel", "HostModel"),
        ("@_spi(Scheduling) internal import struct Glibc.stat", "Glibc"),
    ])
    func import_isRead(line: String, module: String) {
        #expect(Rooms.imported(by: line) == module)
    }
}
