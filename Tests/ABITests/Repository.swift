import Foundation

/// Where things are in this checkout.
enum Repository {
    static let path: String = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url.path
    }()
    static let currentHeaders = path + "/Sources/CPluginABI/include"
    static let frozen = path + "/Tests/Fixtures/abi-1"
    static let frozenHeaders = frozen + "/include"

    /// The names of the headers in a directory that holds `pluginhost/`.
    static func headerNames(in directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory + "/pluginhost")
            .filter { $0.hasSuffix(".h") }.sorted()
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOfFile: path, encoding: .utf8)
    }
}
