import CPluginABI

/// A request as a hook is shown it; borrowed, as a `Request` is.
///
/// It is Sendable because the host never writes to what it has handed over.
@safe
public struct HookCall: ~Escapable, @unchecked Sendable {
    private let raw: UnsafePointer<ph_request_call>
    private let http: UnsafePointer<ph_http>

    @_lifetime(immortal)
    init(unsafe raw: UnsafePointer<ph_request_call>, _ http: UnsafePointer<ph_http>) {
        unsafe self.raw = raw
        unsafe self.http = http
    }

    /// The plugin that the request is for.
    public var plugin: BorrowedText {
        @_lifetime(copy self)
        get { unsafe borrowed(unsafe raw.pointee.plugin) }
    }

    /// The pattern of its route, such as `/notes/{id}`.
    public var pattern: BorrowedText {
        @_lifetime(copy self)
        get { unsafe borrowed(unsafe raw.pointee.pattern) }
    }

    /// The method, such as `GET`.
    public var method: BorrowedText {
        @_lifetime(copy self)
        get { unsafe borrowed(unsafe raw.pointee.request.pointee.method) }
    }

    /// The path below the plugin's mount, percent-decoded, without dot segments.
    public var path: BorrowedText {
        @_lifetime(copy self)
        get { unsafe borrowed(unsafe raw.pointee.request.pointee.path) }
    }

    /// The query of the URL, decoded when it is read.
    public var query: Query {
        @_lifetime(copy self)
        get {
            let query = unsafe Query(unsafe: raw.pointee.request.pointee.query)
            return unsafe _overrideLifetime(query, copying: self)
        }
    }

    /// The header fields of the request.
    public var headers: RequestHeaders {
        @_lifetime(copy self)
        get {
            let headers = unsafe RequestHeaders(unsafe: raw.pointee.request)
            return unsafe _overrideLifetime(headers, copying: self)
        }
    }

    /// Where the request came from: `203.0.113.7:49152`, `[2001:db8::1]:49152`, or `unix`.
    public var remoteAddress: BorrowedText {
        @_lifetime(copy self)
        get { unsafe borrowed(unsafe raw.pointee.request.pointee.remote_address) }
    }

    /// A number of this hook for this request: 0 when it enters, and when it leaves what it has
    /// made of it.
    public var word: Int {
        get { unsafe Int(bitPattern: raw.pointee.word?.pointee) }
        nonmutating set {
            unsafe raw.pointee.word?.pointee = UnsafeMutableRawPointer(bitPattern: newValue)
        }
    }

    /// What the request is called; empty when it leaves.
    public var requestID: String { responder?.requestID ?? "" }

    /// The way to answer; nil when it leaves.
    var responder: Responder? {
        guard let response = unsafe raw.pointee.response else { return nil }
        return unsafe Responder(unsafe: http, response)
    }

    @_lifetime(copy self)
    private func borrowed(_ text: ph_text) -> BorrowedText {
        let view = unsafe BorrowedText(unsafe: text)
        return unsafe _overrideLifetime(view, copying: self)
    }
}

/// What a request came to.
public struct RequestOutcome: Sendable {
    /// The status that was sent; 499 when the client left before.
    public let status: Int
    /// How much of the body was sent.
    ///
    /// - Units: bytes.
    public let bodyBytes: UInt64
    /// From when the request was there to the end of its response.
    ///
    /// - Units: nanoseconds.
    public let nanoseconds: UInt64
    /// Whether the connection ended before the response was complete.
    public let isCut: Bool
    /// Whether a hook has answered, and not the plugin.
    public let isFromHook: Bool

    init(_ raw: ph_request_outcome) {
        status = Int(raw.status)
        bodyBytes = raw.body_bytes
        nanoseconds = raw.nanoseconds
        isCut = raw.flags & UInt32(PH_OUTCOME_CUT) != 0
        isFromHook = raw.flags & UInt32(PH_OUTCOME_HOOKED) != 0
    }
}

/// The head of a response that is about to be written.
@safe
public struct ResponseHead: ~Copyable, ~Escapable {
    private let functions: UnsafePointer<ph_hooks>
    private let raw: OpaquePointer

    @_lifetime(immortal)
    init(unsafe functions: UnsafePointer<ph_hooks>, _ raw: OpaquePointer) {
        unsafe self.functions = functions
        unsafe self.raw = raw
    }

    /// The status.
    public var status: Int { unsafe Int(functions.pointee.head_status?(raw) ?? 0) }

    /// The first value of a field; nil when it has none.
    public func value(of name: StaticString) -> String? {
        guard let ask = unsafe functions.pointee.head_value else { return nil }
        let value = unsafe ask(raw, ph_text(name))
        return unsafe value.data == nil ? nil : String(BorrowedText(unsafe: value))
    }

    /// Gives a field one value, in place of those it has; false if the host refuses it.
    @discardableResult
    public func set(_ name: StaticString, to value: String) -> Bool {
        guard let put = unsafe functions.pointee.head_set else { return false }
        return unsafe withText(value) { unsafe put(raw, ph_text(name), $0) >= done }
    }

    /// Adds a field, whatever there is of that name; false if the host refuses it.
    @discardableResult
    public func add(_ name: StaticString, _ value: String) -> Bool {
        guard let put = unsafe functions.pointee.head_add else { return false }
        return unsafe withText(value) { unsafe put(raw, ph_text(name), $0) >= done }
    }

    /// Takes away every field of a name.
    public func remove(_ name: StaticString) {
        unsafe _ = functions.pointee.head_remove?(raw, ph_text(name))
    }

    private func withText(_ value: String, _ body: (ph_text) -> Bool) -> Bool {
        var value = value
        return value.withUTF8 { bytes in
            var text = unsafe ph_text()
            unsafe text.data = UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(
                to: CChar.self)
            unsafe text.length = bytes.count
            return unsafe body(text)
        }
    }
}
