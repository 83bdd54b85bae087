import Glibc
import HostModel

@testable import PluginHost

/// A directory that is there for one test and goes away with it.
final class Scratch {
    let path: String

    init() throws {
        // In memory where possible: there are thousands of syncs in these tests.
        let memory = "/dev/shm"
        let parent =
            access(memory, W_OK) == 0 ? memory : BundleInspector.standardTemporaryDirectory
        path = parent + "/plugin-host-test-" + RandomName.make()
        try Directory.create(path, mode: 0o700)
    }

    deinit { try? Directory.remove(path) }

    /// A root inside this directory, with all its directories.
    func root() throws -> RootLayout {
        let layout = RootLayout(root: path + "/root")
        try layout.create()
        return layout
    }

    func write(_ text: String, to name: String) throws {
        let full = path + "/" + name
        if let slash = full.lastIndex(of: "/") {
            try Directory.create(String(full[..<slash]), mode: 0o755, parents: true)
        }
        try Descriptor(opening: full, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
            .write(text.utf8)
    }

    func read(_ name: String) throws -> String { try Files.text(path + "/" + name) }
}

enum Files {
    static func text(_ path: String) throws -> String {
        let bytes = try Descriptor(opening: path, flags: O_RDONLY).readAll(bytesMax: 1 << 24)
        return String(decoding: bytes, as: UTF8.self)
    }

    static func status(_ path: String) -> stat? {
        var result = stat()
        return lstat(path, &result) == 0 ? result : nil
    }

    static func exists(_ path: String) -> Bool { status(path) != nil }

    /// Every path below the directory, sorted; links are not followed.
    static func tree(_ path: String) throws -> [String] {
        var result: [String] = []
        for name in try Directory.entries(of: path).sorted() {
            result.append(name)
            let full = path + "/" + name
            if let status = status(full), status.st_mode & S_IFMT == S_IFDIR {
                result += try tree(full).map { name + "/" + $0 }
            }
        }
        return result
    }
}

enum Shell {
    /// Runs a command and returns its exit status.
    static func run(_ command: String) -> Int32 {
        let status = system(command)
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F)
    }
}
