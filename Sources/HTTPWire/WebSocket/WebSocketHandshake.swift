/// A client's wish to speak WebSocket, read from a request and judged.
///
/// - Source: RFC 6455, section 4.2.1.
@safe
public struct WebSocketHandshake {
    /// Why a request is no such wish, or one that cannot be fulfilled.
    public enum Refusal: Error, Equatable, Sendable {
        /// It asks for no upgrade to WebSocket: 426.
        case upgradeMissing
        /// It asks for another version than 13: 426, and `Sec-WebSocket-Version` says which.
        case versionUnsupported
        /// It comes from a page of another place: 403.
        case originForeign
        /// It is malformed: 400.
        case malformed(String)

        /// The status to answer with.
        public var status: UInt16 {
            switch self {
            case .upgradeMissing, .versionUnsupported: 426
            case .originForeign: 403
            case .malformed: 400
            }
        }

        /// What is wrong, for the client.
        public var reason: String {
            switch self {
            case .upgradeMissing:
                "This is a WebSocket: ask for it with Upgrade: websocket (RFC 6455, 4.1)."
            case .versionUnsupported: "Only version 13 of WebSocket is spoken (RFC 6455, 4.4)."
            case .originForeign: "Pages of other origins may not connect (RFC 6455, 10.2)."
            case .malformed(let reason): reason
            }
        }
    }

    /// The value of `Sec-WebSocket-Key`; borrowed from the request, like all slices here.
    public let key: ByteSlice
    /// The values of `Sec-WebSocket-Protocol` and `Sec-WebSocket-Extensions`, in order.
    private let fields: UnsafeBufferPointer<HeaderField>

    /// Judges a request.
    public init(
        head: RequestHead, fields: UnsafeBufferPointer<HeaderField>
    ) throws(Refusal) {
        guard head.method == .get, head.minorVersion >= 1 else { throw .upgradeMissing }
        var upgrades = false
        var version: ByteSlice?
        var key: ByteSlice?
        var repeats = false
        for index in 0..<fields.count {
            let field = unsafe fields[index]
            switch field.name.count {
            case 7 where field.name.equalsIgnoringCase("upgrade"):
                upgrades = upgrades || Self.contains(field.value, "websocket")
            case 17 where field.name.equalsIgnoringCase("sec-websocket-key"):
                repeats = repeats || key != nil
                key = field.value
            case 21 where field.name.equalsIgnoringCase("sec-websocket-version"):
                repeats = repeats || version != nil
                version = field.value
            default: break
            }
        }
        guard upgrades, head.wantsUpgrade else { throw .upgradeMissing }
        guard head.framing == .none || head.framing == .length(0) else {
            throw .malformed("A request for a WebSocket has no body.")
        }
        guard !repeats else {
            throw .malformed("A Sec-WebSocket field occurs more than once (RFC 6455, 11.3).")
        }
        guard let version else { throw .malformed("There is no Sec-WebSocket-Version.") }
        guard version == "13" else { throw .versionUnsupported }
        guard let key, WebSocketKey.isValid(key) else {
            throw .malformed("Sec-WebSocket-Key is not 16 bytes in base64 (RFC 6455, 4.1).")
        }
        self.key = key
        unsafe self.fields = fields
    }

    /// Agrees on compression: the first offer that can be accepted.
    public func compression(_ preference: PerMessageDeflate.Preference) -> PerMessageDeflate? {
        for index in unsafe 0..<fields.count {
            let field = unsafe fields[index]
            guard field.name.equalsIgnoringCase("sec-websocket-extensions"),
                let agreed = PerMessageDeflate(offers: field.value, preference: preference)
            else { continue }
            return agreed
        }
        return nil
    }

    /// Says whether the client offers a subprotocol; names are compared with their case.
    public func offers(subprotocol name: ByteSlice) -> Bool {
        for index in unsafe 0..<fields.count {
            let field = unsafe fields[index]
            guard field.name.equalsIgnoringCase("sec-websocket-protocol") else { continue }
            var list = ListElements(field.value)
            while let element = list.next() {
                if element == name { return true }
            }
        }
        return false
    }

    /// Says whether the page that asks comes from another place than this server: there is an
    /// `Origin`, and its authority is not the request's.
    ///
    /// Browsers send it with every handshake, and check nothing themselves: a page of a stranger
    /// could speak with its visitor's cookies.
    ///
    /// - Source: RFC 6455, section 10.2; RFC 6454, section 7.
    public func isForeign(_ head: RequestHead) -> Bool {
        for index in unsafe 0..<fields.count {
            let field = unsafe fields[index]
            guard field.name.equalsIgnoringCase("origin") else { continue }
            let origin = field.value
            for scheme in ["http://", "https://"] as [StaticString] {
                let length = scheme.utf8CodeUnitCount
                guard origin.count > length,
                    origin[0..<length].equalsIgnoringCase(ByteSlice(scheme))
                else { continue }
                return !origin[length..<origin.count].equalsIgnoringCase(head.host)
            }
            return true
        }
        return false
    }

    private static func contains(_ list: ByteSlice, _ token: StaticString) -> Bool {
        var elements = ListElements(list)
        while let element = elements.next() {
            if element.equalsIgnoringCase(token) { return true }
        }
        return false
    }
}
