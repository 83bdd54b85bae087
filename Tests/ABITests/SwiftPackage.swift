import Foundation
import Testing

/// A package with a Swift plugin, built as its authors build it.
struct SwiftPackage: Sendable, CustomStringConvertible {
    let name: String
    /// From the top of the repository.
    let directory: String

    static let helloSwift = SwiftPackage(name: "hello-swift", directory: "SamplePlugins")
    static let helloEmbedded = SwiftPackage(name: "hello-embedded", directory: "SamplePlugins")
    static let notes = SwiftPackage(name: "notes", directory: "SamplePlugins")
    static let chat = SwiftPackage(name: "chat", directory: "SamplePlugins")
    static let samples = [helloSwift, helloEmbedded, notes, chat]

    var description: String { name }
    var bundle: String { "\(Repository.path)/\(directory)/\(name)/.build/bundle" }
    var library: String { "\(bundle)/lib/lib\(name).so" }

    /// Builds the bundle, one package at a time.
    func build() throws {
        try Self.building.withLock {
            _ = try Tool.run(["make", "--directory", "\(Repository.path)/\(directory)/\(name)"])
        }
    }

    /// Leads the plugin through its life, with what the body does in between.
    func withHost(generation: UInt64 = 1, _ body: (FakeHost) throws -> Void) throws {
        try build()
        try Self.live {
            try FakeHost(library: library, name: name, generation: generation)
        } body: { host in
            try host.start()
            try body(host)
            try host.stop()
        }
    }

    /// Runs the plugin on a thread that has ended when the image is closed: the runtime inside the
    /// image leaves a value with a destructor on each thread that has run it, which the real host
    /// takes back.
    static func live(
        _ open: () throws -> FakeHost, body: (FakeHost) throws -> Void
    ) throws {
        var opened: FakeHost?
        try OwnThread.run {
            let host = try open()
            opened = host
            try body(host)
        }
        let host = try #require(opened)
        #expect(try host.close(), "the image is still mapped")
    }

    /// Builds the plugin that does all that PluginKit must cope with.
    static func openUnruly(refusing refusal: String? = nil) throws -> FakeHost {
        let directory = "\(Repository.path)/Tests/Fixtures/plugins-swift"
        try building.withLock {
            _ = try Tool.run(["swift", "build", "-c", "release", "--package-path", directory])
        }
        let host = try FakeHost(
            library: "\(directory)/.build/release/libunruly.so", name: "unruly")
        if let refusal {
            try Data().write(to: URL(fileURLWithPath: "\(host.directory)/\(refusal)"))
        }
        return host
    }

    /// Builds the host in one C file, which tries a plugin in a process of its own.
    static func buildHarness() throws -> String {
        let directory = "\(Repository.path)/Tests/Fixtures/plugins-swift"
        let program = "\(directory)/.build/harness"
        try building.withLock {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/.build", withIntermediateDirectories: true)
            _ = try Tool.run([
                "gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-rdynamic",
                "-I", Repository.currentHeaders, "\(directory)/harness.c", "-o", program,
                "-lpthread",
            ])
        }
        return program
    }

    private static let building = NSLock()
}
