import CPluginABI

/// The whole body of a request, where the host keeps it.
@safe
public struct RequestBody: ~Escapable {
    let raw: ph_bytes

    @_lifetime(immortal)
    init(unsafe raw: ph_bytes) {
        unsafe self.raw = raw
    }

    /// The length of the body.
    ///
    /// - Units: bytes.
    public var count: Int { unsafe raw.length }

    /// Whether there is no body.
    public var isEmpty: Bool { count == 0 }

    var buffer: UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: raw.data, count: raw.data == nil ? 0 : raw.length)
    }

    /// The body in place.
    public var bytes: Span<UInt8> {
        @_lifetime(copy self)
        get {
            let span = unsafe Span(_unsafeElements: buffer)
            return unsafe _overrideLifetime(span, copying: self)
        }
    }

    /// The body, copied.
    public var array: [UInt8] { unsafe Array(buffer) }

    /// The body as text, copied. Bytes that are not UTF-8 become U+FFFD.
    public var text: String { unsafe String(decoding: buffer, as: UTF8.self) }

    /// The body read as JSON.
    ///
    /// - Throws: `HTTPError` 400 saying what was expected, and at which byte.
    public func json() throws(HTTPError) -> JSON {
        var parser = unsafe JSONParser(buffer)
        do {
            return try parser.document()
        } catch {
            throw HTTPError(.badRequest, error.message)
        }
    }
}
