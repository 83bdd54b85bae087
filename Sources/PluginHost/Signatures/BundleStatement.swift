internal import HTTPWire
package import HostModel

/// What a signature of a bundle is made over: every file with its digest and its mode, and every
/// link.
///
/// - Shape: UTF-8 lines, sorted by the bytes of the path, which `sha256sum -c` takes as well:
///   ```
///   # plugin-host bundle 1, signed with ed25519 BASE64-OF-THE-PUBLIC-KEY
///   # 0755
///   SHA256-IN-HEX  lib/libdemo.so
///   # 0644
///   SHA256-IN-HEX  manifest.json
///   # link target
///   # at priv/static/latest
///   ```
///   There is one such text for each set of files and key, and no other is taken.
package struct BundleStatement: Hashable, Sendable {
    /// The file of a bundle that holds this text, and the one with the 64 bytes of the signature.
    package static let fileName = "SIGNED"
    package static let signatureName = "SIGNED.sig"
    static let fileBytesMax = 64 << 20

    private static let opening = "# plugin-host bundle 1, signed with ed25519 "

    /// The bytes of a path: names that look alike are not the same.
    package typealias Path = [UInt8]

    /// What stands at a path.
    package enum Entry: Hashable, Sendable {
        case file(Digest, mode: UInt16)
        case link(target: [UInt8])
        /// Neither; never in a text that was signed.
        case other
    }

    package let key: VerifyingKey
    package let entries: [Path: Entry]

    package init(key: VerifyingKey, entries: [Path: Entry]) {
        self.key = key
        self.entries = entries
    }

    /// The text that is signed.
    package var text: String {
        var text = Self.opening + Base64.text(of: key.bytes) + "\n"
        for path in Self.sorted(entries.keys) {
            let name = String(decoding: path, as: UTF8.self)
            switch entries[path] {
            case .file(let digest, let mode):
                text += "# \(Self.octal(mode))\n\(digest.hex)  \(name)\n"
            case .link(let target):
                text += "# link \(String(decoding: target, as: UTF8.self))\n# at \(name)\n"
            case .other, nil: break
            }
        }
        return text
    }

    /// Reads a text that was signed; nil when it is not exactly as `text` writes it.
    package init?(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let first = lines.first, first.hasPrefix(Self.opening),
            let keyBytes = Base64.bytes(of: String(first.dropFirst(Self.opening.count))),
            let key = VerifyingKey(bytes: keyBytes)
        else { return nil }
        var entries: [Path: Entry] = [:]
        var index = 1
        while index + 1 < lines.count {
            guard let (path, entry) = Self.entry(lines[index], lines[index + 1]) else { return nil }
            entries[path] = entry
            index += 2
        }
        self.init(key: key, entries: entries)
        guard self.text.utf8.elementsEqual(bytes) else { return nil }
    }

    private static func entry(_ note: Substring, _ line: Substring) -> (Path, Entry)? {
        if note.hasPrefix("# link "), line.hasPrefix("# at ") {
            return (Array(line.utf8.dropFirst(5)), .link(target: Array(note.utf8.dropFirst(7))))
        }
        guard note.hasPrefix("# "), let mode = UInt16(note.dropFirst(2), radix: 8),
            let digest = Digest(hex: String(line.prefix(64))), line.dropFirst(64).hasPrefix("  ")
        else { return nil }
        return (Array(line.utf8.dropFirst(66)), .file(digest, mode: mode))
    }

    static func sorted(_ paths: some Sequence<Path>) -> [Path] {
        paths.sorted { $0.lexicographicallyPrecedes($1) }
    }

    static func octal(_ mode: UInt16) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
