import HostModel

/// What has been put under patterns, to be found by a topic: a tree with a level for each token.
///
/// It is a value: a copy stays as it is while the original is changed, and shares with it whatever
/// has not changed.
struct TopicTree<Element: Identifiable & Sendable>: Sendable where Element.ID: Sendable {
    private struct Node: Sendable {
        var children: [Substring: Node] = [:]
        /// What follows a `*`; at most one.
        var any: [Node] = []
        /// Patterns that end here.
        var here: [Element] = []
        /// Patterns that end in `>` here.
        var rest: [Element] = []

        var isEmpty: Bool { children.isEmpty && any.isEmpty && here.isEmpty && rest.isEmpty }
    }

    private var root = Node()

    /// Puts an element under a pattern.
    mutating func insert(_ element: Element, at pattern: TopicPattern) {
        Self.change(&root, pattern.tokens[...]) { $0.append(element) }
    }

    /// Takes an element away from under a pattern.
    mutating func remove(_ id: Element.ID, at pattern: TopicPattern) {
        Self.change(&root, pattern.tokens[...]) { $0.removeAll { $0.id == id } }
    }

    /// What is under the patterns that match, in no particular order.
    func elements(for topic: String) -> [Element] {
        var found: [Element] = []
        let tokens = topic.split(separator: ".", omittingEmptySubsequences: false)
        Self.collect(root, tokens[...], into: &found)
        return found
    }

    private static func collect(
        _ node: Node, _ tokens: ArraySlice<Substring>, into found: inout [Element]
    ) {
        guard let token = tokens.first else {
            found += node.here
            return
        }
        found += node.rest
        let next = tokens.dropFirst()
        if let child = node.children[token] { collect(child, next, into: &found) }
        if let any = node.any.first { collect(any, next, into: &found) }
    }

    private static func change(
        _ node: inout Node, _ tokens: ArraySlice<TopicPattern.Token>,
        _ body: (inout [Element]) -> Void
    ) {
        let next = tokens.dropFirst()
        switch tokens.first {
        case nil: body(&node.here)
        case .rest: body(&node.rest)
        case .any:
            var child = node.any.popLast() ?? Node()
            change(&child, next, body)
            if !child.isEmpty { node.any = [child] }
        case .literal(let text):
            var child = node.children.removeValue(forKey: text) ?? Node()
            change(&child, next, body)
            if !child.isEmpty { node.children[text] = child }
        }
    }
}
