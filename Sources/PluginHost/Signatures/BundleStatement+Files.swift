internal import Glibc
package import HostModel

/// The files of an unpacked bundle, against what was signed.
extension BundleStatement {
    /// What the host itself puts beside the files of a bundle, and what can sign for itself only.
    private static func isOutside(_ name: String, of plugin: PluginName) -> Bool {
        [fileName, signatureName, ReleaseRecord.fileName, plugin.text + ".tar.gz"].contains(name)
    }

    /// Reads every file of a bundle that was unpacked.
    ///
    /// - Throws: `system_call_failed`.
    package static func entries(
        of directory: String, plugin: PluginName
    ) throws(HostError) -> [Path: Entry] {
        let root = try Descriptor(directory: directory)
        var entries: [Path: Entry] = [:]
        for name in try Directory.entries(of: root) where !isOutside(name, of: plugin) {
            try add(name, of: root, as: name, to: &entries)
        }
        return entries
    }

    private static func add(
        _ name: String, of directory: borrowing Descriptor, as path: String,
        to entries: inout [Path: Entry]
    ) throws(HostError) {
        var status = stat()
        guard unsafe fstatat(directory.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            throw .system(
                "the file could not be examined", subject: directory.path + "/" + name,
                errno: errno)
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            let inner = try directory.open(name, flags: O_RDONLY | O_DIRECTORY)
            for name in try Directory.entries(of: inner) {
                try add(name, of: inner, as: path + "/" + name, to: &entries)
            }
        case S_IFREG:
            let file = try directory.open(name, flags: O_RDONLY | O_NONBLOCK)
            entries[Array(path.utf8)] = .file(
                try SHA256.digest(of: file), mode: UInt16(status.st_mode & 0o7777))
        case S_IFLNK:
            let target = SymbolicLink.target(of: directory.path + "/" + name) ?? ""
            entries[Array(path.utf8)] = .link(target: Array(target.utf8))
        default: entries[Array(path.utf8)] = .other
        }
    }

    /// How the files differ from what was signed, a line for each.
    func differences(from found: [Path: Entry]) -> [String] {
        var lines: [String] = []
        for path in Self.sorted(Set(entries.keys).union(found.keys)) {
            let signed = entries[path]
            guard found[path] != signed else { continue }
            let name = String(decoding: path, as: UTF8.self)
            switch (signed, found[path]) {
            case (_, nil): lines.append("\(name) is missing")
            case (nil, _): lines.append("\(name) is not among what was signed")
            case (.file(let wanted, let mode), .file(let digest, let foundMode)):
                if digest != wanted {
                    lines.append("\(name) has the SHA-256 \(digest); signed was \(wanted)")
                } else {
                    lines.append(
                        "\(name) has the mode \(Self.octal(foundMode)); signed was"
                            + " \(Self.octal(mode))")
                }
            case (.link(let target), .link(let other)):
                lines.append(
                    "\(name) is a link to \(String(decoding: other, as: UTF8.self)); signed was"
                        + " \(String(decoding: target, as: UTF8.self))")
            default: lines.append("\(name) is of another kind than what was signed")
            }
        }
        let rest = lines.count - Self.differencesMax
        guard rest > 0 else { return lines }
        return lines.prefix(Self.differencesMax) + ["and \(rest) more"]
    }

    /// How many differences are told.
    private static let differencesMax = 8
}
