import CPluginABI

/// The header fields of a request. Names are compared without regard to case.
@safe
public struct RequestHeaders: ~Escapable {
    let raw: UnsafePointer<ph_request>

    @_lifetime(immortal)
    init(unsafe raw: UnsafePointer<ph_request>) {
        unsafe self.raw = raw
    }

    /// How many fields there are.
    public var count: Int { unsafe raw.pointee.header_count }

    /// The value of the first field of that name, copied; nil when there is none.
    public subscript(name: StaticString) -> String? {
        guard let index = index(of: name) else { return nil }
        return String(value(at: index))
    }

    /// The value of the first field of that name, in place; empty when there is none.
    @_lifetime(copy self)
    public func text(_ name: StaticString) -> BorrowedText {
        if let index = index(of: name) { return value(at: index) }
        let none = unsafe BorrowedText(unsafe: ph_text())
        return unsafe _overrideLifetime(none, copying: self)
    }

    /// All the values under that name, in order.
    public func values(_ name: StaticString) -> [String] {
        var found: [String] = []
        for index in 0..<count where self.name(at: index).equalsIgnoringCase(name) {
            found.append(String(value(at: index)))
        }
        return found
    }

    /// The name of the field at a position from 0 to `count` - 1, as it was sent.
    @_lifetime(copy self)
    public func name(at index: Int) -> BorrowedText {
        let view = unsafe BorrowedText(unsafe: field(at: index).name)
        return unsafe _overrideLifetime(view, copying: self)
    }

    /// The value of the field at a position from 0 to `count` - 1.
    @_lifetime(copy self)
    public func value(at index: Int) -> BorrowedText {
        let view = unsafe BorrowedText(unsafe: field(at: index).value)
        return unsafe _overrideLifetime(view, copying: self)
    }

    private func field(at index: Int) -> ph_header {
        precondition(index >= 0 && index < count, "a request has no header at that position")
        guard let headers = unsafe raw.pointee.headers else { return unsafe ph_header() }
        return unsafe headers[index]
    }

    private func index(of name: StaticString) -> Int? {
        for index in 0..<count where self.name(at: index).equalsIgnoringCase(name) {
            return index
        }
        return nil
    }
}
