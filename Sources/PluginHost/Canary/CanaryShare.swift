internal import HTTPServer

/// Two generations between which the connections to one plugin are shared.
///
/// Which of them a connection gets follows from its number on its reactor alone, so that it gets
/// the same one for as long as it lasts, nothing is kept for it, and of a hundred that come one
/// after the other each gets its share exactly.
final class CanaryShare: Sendable {
    let former: Generation
    let canary: Generation
    let percent: Int

    init(former: Generation, canary: Generation, percent: Int) {
        self.former = former
        self.canary = canary
        self.percent = percent
    }

    /// Whether the new generation gets the connection of that number.
    ///
    /// Trials of several plugins that go on at the same time begin at different numbers.
    static func takes(_ connection: UInt64, percent: Int, offset: UInt64) -> Bool {
        (connection &+ offset) % 100 * UInt64(percent) % 100 < UInt64(percent)
    }

    /// The generation that a request goes to; on the loop's thread.
    func generation(for exchange: Exchange) -> Generation {
        let isTaken = Self.takes(
            exchange.connectionNumber, percent: percent, offset: canary.number)
        return isTaken ? canary : former
    }
}
