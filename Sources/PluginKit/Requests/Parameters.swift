import CPluginABI

/// The segments of a path that the pattern of its route names.
@safe
public struct Parameters: ~Escapable {
    let raw: UnsafePointer<ph_request>
    let pattern: StaticString

    @_lifetime(immortal)
    init(unsafe raw: UnsafePointer<ph_request>, pattern: StaticString) {
        unsafe self.raw = raw
        self.pattern = pattern
    }

    /// The segment of that name, copied; empty when the pattern has no such name.
    public subscript(name: StaticString) -> String { String(text(name)) }

    /// The segment of that name, in place; empty when the pattern has no such name.
    @_lifetime(copy self)
    public func text(_ name: StaticString) -> BorrowedText {
        var value = unsafe ph_text()
        if let index = index(of: name), unsafe index < raw.pointee.parameter_count,
            let parameters = unsafe raw.pointee.parameters
        {
            unsafe value = parameters[index]
        }
        let view = unsafe BorrowedText(unsafe: value)
        return unsafe _overrideLifetime(view, copying: self)
    }

    /// The segment of that name as a whole number.
    ///
    /// - Throws: `HTTPError` 404 when it is none: there is nothing under that path.
    public func integer(_ name: StaticString) throws(HTTPError) -> Int {
        guard let number = Int(text(name)) else {
            throw HTTPError(.notFound, "the path has no whole number as \"\(name)\"")
        }
        return number
    }

    /// Counts the names in the pattern before the one asked for: `{name}` or `{name...}`.
    private func index(of name: StaticString) -> Int? {
        let text = unsafe UnsafeBufferPointer(
            start: pattern.utf8Start, count: pattern.utf8CodeUnitCount)
        let wanted = name.utf8CodeUnitCount
        var found = 0
        var position = 0
        while position < text.count {
            defer { position += 1 }
            guard unsafe text[position] == UInt8(ascii: "{") else { continue }
            var end = position + 1
            while unsafe end < text.count && text[end] != UInt8(ascii: "}")
                && text[end] != UInt8(ascii: ".")
            {
                end += 1
            }
            let start = position + 1
            if end - start == wanted {
                let candidate = unsafe UnsafeBufferPointer(rebasing: text[start..<end])
                if unsafe equalBytes(candidate, name.utf8Start, count: wanted) { return found }
            }
            found += 1
            position = end
        }
        return nil
    }
}
