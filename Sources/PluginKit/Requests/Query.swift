import CPluginABI

/// The query of a URL: `?q=tea&page=2`, decoded item by item when it is read.
///
/// - Source: WHATWG URL, application/x-www-form-urlencoded parsing: `+` is a space, and an escape
///   that is none stays as it is.
@safe
public struct Query: ~Escapable {
    let text: ph_text

    @_lifetime(immortal)
    init(unsafe text: ph_text) {
        unsafe self.text = text
    }

    /// The query as it was sent, after the `?`.
    public var raw: BorrowedText {
        @_lifetime(copy self)
        get {
            let view = unsafe BorrowedText(unsafe: text)
            return unsafe _overrideLifetime(view, copying: self)
        }
    }

    /// The first value under that name; nil when there is none.
    public subscript(name: StaticString) -> String? {
        var found: String?
        forEach { candidate, value in
            guard candidate.matches(name) else { return true }
            found = value.decoded
            return false
        }
        return found
    }

    /// All the values under that name, in order.
    public func values(_ name: StaticString) -> [String] {
        var found: [String] = []
        forEach { candidate, value in
            if candidate.matches(name) { found.append(value.decoded) }
            return true
        }
        return found
    }

    /// The first value under that name as a whole number within bounds.
    ///
    /// - Returns: `absent` when there is no such name.
    /// - Throws: `HTTPError` 400 naming the item and its bounds.
    public func integer(
        _ name: StaticString, in bounds: ClosedRange<Int>, absent: Int
    ) throws(HTTPError) -> Int {
        guard var value = self[name] else { return absent }
        let number = value.withUTF8 { bytes in unsafe decimal(bytes) }
        guard let number, bounds.contains(number) else {
            throw HTTPError(
                .badRequest,
                "\"\(name)\" is a whole number from \(bounds.lowerBound) to \(bounds.upperBound)")
        }
        return number
    }

    private func forEach(_ visit: (FormText, FormText) -> Bool) {
        guard let start = unsafe UnsafeRawPointer(text.data) else { return }
        let bytes = unsafe UnsafeBufferPointer(
            start: start.assumingMemoryBound(to: UInt8.self), count: text.length)
        var position = 0
        while position < bytes.count {
            var end = position
            var equals = -1
            while unsafe end < bytes.count && bytes[end] != UInt8(ascii: "&") {
                if unsafe equals < 0 && bytes[end] == UInt8(ascii: "=") { equals = end }
                end += 1
            }
            if end > position {
                let nameEnd = equals < 0 ? end : equals
                let valueStart = equals < 0 ? end : equals + 1
                let name = unsafe FormText(bytes[position..<nameEnd])
                let value = unsafe FormText(bytes[valueStart..<end])
                guard visit(name, value) else { return }
            }
            position = end + 1
        }
    }
}

/// A name or a value of a query, not decoded yet.
@safe
private struct FormText {
    let bytes: Slice<UnsafeBufferPointer<UInt8>>

    init(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) {
        unsafe self.bytes = bytes
    }

    func matches(_ name: StaticString) -> Bool {
        let wanted = unsafe UnsafeBufferPointer(
            start: name.utf8Start, count: name.utf8CodeUnitCount)
        var decoder = unsafe FormDecoder(bytes)
        for index in wanted.indices {
            guard unsafe decoder.next() == wanted[index] else { return false }
        }
        return decoder.next() == nil
    }

    var decoded: String {
        var output: [UInt8] = []
        unsafe output.reserveCapacity(bytes.count)
        var decoder = unsafe FormDecoder(bytes)
        while let byte = decoder.next() { output.append(byte) }
        return String(decoding: output, as: UTF8.self)
    }
}

/// Turns `%41` and `+` into what they stand for, one byte at a time.
@safe
private struct FormDecoder {
    let bytes: Slice<UnsafeBufferPointer<UInt8>>
    var position: Int

    init(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) {
        unsafe self.bytes = bytes
        unsafe position = bytes.startIndex
    }

    mutating func next() -> UInt8? {
        guard unsafe position < bytes.endIndex else { return nil }
        let byte = unsafe bytes[position]
        position += 1
        if byte == UInt8(ascii: "+") { return UInt8(ascii: " ") }
        guard unsafe byte == UInt8(ascii: "%") && position + 1 < bytes.endIndex,
            let high = unsafe hexDigit(bytes[position]),
            let low = unsafe hexDigit(bytes[position + 1])
        else { return byte }
        position += 2
        return high << 4 | low
    }
}

/// The value of a hexadecimal digit; nil for anything else.
func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
