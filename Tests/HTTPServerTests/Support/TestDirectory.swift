import Foundation

/// A directory that goes away with the test.
final class TestDirectory: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "http-server-test-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file, with its directories, and dates it back so that its entity tag is strong.
    func write(_ name: String, _ bytes: [UInt8], isOld: Bool = true) throws {
        let file = path + "/" + name
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent,
            withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        if isOld {
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSince1970: 784_111_777)], ofItemAtPath: file)
        }
    }

    func write(_ name: String, _ text: String, isOld: Bool = true) throws {
        try write(name, Array(text.utf8), isOld: isOld)
    }

    func link(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(
            atPath: path + "/" + name, withDestinationPath: target)
    }
}
