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
        let port = unsafe ByteSlice(hostEnd + 1, count: end - hostEnd - 1)
        if port.isEmpty { return !portRequired }
        guard port.count <= 5, let number = port.asInteger else { return false }
        return number <= 65_535
    }

    @inline(__always)
    private static func hostEnd(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8>? {
        var at = unsafe start
        if unsafe at.pointee == UInt8(ascii: "[") { return unsafe literalEnd(start, end) }
        while unsafe at < end, unsafe CharacterClass.isHostName(at.pointee) {
            if unsafe at.pointee == UInt8(ascii: "%") {
                guard unsafe end - at >= 3, unsafe CharacterClass.hexValue(at[1]) != nil,
                    unsafe CharacterClass.hexValue(at[2]) != nil
                else { return nil }
            }
            unsafe at += 1
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
