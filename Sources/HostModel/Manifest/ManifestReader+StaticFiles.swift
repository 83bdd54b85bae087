/// Reads `static`: how the files are served.
extension ManifestReader {
    mutating func staticFiles(_ value: JSONValue?) -> Manifest.StaticFiles {
        var result = Manifest.StaticFiles()
        let keys = ["index", "fallback", "cacheControl", "headers"]
        guard let value, let object = object(value, at: "/static", keys: keys) else {
            return result
        }
        if let index = object["index"] {
            result.index = fileName(index, at: "/static/index") ?? result.index
        }
        if let fallback = object["fallback"] {
            result.fallback = fileName(fallback, at: "/static/fallback")
        }
        if let rules = object["cacheControl"] { result.cacheRules = cacheRules(rules) }
        if let headers = object["headers"] { result.headers = self.headers(headers) }
        return result
    }

    /// - Shape: one text for every file, or an object of patterns and texts.
    private mutating func cacheRules(_ value: JSONValue) -> [Manifest.StaticFiles.CacheRule] {
        let path = "/static/cacheControl"
        if value.string != nil {
            return fieldValue(value, at: path).map { [.init(pattern: "*", value: $0)] } ?? []
        }
        let rules = members(of: value, at: path, atMost: ManifestLimit.cacheRulesMax, "rules")
        return rules.compactMap { member in
            let place = path + "/" + Self.pointer(member.key)
            let value = fieldValue(member.value, at: place)
            guard Self.isPattern(member.key) else {
                refuse(
                    place, "\(Escaping.quoted(member.key)) does not say which files",
                    "write \"*\", \"*.css\", \"assets/\" or the path of one file,"
                        + " without a slash in front")
                return nil
            }
            return value.map { .init(pattern: member.key, value: $0) }
        }
    }

    /// The members of an object with names of the author's choice; none when there are too many.
    private mutating func members(
        of value: JSONValue, at path: String, atMost most: Int, _ noun: String
    ) -> [(key: String, value: JSONValue)] {
        guard let object = object(value, at: path) else { return [] }
        guard object.count <= most else {
            refuse(path, "it has \(object.count) \(noun)", "at most \(most) are allowed")
            return []
        }
        return object.members
    }

    private static func isPattern(_ text: String) -> Bool {
        let bytes = text.utf8
        guard !bytes.isEmpty, bytes.count <= ManifestLimit.patternBytesMax,
            bytes.first != UInt8(ascii: "/"), bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else { return false }
        return !bytes.dropFirst().contains(UInt8(ascii: "*"))
    }

    private mutating func headers(_ value: JSONValue) -> [Manifest.StaticFiles.Header] {
        let path = "/static/headers"
        let fields = members(of: value, at: path, atMost: ManifestLimit.headersMax, "fields")
        return fields.compactMap { member in
            let place = path + "/" + Self.pointer(member.key)
            let value = fieldValue(member.value, at: place)
            guard Self.isToken(member.key) else {
                refuse(
                    place, "\(Escaping.quoted(member.key)) is not the name of a field",
                    "names are letters, digits and hyphens")
                return nil
            }
            if Self.reservedNames.contains(member.key.lowercased()) {
                let cure =
                    member.key.lowercased() == "cache-control"
                    ? "use \"cacheControl\"" : "leave it out"
                refuse(place, "the host writes \(member.key) by itself", cure)
                return nil
            }
            return value.map { .init(name: member.key, value: $0) }
        }
    }

    /// The fields that come from the file or from the connection.
    private static let reservedNames: Set<String> = [
        "accept-ranges", "cache-control", "connection", "content-encoding", "content-length",
        "content-range", "content-type", "date", "etag", "keep-alive", "last-modified", "location",
        "server", "trailer", "transfer-encoding", "upgrade", "vary", "x-content-type-options",
    ]

    private static func isToken(_ text: String) -> Bool {
        let marks = Set("!#$%&'*+-.^_`|~".utf8)
        return !text.isEmpty && text.utf8.count <= 64
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: marks.contains(byte)
                }
            }
    }

    private mutating func fieldValue(_ value: JSONValue, at path: String) -> String? {
        shaped(
            value, at: path,
            "a field's value is printable ASCII without blanks at its ends and has at most"
                + " \(ManifestLimit.headerBytesMax) bytes"
        ) {
            !$0.isEmpty && !$0.hasPrefix(" ") && !$0.hasSuffix(" ")
                && $0.utf8.count <= ManifestLimit.headerBytesMax
                && $0.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) ? $0 : nil
        }
    }
}
