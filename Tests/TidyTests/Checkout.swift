import Foundation

/// One text file of this repository.
struct TextFile: Sendable {
    /// From the top of the repository, such as `Sources/host/Main.swift`.
    let path: String
    let lines: [String]

    init(_ path: String, _ text: String) {
        self.path = path
        var lines = text.components(separatedBy: "\n")
        if lines.last == "" { lines.removeLast() }
        self.lines = lines
    }

    var folders: [String] { path.split(separator: "/").dropLast().map(String.init) }
    var name: String { (path as NSString).lastPathComponent }
    var kind: String { (path as NSString).pathExtension }

    /// Below one of these folders, counted from the top.
    func isBelow(_ tops: String...) -> Bool {
        tops.contains { path.hasPrefix($0 + "/") }
    }
}

/// The files that belong to this repository.
enum Checkout {
    static let top: String = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url.path
    }()

    /// What git knows or would add; without git, everything but what builds leave behind.
    static func paths() throws -> [String] {
        try pathsKnownToGit() ?? pathsOnDisk()
    }

    /// The files whose text is looked at, read once.
    static func files() throws -> [TextFile] { try read.get() }

    private static let read = Result { try readFiles() }

    private static func readFiles() throws -> [TextFile] {
        let kinds = [
            "swift", "c", "h", "cpp", "hpp", "rs", "py", "md", "json", "html", "toml", "map",
            "modulemap", "sh", "css", "js", "",
        ]
        return try paths().filter { kinds.contains(($0 as NSString).pathExtension) }.compactMap {
            guard let data = FileManager.default.contents(atPath: "\(top)/\($0)"),
                let text = String(data: data, encoding: .utf8)
            else { return nil }
            return TextFile($0, text)
        }
    }

    private static func pathsKnownToGit() throws -> [String]? {
        let git = Process()
        let output = Pipe()
        git.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        git.arguments = [
            "git", "-C", top, "ls-files", "-z", "--cached", "--others", "--exclude-standard",
        ]
        git.standardOutput = output
        git.standardError = FileHandle.nullDevice
        try git.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        git.waitUntilExit()
        guard git.terminationStatus == 0 else { return nil }
        return String(decoding: data, as: UTF8.self).split(separator: "\0").map(String.init)
            .filter { FileManager.default.fileExists(atPath: "\(top)/\($0)") }
    }

    private static func pathsOnDisk() -> [String] {
        let leftByBuilds: Set = [".git", ".build", "target", "__pycache__", "Package.resolved"]
        var paths: [String] = []
        let walk = FileManager.default.enumerator(atPath: top)
        while let path = walk?.nextObject() as? String {
            if leftByBuilds.contains((path as NSString).lastPathComponent) {
                walk?.skipDescendants()
            } else if walk?.fileAttributes?[.type] as? FileAttributeType == .typeRegular {
                paths.append(path)
            }
        }
        return paths
    }
}
