import Testing

@testable import PluginHost

struct CallGateTests {
    @Test func closedGate_refusesNewcomers_andIsLeftByThoseInside() async {
        let gate = CallGate()
        #expect(gate.enter())
        gate.close()
        #expect(!gate.enter())
        #expect(gate.inFlight == 1)
        #expect(await !gate.waitUntilEmpty(deadline: .zero))
        gate.leave()
        #expect(await gate.waitUntilEmpty(deadline: .zero))
    }

    @Test func pin_isNotRefused_andHoldsTheGate() async {
        let gate = CallGate()
        gate.close()
        gate.pin()
        #expect(await !gate.waitUntilEmpty(deadline: .zero))
        gate.leave()
        #expect(await gate.waitUntilEmpty(deadline: .zero))
    }

    @Test func openedGate_takesNewcomersAgain() {
        let gate = CallGate()
        gate.close()
        gate.open()
        #expect(gate.enter())
        gate.leave()
    }

    @Test func wait_endsWithTheLastOfMany() async {
        let gate = CallGate()
        let count = 64
        for _ in 0..<count { #expect(gate.enter()) }
        gate.close()
        async let isEmpty = gate.waitUntilEmpty(deadline: .seconds(60))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<count { group.addTask { gate.leave() } }
        }
        #expect(await isEmpty)
        #expect(gate.inFlight == 0)
    }
}
