/// What each byte may be part of.
///
/// The tables are read like the grammar: one column a character, 32 a row, starting at 0x00; a dot
/// means "no". They are string literals because those lie in constant memory and need no
/// initialisation.
enum CharacterClass {
    /// `tchar`: what methods, field names and parameters are made of.
    ///
    /// - Source: RFC 9110, section 5.6.2.
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        let table: StaticString = """
            ................................\
            .t.ttttt..tt.tt.tttttttttt......\
            .tttttttttttttttttttttttttt...tt\
            ttttttttttttttttttttttttttt.t.t.\
            ................................\
            ................................\
            ................................\
            ................................
            """
        return unsafe table.utf8Start[Int(byte)] == UInt8(ascii: "t")
    }

    /// What a registered name or an IPv4 address is made of, percent escapes not counted.
    ///
    /// The comma is left out although the grammar has it: no name has one, and somebody on the way
    /// may have joined two Host fields with it.
    ///
    /// - Source: RFC 3986, section 3.2.2.
    @inline(__always)
    static func isHostName(_ byte: UInt8) -> Bool {
        let table: StaticString = """
            ................................\
            .h..h.hhhhhh.hh.hhhhhhhhhh.h.h..\
            .hhhhhhhhhhhhhhhhhhhhhhhhhh....h\
            .hhhhhhhhhhhhhhhhhhhhhhhhhh...h.\
            ................................\
            ................................\
            ................................\
            ................................
            """
        return unsafe table.utf8Start[Int(byte)] == UInt8(ascii: "h")
    }

    /// What a field value is made of: everything but controls; a tab is allowed, and so is
    /// obs-text.
    ///
    /// - Source: RFC 9110, section 5.5.
    @inline(__always)
    static func isFieldValue(_ byte: UInt8) -> Bool {
        (byte >= 0x20 && byte != 0x7F) || byte == 0x09
    }

    /// What a request target is made of here: printable ASCII without the fragment's `#`.
    ///
    /// Browsers send some characters that RFC 3986 would have escaped (`|`, `[`, `"`), so those
    /// pass.
    @inline(__always)
    static func isTarget(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "#")
    }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") <= 9 }

    @inline(__always)
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// The value of a hexadecimal digit, or `nil`.
    @inline(__always)
    static func hexValue(_ byte: UInt8) -> UInt8? {
        let digit = byte &- UInt8(ascii: "0")
        if digit <= 9 { return digit }
        let letter = (byte | 0x20) &- UInt8(ascii: "a")
        return letter < 6 ? letter &+ 10 : nil
    }
}
