import Foundation

/// A tar archive made by hand, so that it can hold what no tar would write.
struct TarFile {
    private(set) var bytes = Data()

    /// Adds one entry.
    ///
    /// - Parameters:
    ///   - kind: the type flag: "0" file, "1" hard link, "2" symbolic link, "3" character device,
    ///     "5" directory, "6" fifo.
    ///   - size: what the header declares, if it is not the size of the contents.
    ///   - checksum: what the header holds, if it is not the right one.
    mutating func add(
        _ name: String, _ contents: String = "", kind: Character = "0", link: String = "",
        size: Int? = nil, checksum: Int? = nil
    ) {
        add(name, Data(contents.utf8), kind: kind, link: link, size: size, checksum: checksum)
    }

    mutating func add(
        _ name: String, _ contents: Data, kind: Character = "0", link: String = "",
        size: Int? = nil, checksum: Int? = nil
    ) {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int, _ width: Int) {
            for (index, byte) in text.utf8.prefix(width).enumerated() {
                header[offset + index] = byte
            }
        }
        func octal(_ number: Int, _ digits: Int) -> String {
            let text = String(number, radix: 8)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        put(name, at: 0, 100)
        put(octal(kind == "5" ? 0o755 : 0o644, 7), at: 100, 7)
        put(octal(0, 7), at: 108, 7)
        put(octal(0, 7), at: 116, 7)
        put(octal(size ?? contents.count, 11), at: 124, 11)
        put(octal(0, 11), at: 136, 11)
        put("        ", at: 148, 8)
        put(String(kind), at: 156, 1)
        put(link, at: 157, 100)
        put("ustar\u{0}00", at: 257, 8)
        let sum = checksum ?? header.reduce(0) { $0 + Int($1) }
        put(octal(sum, 6) + "\u{0} ", at: 148, 8)
        bytes += Data(header) + contents
        bytes += Data(count: (512 - contents.count % 512) % 512)
    }

    /// Writes the archive with its end, compressed, and returns where.
    func gzip(in directory: TemporaryDirectory, ending: Bool = true) throws -> String {
        let file = try directory.write("bundle.tar", bytes + Data(count: ending ? 1_024 : 0))
        try Command.succeed(["/bin/gzip", "--no-name", "--force", file])
        return file + ".gz"
    }
}
