/// The formats of texts that are checked.
enum SchemaFormat: String, CaseIterable, Sendable {
    case hostname, ipv4, ipv6, uri, uuid

    func holds(_ text: String) -> Bool {
        switch self {
        case .hostname: Self.isHostname(text)
        case .ipv4: Self.isIPv4(text[...])
        case .ipv6: Self.isIPv6(text)
        case .uri: Self.isURI(text)
        case .uuid: Self.isUUID(text)
        }
    }

    /// Source: RFC 1123, section 2.1.
    private static func isHostname(_ text: String) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        return text.utf8.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && !label.hasPrefix("-")
                    && !label.hasSuffix("-")
                    && label.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
            }
    }

    /// Source: RFC 2673, section 3.2.
    private static func isIPv4(_ text: Substring) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                (1...3).contains(part.utf8.count)
                    && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
                    && (part == "0" || !part.hasPrefix("0")) && UInt8(part) != nil
            }
    }

    /// Source: RFC 4291, section 2.2.
    private static func isIPv6(_ text: String) -> Bool {
        var bytes = Array(text.utf8)
        var groups = 0
        if let colon = bytes.lastIndex(of: UInt8(ascii: ":")), bytes.contains(UInt8(ascii: ".")) {
            let tail = String(decoding: bytes[(colon + 1)...], as: UTF8.self)
            guard isIPv4(tail[...]) else { return false }
            bytes.replaceSubrange((colon + 1)..., with: "0:0".utf8)
        }
        let halves = split(bytes)
        guard halves.count <= 2 else { return false }
        for half in halves where !half.isEmpty {
            for group in half.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            {
                guard (1...4).contains(group.count), group.allSatisfy(isHexDigit) else {
                    return false
                }
                groups += 1
            }
        }
        return halves.count == 2 ? groups <= 7 : groups == 8
    }

    /// What stands on both sides of each `::`.
    private static func split(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var result: [ArraySlice<UInt8>] = []
        var start = 0
        var index = 0
        while index + 1 < bytes.count {
            if bytes[index] == UInt8(ascii: ":"), bytes[index + 1] == UInt8(ascii: ":") {
                result.append(bytes[start..<index])
                index += 2
                start = index
            } else {
                index += 1
            }
        }
        result.append(bytes[start...])
        return result
    }

    /// Source: RFC 3986, section 3: a scheme, a colon, and characters that may stand in one.
    private static func isURI(_ text: String) -> Bool {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else { return false }
        let scheme = text.utf8[..<colon]
        guard let first = scheme.first, isLetterOrDigit(first), !(0x30...0x39).contains(first),
            scheme.allSatisfy({ isLetterOrDigit($0) || "+-.".utf8.contains($0) })
        else { return false }
        let rest = Array(text.utf8[colon...].dropFirst())
        for (index, byte) in rest.enumerated() {
            if byte == UInt8(ascii: "%") {
                guard rest[(index + 1)...].prefix(2).count(where: isHexDigit) == 2 else {
                    return false
                }
            } else if !isLetterOrDigit(byte) && !"-._~:/?#[]@!$&'()*+,;=".utf8.contains(byte) {
                return false
            }
        }
        return true
    }

    /// Source: RFC 9562, section 4.
    private static func isUUID(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.map(\.utf8.count) == [8, 4, 4, 4, 12]
            && parts.allSatisfy { $0.utf8.allSatisfy(isHexDigit) }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF)
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte & 0xDF)
    }
}
