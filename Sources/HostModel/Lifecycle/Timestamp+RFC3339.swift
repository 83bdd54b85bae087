extension Timestamp {
    /// Reads any moment of RFC 3339, or returns nil; what is finer than milliseconds is cut.
    ///
    /// - Shape: `2026-03-01T12:34:56.789Z`, `2026-03-01t12:34:56+01:00`; a leap second counts as
    ///   the one before.
    /// - Source: RFC 3339, section 5.6.
    public init?(rfc3339 text: String) {
        let bytes = Array(text.uppercased().utf8)
        guard bytes.count >= 20, bytes.count <= 40 else { return nil }
        var seconds = Array(bytes[..<19])
        if Array(seconds[17...]) == Array("60".utf8) { seconds[17...] = Array("59".utf8)[...] }
        var rest = bytes[19...]
        var fraction = Array("000".utf8)
        if rest.first == UInt8(ascii: ".") {
            let digits = rest.dropFirst().prefix { $0 >= 0x30 && $0 <= 0x39 }
            guard !digits.isEmpty else { return nil }
            for (index, digit) in digits.prefix(3).enumerated() { fraction[index] = digit }
            rest = rest.dropFirst(1 + digits.count)
        }
        let local = String(decoding: seconds + Array(".".utf8) + fraction, as: UTF8.self) + "Z"
        guard let moment = Timestamp(local), let offset = Self.offset(Array(rest)) else {
            return nil
        }
        self.init(milliseconds: moment.milliseconds - offset)
    }

    /// `Z`, `+01:00`, `-00:30`, in milliseconds.
    private static func offset(_ bytes: [UInt8]) -> Int64? {
        if bytes == Array("Z".utf8) { return 0 }
        guard bytes.count == 6, bytes[3] == UInt8(ascii: ":"),
            bytes[0] == UInt8(ascii: "+") || bytes[0] == UInt8(ascii: "-"),
            [1, 2, 4, 5].allSatisfy({ bytes[$0] >= 0x30 && bytes[$0] <= 0x39 })
        else { return nil }
        let hours = Int64(bytes[1] - 0x30) * 10 + Int64(bytes[2] - 0x30)
        let minutes = Int64(bytes[4] - 0x30) * 10 + Int64(bytes[5] - 0x30)
        guard hours < 24, minutes < 60 else { return nil }
        let size = (hours * 60 + minutes) * 60_000
        return bytes[0] == UInt8(ascii: "-") ? -size : size
    }
}
