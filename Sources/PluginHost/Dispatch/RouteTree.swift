internal import HTTPWire
package import HostModel

/// The routes of one plugin, compiled for matching; immutable.
///
/// A trie over path segments. A literal child is found in one hash table for the whole tree, keyed
/// by the parent and the segment, so that the cost of a step does not depend on how many routes
/// there are. Everything lies in four flat arrays without references: a match neither allocates nor
/// counts references. The memory lives as long as the tree; who keeps a `view` keeps the tree as
/// well.
@safe
package final class RouteTree: @unchecked Sendable {  // because nothing changes after init
    /// The most routes of one plugin.
    package static let routesMax = 4096

    /// The routes in the order in which they were declared.
    package let routes: [RouteDeclaration]
    /// The number of parameters of each route.
    package let parameterCounts: [Int]
    let view: RouteTreeView

    /// The tree without routes.
    package static let empty = RouteTree()

    private init() {
        routes = []
        parameterCounts = []
        unsafe view = RouteTreeBuilder().flattened()
    }

    deinit { unsafe view.deallocate() }

    /// Compiles routes, or tells everything that is wrong with them.
    ///
    /// - Throws: `HostError` with code `routes_invalid`; each faulty route, and each pair that
    ///   would answer the same method and paths, is a reason.
    package init(compiling routes: [RouteDeclaration]) throws(HostError) {
        var builder = RouteTreeBuilder()
        var objections: [String] = []
        var parameterCounts: [Int] = []
        if routes.count > Self.routesMax {
            objections.append("\(routes.count) routes are more than \(Self.routesMax)")
        }
        for (index, route) in routes.prefix(Self.routesMax).enumerated() {
            var faults: [String] = []
            if !Self.isToken(route.method) && route.method != "*" {
                faults.append(
                    "its method \(Escaping.quoted(route.method)) is neither a token nor \"*\"")
            } else if route.method == "CONNECT" {
                faults.append("CONNECT does not reach plugins")
            }
            let pattern = RoutePattern(route.pattern, objections: &faults)
            parameterCounts.append(pattern.parameterNames.count)
            guard faults.isEmpty else {
                objections += faults.map { "route \(Escaping.quoted("\(route)")): \($0)" }
                continue
            }
            if let other = builder.add(route.method, pattern, index: index) {
                objections.append(
                    "routes \(Escaping.quoted("\(routes[other])")) and "
                        + "\(Escaping.quoted("\(route)")) would answer the same requests")
            }
        }
        guard objections.isEmpty else {
            throw HostError(
                "routes_invalid", what: "the routes cannot be served", why: objections,
                fix: "patterns are segments of literal text, {name} or a last {name...}, and each "
                    + "method and shape of path has one route")
        }
        self.routes = routes
        self.parameterCounts = parameterCounts
        unsafe view = builder.flattened()
    }

    private static func isToken(_ text: String) -> Bool {
        let marks = Set("!#$%&'*+-.^_`|~".utf8)
        let isPart: (UInt8) -> Bool = { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: marks.contains(byte)
            }
        }
        return !text.isEmpty && text.utf8.count <= 64 && text.utf8.allSatisfy(isPart)
    }
}
