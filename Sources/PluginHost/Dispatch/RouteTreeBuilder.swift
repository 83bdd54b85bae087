internal import HTTPWire

/// Collects routes in a tree that can grow, and lays it out flat in the end.
struct RouteTreeBuilder {
    private struct Node {
        var literals: [String: Int] = [:]
        var parameter = 0
        var rest = 0
        var endpoints: [(method: String, route: Int)] = []
    }

    private var nodes = [Node()]

    /// Adds a route, or returns the route that already answers its method and paths.
    mutating func add(_ method: String, _ pattern: RoutePattern, index: Int) -> Int? {
        var node = 0
        for segment in pattern.segments {
            node = child(of: node, for: segment)
        }
        if let other = nodes[node].endpoints.first(where: { $0.method == method }) {
            return other.route
        }
        nodes[node].endpoints.append((method, index))
        return nil
    }

    private mutating func child(of node: Int, for segment: RoutePattern.Segment) -> Int {
        let existing =
            switch segment {
            case .literal(let text): nodes[node].literals[text] ?? 0
            case .parameter: nodes[node].parameter
            case .rest: nodes[node].rest
            }
        if existing != 0 { return existing }
        let new = nodes.count
        nodes.append(Node())
        switch segment {
        case .literal(let text): nodes[node].literals[text] = new
        case .parameter: nodes[node].parameter = new
        case .rest: nodes[node].rest = new
        }
        return new
    }

    /// Lays the tree out in flat memory, which the caller owns.
    func flattened() -> RouteTreeView {
        var text = unsafe TextArena(
            bytes: nodes.reduce(0) { sum, node in
                sum + node.literals.keys.reduce(0) { $0 + $1.utf8.count }
                    + node.endpoints.reduce(0) { $0 + $1.method.utf8.count }
            })
        let edgeCount = nodes.reduce(0) { $0 + $1.literals.count }
        var slots = 4
        while slots < edgeCount * 2 { slots *= 2 }
        let edges = UnsafeMutablePointer<RouteEdge>.allocate(capacity: slots)
        unsafe edges.initialize(repeating: RouteEdge(), count: slots)
        let endpointCount = nodes.reduce(0) { $0 + $1.endpoints.count }
        let endpoints = UnsafeMutablePointer<RouteEndpoint>.allocate(capacity: endpointCount + 1)
        let flat = UnsafeMutablePointer<RouteNode>.allocate(capacity: nodes.count)
        var nextEndpoint = 0
        for (index, node) in nodes.enumerated() {
            unsafe (flat + index).initialize(
                to: RouteNode(
                    parameter: UInt32(node.parameter), rest: UInt32(node.rest),
                    firstEndpoint: UInt32(nextEndpoint),
                    endpointCount: UInt32(node.endpoints.count)))
            for endpoint in node.endpoints {
                let name =
                    unsafe endpoint.method == "*" ? ByteSlice() : text.store(endpoint.method)
                unsafe (endpoints + nextEndpoint).initialize(
                    to: RouteEndpoint(
                        method: endpoint.method == "*" ? .other : Method(name), name: name,
                        route: UInt32(endpoint.route)))
                nextEndpoint += 1
            }
            for (literal, child) in node.literals {
                let slice = unsafe text.store(literal)
                let edge = RouteEdge(
                    key: SegmentKey(literal), parent: UInt32(index), child: UInt32(child),
                    text: slice)
                var slot = edge.key.hash(edge.parent) & (slots - 1)
                while unsafe edges[slot].child != 0 { slot = (slot + 1) & (slots - 1) }
                unsafe edges[slot] = edge
            }
        }
        return unsafe RouteTreeView(
            nodes: flat, edges: edges, endpoints: endpoints, text: text.base,
            edgeMask: slots - 1)
    }
}

/// The texts of a tree, one after the other in memory that never moves.
@unsafe
private struct TextArena {
    let base: UnsafeMutablePointer<UInt8>
    private var used = 0

    init(bytes: Int) { unsafe base = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes + 1) }

    mutating func store(_ text: String) -> ByteSlice {
        let start = unsafe base + used
        for byte in text.utf8 {
            unsafe base[used] = byte
            unsafe used += 1
        }
        return unsafe ByteSlice(start, count: text.utf8.count)
    }
}
