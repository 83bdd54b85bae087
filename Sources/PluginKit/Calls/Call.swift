import CPluginABI

/// A call of one of the plugin's methods, as it was made by another plugin.
///
/// The payload lies where the caller has it: it lives until the call is completed, and the compiler
/// does not let it escape the method.
@safe
public struct Call: ~Escapable {
    private let raw: ph_bytes

    @_lifetime(immortal)
    init(unsafe raw: ph_bytes) {
        unsafe self.raw = raw
    }

    /// What was sent.
    public var payload: RequestBody {
        @_lifetime(copy self)
        get {
            let body = unsafe RequestBody(unsafe: raw)
            return unsafe _overrideLifetime(body, copying: self)
        }
    }
}

/// What a method answers.
public struct Reply: Sendable {
    enum Content: Sendable {
        case literal(StaticString)
        case text(String)
        case bytes([UInt8])
    }

    let content: Content

    /// A reply that says nothing.
    public static var empty: Reply { Reply(content: .literal("")) }

    /// A fixed text; nothing is copied.
    public static func text(literal text: StaticString) -> Reply { Reply(content: .literal(text)) }

    /// A text.
    public static func text(_ text: String) -> Reply { Reply(content: .text(text)) }

    /// Bytes of any kind.
    public static func bytes(_ bytes: [UInt8]) -> Reply { Reply(content: .bytes(bytes)) }

    /// A JSON value.
    public static func json(_ value: JSON) -> Reply { Reply(content: .bytes(value.bytes)) }

    /// Lends the reply for the length of a call.
    func withBytes(_ body: (ph_bytes) -> ph_status) -> ph_status {
        switch content {
        case .literal(let text):
            return unsafe body(ph_bytes(data: text.utf8Start, length: text.utf8CodeUnitCount))
        case .text(var text):
            return text.withUTF8 {
                unsafe body(ph_bytes(data: $0.baseAddress, length: $0.count))
            }
        case .bytes(let bytes):
            return unsafe bytes.withUnsafeBufferPointer {
                unsafe body(ph_bytes(data: $0.baseAddress, length: $0.count))
            }
        }
    }
}
