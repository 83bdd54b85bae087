import Foundation
import Testing

/// The fixture plugins of Tests/Fixtures/plugins, built once for a run.
enum Fixtures {
    /// A directory that `host pack` could pack: manifest.json, lib and priv.
    static func directory(_ fixture: String) throws -> String {
        let all = try built.get()
        return "\(all)/\(fixture)"
    }

    /// The plugin's name and the path of its library.
    static func library(_ fixture: String) throws -> String {
        let lib = "\(try directory(fixture))/lib"
        let names = try FileManager.default.contentsOfDirectory(atPath: lib)
        return "\(lib)/\(try #require(names.first { $0.hasSuffix(".so") }))"
    }

    /// A bundle of a fixture. Packed by tar and not by `host pack`, which may refuse what a test
    /// wants to hand to `host install`.
    static func bundle(_ fixture: String) throws -> String {
        let directory = try directory(fixture)
        let bundle = "\(directory).tar.gz"
        try packing.withLock {
            if !FileManager.default.fileExists(atPath: bundle) {
                try pack(directory, as: bundle)
            }
        }
        return bundle
    }

    /// Packs the parts of a bundle that a directory holds.
    static func pack(_ directory: String, as bundle: String) throws {
        let parts = try FileManager.default.contentsOfDirectory(atPath: directory)
            .filter { ["manifest.json", "lib", "priv"].contains($0) }.sorted()
        try Command.succeed(
            [
                "/bin/tar", "--create", "--gzip", "--file", bundle + ".part", "--owner=0",
                "--group=0", "--directory", directory,
            ] + parts)
        try FileManager.default.moveItem(atPath: bundle + ".part", toPath: bundle)
    }

    private static let packing = NSLock()
    private static let built = Result { () throws -> String in
        let out = "\(Repository.products)/fixtures/plugins"
        try? FileManager.default.removeItem(atPath: out)
        try Command.succeed(
            [
                "/usr/bin/make", "--directory", "\(Repository.path)/Tests/Fixtures/plugins",
                "--jobs=2", "OUT=\(out)",
            ], within: 300)
        return out
    }
}

/// A plugin whose files a test changes before it is installed.
final class DraftBundle {
    private let directory: TemporaryDirectory
    let path: String

    /// Begins with a copy of a fixture.
    init(copying fixture: String) throws {
        directory = try TemporaryDirectory()
        path = directory("bundle")
        try FileManager.default.copyItem(atPath: Fixtures.directory(fixture), toPath: path)
    }

    func read(_ name: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)"))
    }

    func write(_ name: String, _ contents: String) throws {
        try contents.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }

    func remove(_ name: String) throws {
        try FileManager.default.removeItem(atPath: "\(path)/\(name)")
    }

    func pack() throws -> String {
        let bundle = directory("\(UUID().uuidString).tar.gz")
        try Fixtures.pack(path, as: bundle)
        return bundle
    }
}

extension Data {
    /// The data with every occurrence of one text replaced by another of the same length.
    func replacing(_ old: String, with new: String) -> Data {
        precondition(old.utf8.count == new.utf8.count, "the length must stay")
        var result = self
        var from = startIndex
        while let range = result.range(of: Data(old.utf8), in: from..<result.endIndex) {
            result.replaceSubrange(range, with: Data(new.utf8))
            from = range.upperBound
        }
        return result
    }
}
