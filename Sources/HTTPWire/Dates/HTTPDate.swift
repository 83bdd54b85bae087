/// Dates as HTTP writes them, counted as seconds since 1970-01-01 00:00:00 UTC.
///
/// - Source: RFC 9110, section 5.6.7.
public enum HTTPDate {
    /// The length of a formatted date.
    public static let length = 29

    /// The times that four digits of the year can say: 0001-01-01 to 9999-12-31.
    static let range: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

    /// Writes an IMF-fixdate such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    ///
    /// - Shape: exactly 29 bytes; `room` holds at least as many. A time outside the years 1 to
    ///   9999 is moved to the nearest end.
    public static func format(
        secondsSinceEpoch: Int64, into room: UnsafeMutableRawBufferPointer
    ) {
        precondition(room.count >= length, "a date takes 29 bytes")
        guard let base = room.baseAddress else { return }
        let out = unsafe base.assumingMemoryBound(to: UInt8.self)
        let seconds = min(max(secondsSinceEpoch, range.lowerBound), range.upperBound)
        let (days, clock) = floorDivide(seconds, 86_400)
        let date = CivilDate(daysSinceEpoch: days)
        unsafe put(out, dayNames, 3 * floorDivide(days + 4, 7).remainder)
        unsafe out[3] = UInt8(ascii: ",")
        unsafe out[4] = 0x20
        unsafe putTwoDigits(out + 5, date.day)
        unsafe out[7] = 0x20
        unsafe put(out + 8, monthNames, 3 * (date.month - 1))
        unsafe out[11] = 0x20
        unsafe putTwoDigits(out + 12, date.year / 100)
        unsafe putTwoDigits(out + 14, date.year % 100)
        unsafe out[16] = 0x20
        unsafe putTwoDigits(out + 17, clock / 3600)
        unsafe out[19] = UInt8(ascii: ":")
        unsafe putTwoDigits(out + 20, clock / 60 % 60)
        unsafe out[22] = UInt8(ascii: ":")
        unsafe putTwoDigits(out + 23, clock % 60)
        unsafe out[25] = 0x20
        unsafe out[26] = UInt8(ascii: "G")
        unsafe out[27] = UInt8(ascii: "M")
        unsafe out[28] = UInt8(ascii: "T")
    }

    static let dayNames: StaticString = "SunMonTueWedThuFriSat"
    static let monthNames: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"

    static func floorDivide(_ value: Int64, _ by: Int64) -> (quotient: Int64, remainder: Int) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: by)
        return remainder < 0
            ? (quotient - 1, Int(remainder + by)) : (quotient, Int(remainder))
    }

    private static func put(_ out: UnsafeMutablePointer<UInt8>, _ names: StaticString, _ at: Int) {
        for index in 0..<3 { unsafe out[index] = names.utf8Start[at + index] }
    }

    private static func putTwoDigits(_ out: UnsafeMutablePointer<UInt8>, _ value: Int) {
        unsafe out[0] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / 10)
        unsafe out[1] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value % 10)
    }
}
