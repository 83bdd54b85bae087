/// What both sides agreed on about compression.
///
/// - Source: RFC 7692, section 7.1.
public struct PerMessageDeflate: Equatable, Sendable {
    /// Whether the server may refer to its earlier messages.
    public var serverKeepsContext: Bool
    /// Whether the client may refer to its earlier messages.
    public var clientKeepsContext: Bool
    /// The base-2 logarithm of the furthest that the server may refer back, 9 to 15.
    public var serverWindowBits: Int
    /// Whether the client asked for a limit, and so is to be told the one in force.
    public var statesServerWindow: Bool

    /// What a server wants, whatever a client offers.
    public struct Preference: Sendable {
        /// Whether either side may refer to earlier messages; it costs memory between them.
        public var keepsContext: Bool

        /// Makes a preference.
        public init(keepsContext: Bool) { self.keepsContext = keepsContext }
    }

    /// Finds the first offer in a `Sec-WebSocket-Extensions` field that can be accepted.
    ///
    /// An offer with an unknown, repeated or impossible parameter is passed over, and so is a
    /// window of 8 bits, which zlib cannot keep to.
    ///
    /// - Source: RFC 7692, sections 5 and 7.1.
    public init?(offers: ByteSlice, preference: Preference) {
        var list = ListElements(offers)
        while let offer = list.next() {
            if let accepted = Self.accept(offer, preference) {
                self = accepted
                return
            }
        }
        return nil
    }

    private init(_ preference: Preference) {
        serverKeepsContext = preference.keepsContext
        clientKeepsContext = preference.keepsContext
        serverWindowBits = 15
        statesServerWindow = false
    }

    private static func accept(
        _ offer: ByteSlice, _ preference: Preference
    ) -> PerMessageDeflate? {
        var parts = ExtensionParts(offer)
        guard let name = parts.next(), name.value == nil,
            name.name.equalsIgnoringCase("permessage-deflate")
        else { return nil }
        var result = PerMessageDeflate(preference)
        var seen: Set<String> = []
        while let part = parts.next() {
            let parameter = String(decoding: part.name).lowercased()
            guard seen.insert(parameter).inserted else { return nil }
            switch (parameter, part.value) {
            case ("server_no_context_takeover", nil): result.serverKeepsContext = false
            case ("client_no_context_takeover", nil): result.clientKeepsContext = false
            case ("client_max_window_bits", nil): break
            case ("client_max_window_bits", let value?):
                guard windowBits(value) != nil else { return nil }
            case ("server_max_window_bits", let value?):
                guard let bits = windowBits(value), bits > 8 else { return nil }
                result.serverWindowBits = bits
                result.statesServerWindow = true
            default: return nil
            }
        }
        return parts.isMalformed ? nil : result
    }

    /// - Shape: 8 to 15, without leading zeros.
    private static func windowBits(_ value: ByteSlice) -> Int? {
        guard value.count > 0, value[0] != UInt8(ascii: "0"), let bits = value.asInteger,
            bits >= 8, bits <= 15
        else { return nil }
        return Int(bits)
    }

    /// The value of the `Sec-WebSocket-Extensions` field that says so.
    public var answer: String {
        var text = "permessage-deflate"
        if !serverKeepsContext { text += "; server_no_context_takeover" }
        if !clientKeepsContext { text += "; client_no_context_takeover" }
        if statesServerWindow { text += "; server_max_window_bits=\(serverWindowBits)" }
        return text
    }
}

/// Walks through the name and the parameters of one extension.
///
/// - Source: RFC 6455, section 9.1: a quoted value must be a token once it is unquoted.
private struct ExtensionParts {
    private let bytes: ByteSlice
    private var at = 0
    private(set) var isMalformed = false

    init(_ bytes: ByteSlice) { self.bytes = bytes }

    /// Returns the next part, or `nil` after the last one or the first that is malformed.
    mutating func next() -> (name: ByteSlice, value: ByteSlice?)? {
        guard !isMalformed, at < bytes.count else { return nil }
        var end = at
        while end < bytes.count, bytes[end] != UInt8(ascii: ";") { end += 1 }
        let part = bytes[at..<end].trimmed
        let isFollowed = end < bytes.count
        at = end + 1
        if isFollowed, at >= bytes.count { isMalformed = true }
        guard let equals = part.firstIndex(of: UInt8(ascii: "=")) else {
            return checked(part, nil)
        }
        var value = part[(equals + 1)..<part.count].trimmed
        if value.count >= 2, value[0] == UInt8(ascii: "\""),
            value[value.count - 1] == UInt8(ascii: "\"")
        {
            value = value[1..<(value.count - 1)]
        }
        return checked(part[0..<equals].trimmed, value)
    }

    private mutating func checked(
        _ name: ByteSlice, _ value: ByteSlice?
    ) -> (name: ByteSlice, value: ByteSlice?)? {
        let isSound = Scan.isToken(name) && (value.map { Scan.isToken($0) } ?? true)
        if !isSound { isMalformed = true }
        return isSound ? (name, value) : nil
    }
}
