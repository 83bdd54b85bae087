internal import HTTPWire

/// A place in the tree: what may follow the segments so far.
struct RouteNode {
    /// The child for any one segment; 0: none.
    var parameter: UInt32 = 0
    /// The child for all the rest; 0: none.
    var rest: UInt32 = 0
    /// Where the node's routes begin in the tree's list, and how many there are.
    var firstEndpoint: UInt32 = 0
    var endpointCount: UInt32 = 0
}

/// One method that is answered at a node.
struct RouteEndpoint {
    /// The method; `other` with an empty name is "every method".
    var method: Method
    var name: ByteSlice
    var route: UInt32

    var isAnyMethod: Bool { method == .other && name.isEmpty }
}

/// A literal step from a node to a child, in the tree's hash table; empty when `child` is 0.
struct RouteEdge {
    var key = SegmentKey()
    var parent: UInt32 = 0
    var child: UInt32 = 0
    var text = ByteSlice()
}

/// What came of looking for a route.
enum RouteMatch: Equatable {
    case route(Int)
    /// There are such paths, but not with this method.
    case methodNotAllowed
    case notFound
}

/// The addresses of a compiled tree; copied about freely, valid while its `RouteTree` lives.
@unsafe
struct RouteTreeView {
    let nodes: UnsafeMutablePointer<RouteNode>
    let edges: UnsafeMutablePointer<RouteEdge>
    let endpoints: UnsafeMutablePointer<RouteEndpoint>
    let text: UnsafeMutablePointer<UInt8>
    /// The size of the hash table, a power of two, less one.
    let edgeMask: Int

    func deallocate() {
        unsafe nodes.deallocate()
        unsafe edges.deallocate()
        unsafe endpoints.deallocate()
        unsafe text.deallocate()
    }

    /// Finds the route of a request and writes its parameters, which are slices of `path`.
    ///
    /// A literal wins over a parameter and a parameter over the rest; where the better choice has
    /// no route for the method, the next one is tried. A HEAD that no route names is answered by
    /// GET's. The tree is walked at most once, so the work is bounded by the number of routes.
    ///
    /// - Shape: `path` begins with "/", is normalised and percent-decoded; `parameters` has room
    ///   for `RoutePattern.parametersMax`.
    @inline(__always)
    func match(
        _ method: Method, name: ByteSlice, path: ByteSlice,
        parameters: UnsafeMutablePointer<ByteSlice>
    ) -> RouteMatch {
        guard path.count > 0, let base = unsafe path.base else { return .notFound }
        let end = unsafe base + path.count
        var at = unsafe base + 1
        var node: UInt32 = 0
        var route: Int32 = -1
        // Where only literals follow there is one way to go.
        while true {
            if unsafe at > end {
                route = unsafe endpoint(of: node, method, name)
                break
            }
            let place = unsafe nodes + Int(node)
            if unsafe place.pointee.parameter | place.pointee.rest != 0 {
                route = unsafe branch(
                    node: node, at: at, end: end, method, name: name, parameters: parameters)
                break
            }
            let segment = unsafe PathSegment(at, pathEnd: end)
            node = unsafe literalChild(of: node, segment)
            if node == 0 { break }
            unsafe at = segment.end + 1
        }
        if route >= 0 { return .route(Int(route)) }
        return unsafe isKnown(path) ? .methodNotAllowed : .notFound
    }

    /// Goes on with a search where there may be several ways to go.
    @inline(never)
    private func branch(
        node: UInt32, at: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>, _ method: Method,
        name: ByteSlice, parameters: UnsafeMutablePointer<ByteSlice>
    ) -> Int32 {
        let walk = unsafe RouteWalk(
            view: self, method: method, name: name, end: end, parameters: parameters)
        return unsafe walk.step(node: node, at: at, parameterCount: 0)
    }

    /// Returns the route of the node for the method, or -1: by name, then GET's for HEAD, then "*".
    @inline(__always)
    func endpoint(of node: UInt32, _ method: Method, _ name: ByteSlice) -> Int32 {
        let place = unsafe nodes + Int(node)
        let first = unsafe endpoints + Int(place.pointee.firstEndpoint)
        let count = unsafe Int(place.pointee.endpointCount)
        var fallback: Int32 = -1
        var index = 0
        while index < count {
            let candidate = unsafe first + index
            let route = unsafe Int32(truncatingIfNeeded: candidate.pointee.route)
            if unsafe candidate.pointee.method == method {
                if method != .other { return route }
                if unsafe candidate.pointee.name == name { return route }
            }
            if unsafe candidate.pointee.method == .get, method == .head {
                fallback = route
            } else if unsafe fallback < 0 && candidate.pointee.isAnyMethod {
                fallback = route
            }
            index &+= 1
        }
        return fallback
    }

    /// Says whether any method is answered at the path.
    func isKnown(_ path: ByteSlice) -> Bool { unsafe !allowedMethods(path).isEmpty }

    /// Lists the methods that are answered at a path, for `Allow`; empty when there is no such
    /// path.
    ///
    /// HEAD comes with GET, and OPTIONS with any.
    func allowedMethods(_ path: ByteSlice) -> [String] {
        guard path.count > 0, let base = unsafe path.base else { return [] }
        var found: [String] = []
        unsafe collect(node: 0, at: base + 1, end: base + path.count, into: &found)
        guard !found.isEmpty else { return [] }
        if found.contains("GET") { found.append("HEAD") }
        found.append("OPTIONS")
        return Set(found).sorted()
    }

    private func collect(
        node: UInt32, at: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>,
        into found: inout [String]
    ) {
        func take(_ node: UInt32) {
            let place = unsafe nodes[Int(node)]
            for index in 0..<Int(place.endpointCount) {
                let endpoint = unsafe endpoints[Int(place.firstEndpoint) + index]
                found.append(endpoint.isAnyMethod ? "*" : String(decoding: endpoint.name))
            }
        }
        if unsafe at > end { return take(node) }
        let segment = unsafe PathSegment(at, pathEnd: end)
        let next = unsafe segment.end
        let child = unsafe literalChild(of: node, segment)
        if child != 0 { unsafe collect(node: child, at: next + 1, end: end, into: &found) }
        let place = unsafe nodes[Int(node)]
        if place.parameter != 0, unsafe next > at {
            unsafe collect(node: place.parameter, at: next + 1, end: end, into: &found)
        }
        if place.rest != 0, unsafe end > at { take(place.rest) }
    }

    /// The child of a node for a literal segment; 0: none.
    @inline(__always)
    func literalChild(of node: UInt32, _ segment: PathSegment) -> UInt32 {
        let key = segment.key
        var slot = unsafe key.hash(node) & edgeMask
        while true {
            let edge = unsafe edges + slot
            let child = unsafe edge.pointee.child
            if child == 0 { return 0 }
            if unsafe edge.pointee.key == key && edge.pointee.parent == node {
                if key.count <= 16 { return child }
                if let text = unsafe edge.pointee.text.base,
                    unsafe SegmentKey.middlesAreEqual(text, segment.start, count: key.count)
                {
                    return child
                }
            }
            slot = unsafe (slot &+ 1) & edgeMask
        }
    }
}

/// One search through a tree.
@unsafe
struct RouteWalk {
    let view: RouteTreeView
    let method: Method
    let name: ByteSlice
    let end: UnsafePointer<UInt8>
    let parameters: UnsafeMutablePointer<ByteSlice>

    /// Returns the route below `node` for the path from `at`, or -1.
    ///
    /// Loops where there is one way to go, and calls itself where it may have to come back.
    func step(node start: UInt32, at from: UnsafePointer<UInt8>, parameterCount taken: Int) -> Int32
    {
        var node = start
        var at = unsafe from
        var parameterCount = taken
        while unsafe at <= end {
            let segment = unsafe PathSegment(at, pathEnd: end)
            let next = unsafe segment.end
            let place = unsafe view.nodes + Int(node)
            let child = unsafe view.literalChild(of: node, segment)
            let parameter = unsafe next > at ? place.pointee.parameter : 0
            let rest = unsafe end > at ? place.pointee.rest : 0
            if child != 0 {
                if parameter | rest == 0 {
                    node = child
                    unsafe at = next + 1
                    continue
                }
                let route = unsafe step(
                    node: child, at: next + 1, parameterCount: parameterCount)
                if route >= 0 { return route }
            }
            if parameter != 0 {
                unsafe parameters[parameterCount] = ByteSlice(at, count: next - at)
                if rest == 0 {
                    node = parameter
                    unsafe at = next + 1
                    parameterCount &+= 1
                    continue
                }
                let route = unsafe step(
                    node: parameter, at: next + 1, parameterCount: parameterCount &+ 1)
                if route >= 0 { return route }
            }
            guard rest != 0 else { return -1 }
            unsafe parameters[parameterCount] = ByteSlice(at, count: end - at)
            return unsafe view.endpoint(of: rest, method, name)
        }
        return unsafe view.endpoint(of: node, method, name)
    }
}
