import Testing

@testable import PluginKit

struct QueueTests {
    @Test func timers_comeInTheOrderOfTheirMoments_andOfAddition() {
        var generator = SplitMix(seed: 7)
        var heap = TimerHeap<Int>()
        var expected: [(due: UInt64, index: Int)] = []
        for index in 0..<2_000 {
            let due = UInt64.random(in: 0..<200, using: &generator)
            heap.insert(index, due: due)
            expected.append((due, index))
        }
        expected.sort { ($0.due, $0.index) < ($1.due, $1.index) }
        #expect(heap.earliest == expected.first?.due)
        var order: [Int] = []
        while let index = heap.popDue(at: .max) { order.append(index) }
        #expect(order == expected.map(\.index))
        #expect(heap.earliest == nil)
    }

    @Test func timer_staysUntilItsMoment() {
        var heap = TimerHeap<String>()
        heap.insert("late", due: 20)
        heap.insert("soon", due: 10)
        #expect(heap.popDue(at: 9) == nil)
        #expect(heap.popDue(at: 10) == "soon")
        #expect(heap.popDue(at: 19) == nil)
        #expect(heap.count == 1)
        #expect(heap.popDue(at: 20) == "late")
    }

    @Test func ring_keepsTheOrder_howeverItGrows() {
        var generator = SplitMix(seed: 11)
        var ring = Ring<Int>()
        var model: [Int] = []
        for number in 0..<5_000 {
            if Int.random(in: 0..<5, using: &generator) < 3 {
                ring.append(number)
                model.append(number)
            } else {
                #expect(ring.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
            }
            #expect(ring.count == model.count)
        }
    }
}
