/// Brings a request path into the form that names are compared in.
public enum PathNormalizer {
    /// Writes the decoded path, free of dot segments and empty segments, and returns its length.
    ///
    /// Escapes are decoded once. `%2F` stays as the three bytes `%2F` and separates nothing, so
    /// that an escaped slash can never add a segment; `%2e` counts as a dot. Runs of slashes
    /// become one. The result begins with `/`, and ends with `/` if the path named a directory
    /// (`/a/`, `/a/.`, `/a/b/..`).
    ///
    /// - Shape: `room` holds at least as many bytes as the path; the result is never longer. The
    ///   two may be the same memory.
    /// - Throws: `WireError.pathNotAbsolute`, `.pathEscapeInvalid`, `.pathHasNUL`,
    ///   `.pathLeavesRoot`, `.pathNotUTF8`; the offset counts from the start of the path.
    /// - Source: RFC 3986, sections 2.1, 5.2.4 and 6.2.2.
    public static func normalize(
        _ path: ByteSlice, into room: UnsafeMutableRawBufferPointer
    ) throws(WireError) -> Int {
        precondition(room.count >= path.count, "the room is smaller than the path")
        guard path.count > 0, path[0] == UInt8(ascii: "/"), let base = room.baseAddress else {
            throw WireError(.pathNotAbsolute, offset: 0)
        }
        let output = unsafe base.assumingMemoryBound(to: UInt8.self)
        unsafe output[0] = UInt8(ascii: "/")
        var length = 1
        var segmentStart = 1
        var at = 1
        var isASCII = true
        while at < path.count {
            var byte = path[at]
            var width = 1
            if byte == UInt8(ascii: "%") {
                byte = try decoded(path, at)
                width = 3
            }
            if byte == UInt8(ascii: "/"), width == 1 {
                try unsafe close(&length, segmentStart, output, at)
                if length > segmentStart {
                    unsafe output[length] = UInt8(ascii: "/")
                    length += 1
                }
                segmentStart = length
            } else if byte == UInt8(ascii: "/") {
                unsafe output[length] = UInt8(ascii: "%")
                unsafe output[length + 1] = UInt8(ascii: "2")
                unsafe output[length + 2] = UInt8(ascii: "F")
                length += 3
            } else {
                if byte >= 0x80 { isASCII = false }
                unsafe output[length] = byte
                length += 1
            }
            at += width
        }
        try unsafe close(&length, segmentStart, output, at)
        if !isASCII {
            let bytes = unsafe UnsafeBufferPointer(start: UnsafePointer(output), count: length)
            guard unsafe isUTF8(bytes) else { throw WireError(.pathNotUTF8, offset: 0) }
        }
        return length
    }

    /// Resolves the last segment if it is `.` or `..`; then `length` stands after a slash.
    ///
    /// A segment made of dots ends up with `length` equal to or below its start.
    private static func close(
        _ length: inout Int, _ segmentStart: Int, _ output: UnsafeMutablePointer<UInt8>, _ at: Int
    ) throws(WireError) {
        let dot = UInt8(ascii: ".")
        switch length - segmentStart {
        case 1 where unsafe output[segmentStart] == dot:
            length = segmentStart
        case 2 where unsafe output[segmentStart] == dot && output[segmentStart + 1] == dot:
            guard segmentStart > 1 else { throw WireError(.pathLeavesRoot, offset: at - 1) }
            length = segmentStart - 1
            while unsafe output[length - 1] != UInt8(ascii: "/") { length -= 1 }
        default: break
        }
    }

    /// Decodes the escape at `at`.
    private static func decoded(_ path: ByteSlice, _ at: Int) throws(WireError) -> UInt8 {
        guard at + 2 < path.count, let high = CharacterClass.hexValue(path[at + 1]),
            let low = CharacterClass.hexValue(path[at + 2])
        else { throw WireError(.pathEscapeInvalid, offset: at) }
        let byte = high << 4 | low
        guard byte != 0 else { throw WireError(.pathHasNUL, offset: at) }
        return byte
    }

    private static func isUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        do {
            _ = try unsafe UTF8Span(validating: bytes.span)
            return true
        } catch {
            return false
        }
    }
}
