extension HTTPDate {
    /// Reads a date in any of the three forms that a recipient must accept.
    ///
    /// - Shape: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` or
    ///   `Sun Nov  6 08:49:37 1994`, case and blanks exactly so; the day's name must be one but
    ///   is not compared with the date. Second 60 is taken as a leap second and becomes 59.
    /// - Units: seconds since 1970; `now` likewise, for two-digit years: what would lie more than
    ///   50 years ahead is in the past century.
    /// - Source: RFC 9110, section 5.6.7.
    public static func parse(_ text: ByteSlice, now: Int64) -> Int64? {
        guard text.count >= 24 else { return nil }
        if text[3] == UInt8(ascii: ",") { return parseFixed(text) }
        if text[3] == 0x20 { return parseASCTime(text) }
        return parseLong(text, now: now)
    }

    private static func parseFixed(_ text: ByteSlice) -> Int64? {
        guard text.count == 29, name(dayNames, 7, text[0..<3]) != nil,
            text[3..<5] == ", ", text[7] == 0x20, text[11] == 0x20, text[16] == 0x20,
            text[25..<29] == " GMT", let day = number(text[5..<7]),
            let month = name(monthNames, 12, text[8..<11]), let year = number(text[12..<16])
        else { return nil }
        return seconds(year, month + 1, day, text[17..<25])
    }

    private static func parseASCTime(_ text: ByteSlice) -> Int64? {
        guard text.count == 24, name(dayNames, 7, text[0..<3]) != nil, text[7] == 0x20,
            let month = name(monthNames, 12, text[4..<7]), text[10] == 0x20, text[19] == 0x20,
            let day = number(text[8] == 0x20 ? text[9..<10] : text[8..<10]),
            let year = number(text[20..<24])
        else { return nil }
        return seconds(year, month + 1, day, text[11..<19])
    }

    private static func parseLong(_ text: ByteSlice, now: Int64) -> Int64? {
        guard let comma = text.firstIndex(of: UInt8(ascii: ",")), text.count == comma + 24,
            isLongDayName(text[0..<comma])
        else { return nil }
        let rest = text[comma..<text.count]
        guard rest[0..<2] == ", ", rest[4] == UInt8(ascii: "-"), rest[8] == UInt8(ascii: "-"),
            rest[11] == 0x20, rest[20..<24] == " GMT", let day = number(rest[2..<4]),
            let month = name(monthNames, 12, rest[5..<8]), let shortYear = number(rest[9..<11])
        else { return nil }
        let (today, _) = floorDivide(min(max(now, range.lowerBound), range.upperBound), 86_400)
        let thisYear = CivilDate(daysSinceEpoch: today).year
        var year = thisYear / 100 * 100 + shortYear
        if year <= thisYear - 50 { year += 100 }
        if year > thisYear + 50 { year -= 100 }
        return seconds(year, month + 1, day, rest[12..<20])
    }

    /// Joins a day and a clock time `hh:mm:ss`.
    private static func seconds(
        _ year: Int, _ month: Int, _ day: Int, _ clock: ByteSlice
    ) -> Int64? {
        let date = CivilDate(year: year, month: month, day: day)
        guard year >= 1, date.isReal, clock[2] == UInt8(ascii: ":"), clock[5] == UInt8(ascii: ":"),
            let hour = number(clock[0..<2]), let minute = number(clock[3..<5]),
            let second = number(clock[6..<8]), hour < 24, minute < 60, second <= 60
        else { return nil }
        return date.daysSinceEpoch * 86_400
            + Int64(hour * 3_600 + minute * 60 + min(second, 59))
    }

    private static func number(_ digits: ByteSlice) -> Int? {
        digits.asInteger.map { Int($0) }
    }

    /// The index of a three-letter name in the run of `count` names, or `nil`.
    private static func name(_ names: StaticString, _ count: Int, _ text: ByteSlice) -> Int? {
        let all = ByteSlice(names)
        for index in 0..<count where all[(3 * index)..<(3 * index + 3)] == text { return index }
        return nil
    }

    private static func isLongDayName(_ text: ByteSlice) -> Bool {
        text == "Sunday" || text == "Monday" || text == "Tuesday" || text == "Wednesday"
            || text == "Thursday" || text == "Friday" || text == "Saturday"
    }
}
