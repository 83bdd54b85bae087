@testable import PluginHost

/// Builds tar archives by hand, good ones and hostile ones, without using the product's own writer.
struct TarBuilder {
    private(set) var bytes: [UInt8] = []

    /// Appends an entry; every field of the header can be made wrong.
    mutating func add(
        _ name: String, _ data: [UInt8] = [], type: Character = "0", target: String = "",
        size: Int? = nil, magic: String = "ustar\u{0}00", prefix: String = "",
        checksumOffset: Int = 0, rawName: [UInt8]? = nil, rawSize: [UInt8]? = nil,
        signedChecksum: Bool = false, mtime: Int = 0, mode: Int = 0o644
    ) {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ bytes: some Sequence<UInt8>, at offset: Int, max: Int) {
            for (index, byte) in bytes.prefix(max).enumerated() { block[offset + index] = byte }
        }
        put(rawName ?? Array(name.utf8), at: 0, max: 100)
        put(Self.octal(mode, 7).utf8, at: 100, max: 8)
        put(Self.octal(1000, 7).utf8, at: 108, max: 8)
        put(Self.octal(1000, 7).utf8, at: 116, max: 8)
        put(rawSize ?? Array(Self.octal(size ?? data.count, 11).utf8), at: 124, max: 12)
        put(Self.octal(mtime, 11).utf8, at: 136, max: 12)
        block[156] = type.asciiValue ?? 0
        put(target.utf8, at: 157, max: 100)
        put(magic.utf8, at: 257, max: 8)
        put(prefix.utf8, at: 345, max: 155)
        for index in 148..<156 { block[index] = 0x20 }
        let sum = block.reduce(0) { $0 + (signedChecksum ? Int(Int8(bitPattern: $1)) : Int($1)) }
        put(Self.octal(sum + checksumOffset, 6).utf8, at: 148, max: 6)
        block[154] = 0
        block[155] = 0x20
        bytes += block + data
        bytes += [UInt8](repeating: 0, count: (512 - data.count % 512) % 512)
    }

    /// Appends a pax header with these records.
    mutating func addPax(_ records: [(String, String)], type: Character = "x") {
        let data = records.flatMap { Self.record($0.0, Array($0.1.utf8)) }
        add("pax", data, type: type)
    }

    /// Appends what every bundle has: a manifest and a library.
    mutating func addPlugin(
        name: String = "demo", version: String = "1.0.0", library: [UInt8] = Array("ELF".utf8)
    ) {
        let manifest = "{\"name\":\"\(name)\",\"version\":\"\(version)\",\"abi\":\"1.0\"}"
        add("manifest.json", Array(manifest.utf8))
        add("lib/", type: "5")
        add("lib/lib\(name).so", library)
    }

    /// Appends the end of the archive.
    mutating func end() { bytes += [UInt8](repeating: 0, count: 1024) }

    /// The archive with its end, packed by gzip.
    func gzipped(at path: String) throws {
        var archive = self
        archive.end()
        try Gzip.write(archive.bytes, to: path)
    }

    static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let body = [UInt8](" \(key)=".utf8) + value + [0x0A]
        var length = body.count + 1
        while String(length).utf8.count + body.count != length { length += 1 }
        return Array(String(length).utf8) + body
    }

    private static func octal(_ value: Int, _ digits: Int) -> String {
        let text = String(value, radix: 8)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}

enum Gzip {
    /// Writes the bytes as a gzip file.
    static func write(_ bytes: [UInt8], to path: String) throws {
        try Directory.remove(path)
        let writer = try GzipWriter(Descriptor(opening: path, flags: 0o301, mode: 0o644))
        try writer.write(bytes)
        try writer.finish()
    }
}
