/// A place that an operator gives to a plugin beside `/plugin/NAME/`: a path, on one host, on a
/// family of hosts, or on any.
public struct MountAddress: Hashable, Sendable {
    /// The longest prefix.
    public static let prefixBytesMax = 255
    /// The longest name in the DNS.
    public static let hostBytesMax = 253

    /// `shop.example`, or `*.example` for every name that ends in `.example`; lower case, without a
    /// port; nil: any host.
    public let host: String?
    /// `/`, or `/shop/eu` without a slash at its end.
    public let prefix: String

    /// Takes what an operator has written, and brings it into its one form.
    ///
    /// - Shape: the prefix is segments of letters, digits and `-._~`; a slash at its end does not
    ///   count. The host is a name, an IPv4 address or an IPv6 address in brackets; its case and a
    ///   dot at its end do not count.
    /// - Throws: `HostError` with code `mount_invalid` and every objection as a reason.
    public init(host: String?, prefix: String) throws(HostError) {
        var objections: [String] = []
        self.prefix = Self.canonical(prefix: prefix, &objections)
        self.host = host.map { Self.canonical(host: $0, &objections) }
        guard objections.isEmpty else {
            throw HostError(
                "mount_invalid", what: "nothing can be mounted there", why: objections,
                fix: "write it like: --at /shop --host shop.example")
        }
    }

    private static func canonical(prefix: String, _ objections: inout [String]) -> String {
        let told = Escaping.quoted(prefix)
        guard prefix.hasPrefix("/") else {
            objections.append("the path \(told) does not begin with a slash")
            return prefix
        }
        var path = prefix
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        guard path != "/" else { return path }
        if path.utf8.count > prefixBytesMax {
            objections.append("the path has more than \(prefixBytesMax) bytes")
        }
        let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        if segments.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) {
            objections.append(
                "the path \(told) has an empty segment, or one that is \".\" or \"..\"")
        }
        if !path.utf8.allSatisfy({ isAlphanumeric($0) || "-._~/".utf8.contains($0) }) {
            objections.append("the path \(told) has other bytes than letters, digits and -._~")
        }
        if segments.first == "plugin" {
            objections.append("/plugin is where every plugin has its place already")
        } else if path == "/healthz" {
            objections.append("/healthz tells of the host's own health")
        }
        return path
    }

    private static func canonical(host: String, _ objections: inout [String]) -> String {
        var name = host.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        if name.hasPrefix("["), name.hasSuffix("]"), name.utf8.count <= 41,
            name.dropFirst().dropLast().utf8.allSatisfy({ isAddressByte($0) })
        {
            return name
        }
        let labels = (name.hasPrefix("*.") ? name.dropFirst(2) : name[...])
            .split(separator: ".", omittingEmptySubsequences: false)
        let isName =
            name.utf8.count <= hostBytesMax
            && labels.allSatisfy { label in
                !label.isEmpty && label.utf8.count <= 63
                    && label.utf8.allSatisfy { isAlphanumeric($0) || "-_".utf8.contains($0) }
            }
        if !isName {
            objections.append(
                "\(Escaping.quoted(host)) is not the name of a host, such as shop.example or"
                    + " *.shop.example, without a port")
        }
        return name
    }

    private static func isAddressByte(_ byte: UInt8) -> Bool {
        "0123456789abcdef:.".utf8.contains(byte)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}

extension MountAddress: CustomStringConvertible {
    /// The host, if there is one, and the path behind it.
    public var description: String { (host ?? "") + prefix }

    /// The path of something below the place.
    public func path(of rest: String) -> String { (prefix == "/" ? "" : prefix) + rest }
}

extension MountAddress: Comparable {
    public static func < (left: MountAddress, right: MountAddress) -> Bool {
        (left.host ?? "", left.prefix) < (right.host ?? "", right.prefix)
    }
}

extension MountAddress: JSONRepresentable {
    /// - Shape: `{"host":TEXT or null,"prefix":TEXT}`.
    public var json: JSONValue {
        ["host": host.map { .string($0) } ?? .null, "prefix": .string(prefix)]
    }

    public init(json: JSONValue) throws(HostError) {
        let fields = FieldReader(json, of: "mount")
        try self.init(host: try fields.textOrNull("host"), prefix: try fields.text("prefix"))
    }
}
