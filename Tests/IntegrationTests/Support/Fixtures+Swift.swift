import Foundation

extension Fixtures {
    /// A bundle of a plugin in Swift, built as its authors build theirs.
    static func swiftBundle(
        _ name: String, in package: String, language: String, description: String,
        services: [String]
    ) throws -> String {
        let package = "\(Repository.path)/Tests/Fixtures/\(package)"
        try Command.succeed(
            ["swift", "build", "-c", "release", "--package-path", package], within: 900)
        let directory = "\(Repository.products)/fixtures/\(name)"
        for former in [directory, directory + ".tar.gz"] {
            try? FileManager.default.removeItem(atPath: former)
        }
        try FileManager.default.createDirectory(
            atPath: directory + "/lib", withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            atPath: package + "/.build/release/lib\(name).so",
            toPath: directory + "/lib/lib\(name).so")
        let manifest = """
            {"name": "\(name)", "version": "1.0.0", "abi": "1.0",
             "description": "\(description)", "library": {"file": "lib\(name).so"},
             "services": [\(services.map { "\"\($0)\"" }.joined(separator: ", "))],
             "language": "\(language)"}
            """
        try manifest.write(
            toFile: directory + "/manifest.json", atomically: false, encoding: .utf8)
        try pack(directory, as: directory + ".tar.gz")
        return directory + ".tar.gz"
    }
}
