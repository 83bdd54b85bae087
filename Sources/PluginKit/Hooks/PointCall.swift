import CPluginABI

/// One piece of work at a point, as a hook is shown it; borrowed, as a `Request` is.
///
/// It is Sendable because what it refers to is not changed while the hook is called.
@safe
public struct PointCall: ~Escapable, @unchecked Sendable {
    private let functions: UnsafePointer<ph_hooks>
    private let raw: UnsafePointer<ph_point_call>

    @_lifetime(immortal)
    init(unsafe functions: UnsafePointer<ph_hooks>, _ raw: UnsafePointer<ph_point_call>) {
        unsafe self.functions = functions
        unsafe self.raw = raw
    }

    /// The point, such as `rpc` or `notes/save`.
    public var point: BorrowedText {
        @_lifetime(copy self)
        get { unsafe borrowed(unsafe raw.pointee.point) }
    }

    /// Whose work it is; empty for the host's. At `rpc` the caller.
    public var plugin: BorrowedText {
        @_lifetime(copy self)
        get { unsafe borrowed(unsafe raw.pointee.plugin) }
    }

    /// At `rpc`, the plugin that is called; elsewhere empty.
    public var provider: BorrowedText {
        @_lifetime(copy self)
        get { unsafe borrowed(unsafe hasCallee ? raw.pointee.provider : ph_text()) }
    }

    /// At `rpc`, the capability that the method belongs to, if it belongs to one.
    public var capability: BorrowedText {
        @_lifetime(copy self)
        get { unsafe borrowed(unsafe hasCallee ? raw.pointee.capability : ph_text()) }
    }

    /// At `rpc`, the method that is called.
    public var method: BorrowedText {
        @_lifetime(copy self)
        get { unsafe borrowed(unsafe hasCallee ? raw.pointee.method : ph_text()) }
    }

    /// What the work is given and, after it, what it came to.
    public var payload: RequestBody {
        @_lifetime(copy self)
        get {
            let body = unsafe RequestBody(unsafe: raw.pointee.payload)
            return unsafe _overrideLifetime(body, copying: self)
        }
    }

    /// A number of this hook for this piece of work: 0 when it enters, and when it leaves what it
    /// has made of it.
    public var word: Int {
        get { unsafe Int(bitPattern: raw.pointee.word?.pointee) }
        nonmutating set {
            unsafe raw.pointee.word?.pointee = UnsafeMutableRawPointer(bitPattern: newValue)
        }
    }

    /// Gives the work another payload, or another outcome; false when it is longer than 16 MiB.
    ///
    /// A view of the former payload shows the former one.
    @discardableResult
    public func give(_ payload: [UInt8]) -> Bool {
        unsafe payload.withUnsafeBufferPointer { bytes in
            let bytes = unsafe ph_bytes(data: bytes.baseAddress, length: bytes.count)
            return unsafe (functions.pointee.set_payload?(raw, bytes) ?? failed) >= done
        }
    }

    /// Whether the host tells who is called.
    private var hasCallee: Bool {
        unsafe Int(raw.pointee.size) >= MemoryLayout<ph_point_call>.size
    }

    @_lifetime(copy self)
    private func borrowed(_ text: ph_text) -> BorrowedText {
        let view = unsafe BorrowedText(unsafe: text)
        return unsafe _overrideLifetime(view, copying: self)
    }
}
