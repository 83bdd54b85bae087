/// What a plugin is handed for a record of the host: the record's address with the low 16 bits of
/// its serial number in the upper 16 bits, which no user-space address has.
///
/// The serial number changes with each use of the record, so a plugin that keeps a handle for too
/// long is told `PH_WRONG_STATE` instead of reaching the next one.
///
/// - Shape: the record's word has the serial number from bit 16 up, and below it what the record
///   likes.
enum SerialHandle {
    static let serialShift: UInt64 = 16

    /// The handle of a record with that word.
    @inline(__always)
    static func make(_ address: UnsafeMutableRawPointer, word: UInt64) -> OpaquePointer? {
        let serial = UInt(truncatingIfNeeded: word >> serialShift)
        return unsafe OpaquePointer(bitPattern: UInt(bitPattern: address) | serial << 48)
    }

    /// The address in a handle; nil if there is none that a record could have.
    @inline(__always)
    static func address(
        of handle: OpaquePointer?, alignment: UInt
    ) -> UnsafeMutableRawPointer? {
        let bits = UInt(bitPattern: handle) & 0xFFFF_FFFF_FFFF
        guard bits & (alignment &- 1) == 0 else { return nil }
        return unsafe UnsafeMutableRawPointer(bitPattern: bits)
    }

    /// Whether a handle is of the record's present use, which its word tells.
    @inline(__always)
    static func isCurrent(_ handle: OpaquePointer?, word: UInt64) -> Bool {
        (word >> serialShift) & 0xFFFF == UInt64(UInt(bitPattern: handle)) >> 48
    }

    /// The word of the next use.
    @inline(__always)
    static func next(after word: UInt64, _ phase: UInt64) -> UInt64 {
        ((word >> serialShift) &+ 1) << serialShift | phase
    }
}
