import Testing

@testable import PluginHost

@Suite struct CanaryShareTests {
    @Test func eachHundredConnections_areSharedExactly() {
        for percent in 1...99 {
            for first: UInt64 in [0, 1, 57, 4_294_967_200] {
                let taken = (first..<(first + 100)).count {
                    CanaryShare.takes($0, percent: percent, offset: 3)
                }
                #expect(taken == percent)
            }
        }
    }

    @Test func share_isSpread_andNotTheFirstOnesOfAHundred() {
        let taken = (0..<100).filter { CanaryShare.takes(UInt64($0), percent: 10, offset: 0) }
        #expect(taken == Array(stride(from: 0, to: 100, by: 10)))
    }
}
