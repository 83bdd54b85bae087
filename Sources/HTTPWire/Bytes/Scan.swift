/// Finds the end of a run of allowed bytes; each function returns the first byte outside it, or
/// `end`.
enum Scan {
    typealias Address = UnsafePointer<UInt8>

    /// Skips a token; letters and hyphens, which are nearly all there is, in steps of eight.
    @inline(__always)
    static func token(_ from: Address, _ end: Address) -> Address {
        var at = unsafe from
        while unsafe end - at >= 8 {
            let hits = unsafe Word.notLetterOrHyphen(Word.load(at))
            if hits != 0 {
                unsafe at += Word.position(hits)
                let byte = unsafe at.pointee
                return unsafe byte == UInt8(ascii: ":") ? at : restOfToken(at, end)
            }
            unsafe at += 8
        }
        return unsafe restOfToken(at, end)
    }

    @inline(never)
    private static func restOfToken(_ from: Address, _ end: Address) -> Address {
        var at = unsafe from
        while unsafe at < end, unsafe CharacterClass.isToken(at.pointee) { unsafe at += 1 }
        return unsafe at
    }

    /// Skips spaces and tabs.
    @inline(__always)
    static func blanks(_ from: Address, _ end: Address) -> Address {
        if unsafe end - from >= 2, unsafe from[0] == 0x20, unsafe from[1] > 0x20 {
            return unsafe from + 1
        }
        return unsafe restOfBlanks(from, end)
    }

    @inline(never)
    private static func restOfBlanks(_ from: Address, _ end: Address) -> Address {
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
                let hits = Word.control(word)
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
        // The high bit of the lowest byte, if the byte before `at` is a slash.
        var slashBefore: UInt64 = 0
        var allPairs: UInt64 = 0
        // The last place that eight bytes can be read from.
        let last = unsafe end - 8
        while unsafe at <= last {
            let word = unsafe Word.load(at)
            // Below `&` lie the blank, the controls, `#` and `%`; `!`, `"` and `$` are rare enough
            // to be looked at one by one with them.
            let specials =
                Word.below(UInt8(ascii: "&"), word) | Word.fromDelete(word)
                | Word.equal(UInt8(ascii: "?"), word)
            // `.` and `/` differ in the lowest bit. That bit is clear in every byte of the
            // difference here, so that no false hit can follow a true one.
            let dotsAndSlashes = Word.equal(UInt8(ascii: "/"), word | Word.lows)
            let slashes = dotsAndSlashes & (word << 7)
            let pairs = dotsAndSlashes & (slashes << 8 | slashBefore)
            if specials == 0 {
                allPairs |= pairs
                slashBefore = slashes >> 56
                unsafe at += 8
                continue
            }
            let beforeSpecial = (specials & (0 &- specials)) &- 1
            allPairs |= pairs & beforeSpecial
            unsafe at += Word.position(specials)
            let byte = unsafe at.pointee
            if !CharacterClass.isTarget(byte) || byte == UInt8(ascii: "?") {
                if allPairs != 0 { needsNormalizing = true }
                return unsafe at
            }
            if byte == UInt8(ascii: "%") { needsNormalizing = true }
            slashBefore = 0
            unsafe at += 1
        }
        if allPairs != 0 { needsNormalizing = true }
        while unsafe at < end {
            let byte = unsafe at.pointee
            if !CharacterClass.isTarget(byte) || byte == UInt8(ascii: "?") { break }
            if byte == UInt8(ascii: "%") || (slashBefore != 0 && byte | 1 == UInt8(ascii: "/")) {
                needsNormalizing = true
            }
            slashBefore = byte == UInt8(ascii: "/") ? 0x80 : 0
            unsafe at += 1
        }
        return unsafe at
    }

    /// Says whether the whole slice is one token.
    @inline(__always)
    static func isToken(_ slice: ByteSlice) -> Bool {
        if let start = unsafe slice.base, slice.count >= 8, slice.count <= 16 {
            // Two steps that overlap cover all of it.
            let hits = unsafe Word.notLetterOrHyphen(Word.load(start))
            let last = unsafe Word.load(start + (slice.count &- 8))
            if hits | Word.notLetterOrHyphen(last) == 0 { return true }
        }
        return isTokenThroughout(slice)
    }

    @inline(never)
    private static func isTokenThroughout(_ slice: ByteSlice) -> Bool {
        guard let start = unsafe slice.base, slice.count > 0 else { return false }
        return unsafe token(start, start + slice.count) == start + slice.count
    }

    /// Says whether the whole slice may be a field's value.
    @inline(__always)
    static func isFieldValue(_ slice: ByteSlice) -> Bool {
        if let start = unsafe slice.base, slice.count >= 8, slice.count <= 16 {
            let hits = unsafe Word.control(Word.load(start))
            let last = unsafe Word.load(start + (slice.count &- 8))
            if hits | Word.control(last) == 0 { return true }
        }
        return isFieldValueThroughout(slice)
    }

    @inline(never)
    private static func isFieldValueThroughout(_ slice: ByteSlice) -> Bool {
        guard let start = unsafe slice.base, slice.count > 0 else { return true }
        return unsafe fieldValue(start, start + slice.count) == start + slice.count
    }
}
