/// Finds the end of a run of allowed bytes; each function returns the first byte outside it, or
/// `end`.
enum Scan {
    typealias Address = UnsafePointer<UInt8>

    /// Skips a token.
    @inline(__always)
    static func token(_ from: Address, _ end: Address) -> Address {
        var at = unsafe from
        while unsafe at < end, unsafe CharacterClass.isToken(at.pointee) { unsafe at += 1 }
        return unsafe at
    }

    /// Skips spaces and tabs.
    @inline(__always)
    static func blanks(_ from: Address, _ end: Address) -> Address {
        var at = unsafe from
        while unsafe at < end, unsafe CharacterClass.isBlank(at.pointee) { unsafe at += 1 }
        return unsafe at
    }

    /// Skips what a field value may hold, which is everything but controls; tabs pass.
    @inline(__always)
    static func fieldValue(_ from: Address, _ end: Address) -> Address {
        var at = unsafe from
        while true {
            while unsafe end - at >= 8 {
                let word = unsafe Word.load(at)
                let hits = Word.below(0x20, word) | Word.equal(0x7F, word)
                if hits != 0 {
                    unsafe at += Word.position(hits)
                    if unsafe at.pointee != 0x09 { return unsafe at }
                    unsafe at += 1
                    continue
                }
                unsafe at += 8
            }
            while unsafe at < end, unsafe CharacterClass.isFieldValue(at.pointee) {
                unsafe at += 1
            }
            return unsafe at
        }
    }

    /// Skips what a request target may hold; stops at blanks, controls, `#` and bytes outside
    /// ASCII.
    @inline(__always)
    static func target(_ from: Address, _ end: Address) -> Address {
        var at = unsafe from
        while unsafe end - at >= 8 {
            let word = unsafe Word.load(at)
            let hits =
                Word.below(0x21, word) | Word.fromDelete(word)
                | Word.equal(UInt8(ascii: "#"), word)
            if hits != 0 { return unsafe at + Word.position(hits) }
            unsafe at += 8
        }
        while unsafe at < end, unsafe CharacterClass.isTarget(at.pointee) { unsafe at += 1 }
        return unsafe at
    }

    /// Skips the path of a request target; stops where `target` does, and at `?`.
    ///
    /// `needsNormalizing` becomes true when the path has `%`, `//` or `/.`.
    @inline(__always)
    static func path(
        _ from: Address, _ end: Address, needsNormalizing: inout Bool
    ) -> Address {
        var at = unsafe from
        var previous: UInt8 = 0
        while unsafe at < end {
            let byte = unsafe at.pointee
            if !CharacterClass.isTarget(byte) || byte == UInt8(ascii: "?") { break }
            if byte == UInt8(ascii: "%")
                || (byte | 1 == UInt8(ascii: "/") && previous == UInt8(ascii: "/"))
            {
                needsNormalizing = true
            }
            previous = byte
            unsafe at += 1
        }
        return unsafe at
    }
}
