/// The `host[:port]` of a Host field, an absolute target or a CONNECT.
enum Authority {
    /// Says whether the bytes are a host with an optional port.
    ///
    /// - Shape: a registered name or an IPv4 address, or an IP literal in brackets; then,
    ///   optionally, a colon and a port up to 65535, which may be empty. User information is
    ///   refused.
    /// - Source: RFC 3986, section 3.2; RFC 9110, sections 4.2.4 and 7.2.
    static func isValid(_ bytes: ByteSlice, portRequired: Bool = false) -> Bool {
        guard bytes.count > 0, let start = unsafe bytes.base else { return false }
        let end = unsafe start + bytes.count
        guard let hostEnd = unsafe hostEnd(start, end), unsafe hostEnd != start else {
            return false
        }
        if unsafe hostEnd == end { return !portRequired }
        guard unsafe hostEnd.pointee == UInt8(ascii: ":") else { return false }
        if unsafe hostEnd + 1 == end { return !portRequired }
        guard unsafe end - hostEnd <= 6 else { return false }
        var port = 0
        var at = unsafe hostEnd + 1
        while unsafe at < end {
            let digit = unsafe at.pointee &- UInt8(ascii: "0")
            guard digit <= 9 else { return false }
            port = port &* 10 &+ Int(digit)
            unsafe at += 1
        }
        return port <= 65_535
    }

    @inline(__always)
    private static func hostEnd(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8>? {
        if unsafe start.pointee == UInt8(ascii: "[") { return unsafe literalEnd(start, end) }
        var at = unsafe start
        while unsafe at < end, unsafe CharacterClass.isHostName(at.pointee) { unsafe at += 1 }
        if unsafe at < end, unsafe at.pointee == UInt8(ascii: "%") {
            return unsafe escapedEnd(at, end)
        }
        return unsafe at
    }

    /// Finds the end of a name that has percent escapes, the first of them at `from`.
    @inline(never)
    private static func escapedEnd(
        _ from: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8>? {
        var at = unsafe from
        while unsafe at < end {
            if unsafe CharacterClass.isHostName(at.pointee) {
                unsafe at += 1
            } else if unsafe at.pointee == UInt8(ascii: "%") {
                guard unsafe end - at >= 3, unsafe CharacterClass.hexValue(at[1]) != nil,
                    unsafe CharacterClass.hexValue(at[2]) != nil
                else { return nil }
                unsafe at += 3
            } else {
                break
            }
        }
        return unsafe at
    }

    /// Finds the end of an IP literal: hex digits, colons and dots in brackets with at least two
    /// colons.
    private static func literalEnd(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8>? {
        var at = unsafe start + 1
        var colons = 0
        while unsafe at < end {
            let byte = unsafe at.pointee
            if byte == UInt8(ascii: "]") { return unsafe colons >= 2 ? at + 1 : nil }
            if byte == UInt8(ascii: ":") {
                colons += 1
            } else if byte != UInt8(ascii: "."), CharacterClass.hexValue(byte) == nil {
                return nil
            }
            unsafe at += 1
        }
        return nil
    }
}
