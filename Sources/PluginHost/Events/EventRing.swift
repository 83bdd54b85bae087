/// A queue of which both ends can be reached; it gives its memory back when it is empty.
struct EventRing<Element: Sendable>: Sendable {
    private static var keptSlots: Int { 64 }

    private var slots: [Element?] = []
    private var head = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    mutating func append(_ element: Element) {
        if count == slots.count { grow() }
        slots[(head + count) % slots.count] = element
        count += 1
    }

    /// Puts an element before all others.
    mutating func prepend(_ element: Element) {
        if count == slots.count { grow() }
        head = (head + slots.count - 1) % slots.count
        slots[head] = element
        count += 1
    }

    mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = slots[head]
        slots[head] = nil
        head = (head + 1) % slots.count
        count -= 1
        if count == 0, slots.count > Self.keptSlots { self = Self() }
        return element
    }

    mutating func popLast() -> Element? {
        guard count > 0 else { return nil }
        count -= 1
        let index = (head + count) % slots.count
        defer { slots[index] = nil }
        return slots[index]
    }

    /// Keeps only the elements for which that is so.
    mutating func keep(where isKept: (Element) -> Bool) {
        var kept = Self()
        while let element = popFirst() {
            if isKept(element) { kept.append(element) }
        }
        self = kept
    }

    private mutating func grow() {
        var larger: [Element?] = []
        larger.reserveCapacity(max(8, slots.count * 2))
        for index in 0..<count { larger.append(slots[(head + index) % slots.count]) }
        larger.append(contentsOf: repeatElement(nil, count: larger.capacity - count))
        slots = larger
        head = 0
    }
}
