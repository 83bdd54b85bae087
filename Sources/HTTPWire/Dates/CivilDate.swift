/// A day of the proleptic Gregorian calendar.
struct CivilDate: Equatable {
    var year: Int
    /// 1 to 12.
    var month: Int
    /// 1 to 31.
    var day: Int

    init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// Finds the day that lies `daysSinceEpoch` after 1970-01-01.
    ///
    /// Years are counted from March, so that the leap day is the last day of its year, and in eras
    /// of 400 years, which all have 146,097 days.
    init(daysSinceEpoch: Int64) {
        let (era, dayOfEra) = HTTPDate.floorDivide(daysSinceEpoch + 719_468, 146_097)
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + Int(era) * 400 + (month <= 2 ? 1 : 0)
    }

    /// The days from 1970-01-01 to this day.
    var daysSinceEpoch: Int64 {
        let fromMarch = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = HTTPDate.floorDivide(Int64(fromMarch), 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + Int64(dayOfEra) - 719_468
    }

    /// Whether the calendar has this day.
    var isReal: Bool {
        month >= 1 && month <= 12 && day >= 1 && CivilDate(daysSinceEpoch: daysSinceEpoch) == self
    }
}
