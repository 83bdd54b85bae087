extension TarHeader {
    /// Returns the blocks that announce an entry: one header, with a pax header before it when a
    /// name is too long for one.
    ///
    /// Owner, group and time are zero, so that the same files always give the same archive.
    static func blocks(
        path: String, target: String = "", typeFlag: UInt8, mode: Int, size: Int
    ) -> [UInt8] {
        let fields = split(path)
        guard let fields, target.utf8.count <= 100 else {
            var records = record("path", path)
            if !target.isEmpty { records += record("linkpath", target) }
            return header(
                name: Array("pax".utf8), typeFlag: UInt8(ascii: "x"), mode: 0o644,
                size: records.count) + records + zeros(toFill: records.count)
                + header(
                    name: Array(path.utf8.suffix(100)), target: Array(target.utf8.prefix(100)),
                    typeFlag: typeFlag, mode: mode, size: size)
        }
        return header(
            name: fields.name, prefix: fields.prefix, target: Array(target.utf8),
            typeFlag: typeFlag, mode: mode, size: size)
    }

    /// The zeros between data of that length and the next block.
    static func zeros(toFill size: Int) -> [UInt8] {
        [UInt8](repeating: 0, count: (blockBytes - size % blockBytes) % blockBytes)
    }

    private static func header(
        name: [UInt8], prefix: [UInt8] = [], target: [UInt8] = [], typeFlag: UInt8, mode: Int,
        size: Int
    ) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: blockBytes)
        func put(_ bytes: some Sequence<UInt8>, at offset: Int) {
            for (index, byte) in bytes.enumerated() { block[offset + index] = byte }
        }
        func octal(_ value: Int, digits: Int) -> String.UTF8View {
            let text = String(value, radix: 8)
            return (String(repeating: "0", count: max(0, digits - text.count)) + text).utf8
        }
        put(name, at: 0)
        put(octal(mode, digits: 7), at: 100)
        put(octal(0, digits: 7), at: 108)
        put(octal(0, digits: 7), at: 116)
        put(octal(size, digits: 11), at: 124)
        put(octal(0, digits: 11), at: 136)
        put("        ".utf8, at: 148)
        block[156] = typeFlag
        put(target, at: 157)
        put("ustar\u{0}00".utf8, at: 257)
        put(octal(0, digits: 7), at: 329)
        put(octal(0, digits: 7), at: 337)
        put(prefix, at: 345)
        put(octal(block.reduce(0) { $0 + Int($1) }, digits: 6), at: 148)
        block[154] = 0
        return block
    }

    /// Splits a path into the two fields of a header, at a slash; nil when it does not fit.
    private static func split(_ path: String) -> (name: [UInt8], prefix: [UInt8])? {
        let bytes = Array(path.utf8)
        if bytes.count <= 100 { return (bytes, []) }
        for (index, byte) in bytes.enumerated()
        where byte == UInt8(ascii: "/") && index <= 155 && index < bytes.count - 1
            && bytes.count - index - 1 <= 100
        {
            return (Array(bytes[(index + 1)...]), Array(bytes[..<index]))
        }
        return nil
    }

    /// A pax record; its length counts its own digits.
    private static func record(_ key: String, _ value: String) -> [UInt8] {
        let rest = key.utf8.count + value.utf8.count + 3
        var length = rest + 1
        while String(length).utf8.count + rest != length { length += 1 }
        return Array("\(length) \(key)=\(value)\n".utf8)
    }
}
