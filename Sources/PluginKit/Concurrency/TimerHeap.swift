/// What is due when, the earliest first; equal moments in the order in which they were added.
struct TimerHeap<Element> {
    private struct Entry {
        let due: UInt64
        let order: UInt64
        let element: Element

        func isBefore(_ other: Entry) -> Bool {
            due == other.due ? order < other.order : due < other.due
        }
    }

    private var entries: [Entry] = []
    private var added: UInt64 = 0

    var count: Int { entries.count }

    /// The earliest moment; nil when nothing waits.
    var earliest: UInt64? { entries.first?.due }

    mutating func insert(_ element: Element, due: UInt64) {
        added += 1
        entries.append(Entry(due: due, order: added, element: element))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child].isBefore(entries[parent]) else { break }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes the earliest element if it is due at that moment.
    mutating func popDue(at moment: UInt64) -> Element? {
        guard let first = entries.first, first.due <= moment else { return nil }
        let last = entries.removeLast()
        if !entries.isEmpty {
            entries[0] = last
            sink()
        }
        return first.element
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < entries.count else { return }
            if child + 1 < entries.count, entries[child + 1].isBefore(entries[child]) {
                child += 1
            }
            guard entries[child].isBefore(entries[parent]) else { return }
            entries.swapAt(child, parent)
            parent = child
        }
    }
}
