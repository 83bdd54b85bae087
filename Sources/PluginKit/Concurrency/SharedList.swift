#if hasFeature(Embedded)
    import CPluginKit
    import Synchronization

    /// A list that several threads use; each holds it for a moment only.
    ///
    /// It is Sendable because nobody touches the elements without `isTaken`.
    final class SharedList<Element: AnyObject>: @unchecked Sendable {
        private let isTaken = Atomic<Bool>(false)
        private var kept: [Element] = []

        /// The elements as they are now.
        var elements: [Element] { withElements { $0 } }

        func add(_ element: Element) {
            withElements { $0.append(element) }
        }

        func remove(where isGone: (Element) -> Bool) {
            // What is removed is freed after the list has been let go.
            let removed = withElements { elements in
                var removed: [Element] = []
                var left: [Element] = []
                for element in elements {
                    if isGone(element) { removed.append(element) } else { left.append(element) }
                }
                elements = left
                return removed
            }
            _ = removed
        }

        private func withElements<Result>(_ body: (inout [Element]) -> Result) -> Result {
            while isTaken.exchange(true, ordering: .acquiring) { ph_kit_yield() }
            defer { isTaken.store(false, ordering: .releasing) }
            return body(&kept)
        }
    }
#endif
