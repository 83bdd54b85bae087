import HTTPWire
import HostModel
import Testing

@testable import PluginHost

/// What a route tree answered, with copies of the parameters.
enum Found: Equatable {
    case route(Int, [String])
    case methodNotAllowed([String])
    case notFound
}

extension RouteTree {
    /// Makes a tree from lines such as "GET /notes/{id}".
    static func of(_ lines: String...) throws -> RouteTree { try of(lines) }

    static func of(_ lines: [String]) throws -> RouteTree {
        try RouteTree(
            compiling:
                lines.map { line in
                    let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
                    return RouteDeclaration(method: parts[0], pattern: parts[1])
                })
    }

    func find(_ method: String, _ path: String) -> Found {
        let bytes = Array("/plugin/name/api\(path)".utf8)
        let name = Array(method.utf8)
        return bytes.withUnsafeBytes { allBytes -> Found in
            let pathBytes = UnsafeRawBufferPointer(rebasing: allBytes.suffix(path.utf8.count))
            return name.withUnsafeBytes { nameBytes in
                withUnsafeTemporaryAllocation(
                    of: ByteSlice.self, capacity: RoutePattern.parametersMax
                ) { parameters in
                    let slice = ByteSlice(nameBytes)
                    let match = view.match(
                        Method(slice), name: slice, path: ByteSlice(pathBytes),
                        parameters: parameters.baseAddress.unsafelyUnwrapped)
                    switch match {
                    case .route(let index):
                        return .route(
                            index,
                            (0..<parameterCounts[index]).map { String(decoding: parameters[$0]) })
                    case .methodNotAllowed:
                        return .methodNotAllowed(view.allowedMethods(ByteSlice(pathBytes)))
                    case .notFound: return .notFound
                    }
                }
            }
        }
    }
}

@Suite struct RouteTreeTests {
    @Test func literal_winsOverParameter_andParameterOverRest() throws {
        let tree = try RouteTree.of(
            "GET /files/{path...}", "GET /files/{name}", "GET /files/readme")
        #expect(tree.find("GET", "/files/readme") == .route(2, []))
        #expect(tree.find("GET", "/files/other") == .route(1, ["other"]))
        #expect(tree.find("GET", "/files/a/b") == .route(0, ["a/b"]))
    }

    @Test func search_comesBack_whenTheLiteralWayEndsNowhere() throws {
        let tree = try RouteTree.of(
            "GET /a/b/c", "GET /a/{x}/d", "GET /{all...}", "POST /{y}/b/e")
        #expect(tree.find("GET", "/a/b/d") == .route(1, ["b"]))
        #expect(tree.find("GET", "/a/b/e") == .route(2, ["a/b/e"]))
        #expect(tree.find("POST", "/a/b/e") == .route(3, ["a"]))
    }

    @Test func rest_needsACharacter_andParameterASegment() throws {
        let tree = try RouteTree.of("GET /files/{path...}", "GET /notes/{id}")
        #expect(tree.find("GET", "/files/") == .notFound)
        #expect(tree.find("GET", "/files") == .notFound)
        #expect(tree.find("GET", "/files/x/") == .route(0, ["x/"]))
        #expect(tree.find("GET", "/notes/") == .notFound)
        #expect(tree.find("GET", "/notes/7") == .route(1, ["7"]))
    }

    @Test func trailingSlash_isAPathOfItsOwn() throws {
        let tree = try RouteTree.of("GET /", "GET /notes", "GET /notes/")
        #expect(tree.find("GET", "/") == .route(0, []))
        #expect(tree.find("GET", "/notes") == .route(1, []))
        #expect(tree.find("GET", "/notes/") == .route(2, []))
    }

    @Test(arguments: 0...40)
    func literal_isMatchedExactly_whateverItsLength(length: Int) throws {
        guard length > 0 else { return }
        let text = String((0..<length).map { Character(UnicodeScalar(97 + UInt8($0 % 26))) })
        let tree = try RouteTree.of("GET /\(text)")
        #expect(tree.find("GET", "/\(text)") == .route(0, []))
        for position in 0..<length {
            var other = Array(text)
            other[position] = "_"
            #expect(tree.find("GET", "/" + String(other)) == .notFound)
        }
        #expect(tree.find("GET", "/\(text)a") == .notFound)
        #expect(tree.find("GET", "/" + text.dropLast()) == .notFound)
    }

    @Test func head_isAnsweredByGet_unlessItHasItsOwnRoute() throws {
        let tree = try RouteTree.of("GET /a", "GET /b", "HEAD /b", "* /c", "GET /c")
        #expect(tree.find("HEAD", "/a") == .route(0, []))
        #expect(tree.find("HEAD", "/b") == .route(2, []))
        #expect(tree.find("HEAD", "/c") == .route(4, []))
        #expect(tree.find("OPTIONS", "/c") == .route(3, []))
    }

    @Test func otherMethod_isRefused_withTheMethodsOfEveryMatchingRoute() throws {
        let tree = try RouteTree.of("GET /a/b", "PUT /a/{x}", "PURGE /{all...}")
        #expect(
            tree.find("POST", "/a/b")
                == .methodNotAllowed(["GET", "HEAD", "OPTIONS", "PURGE", "PUT"]))
        #expect(tree.find("PUT", "/a/b") == .route(1, ["b"]))
        #expect(tree.find("PURGE", "/a/b") == .route(2, ["a/b"]))
        #expect(tree.find("purge", "/a/b") != .route(2, ["a/b"]))
    }

    @Test func routesOfOneShape_areRefused_withBothNamed() {
        let error = #expect(throws: HostError.self) {
            try RouteTree.of("GET /notes/{id}", "POST /notes/{id}", "GET /notes/{name}")
        }
        #expect(error?.code == "routes_invalid")
        #expect(error?.reasons.count == 1)
        #expect(error?.reasons.first?.contains("\"GET /notes/{id}\"") == true)
        #expect(error?.reasons.first?.contains("\"GET /notes/{name}\"") == true)
    }

    @Test(arguments: [
        ("notes", "begin"), ("/a//b", "empty segment"), ("/a/{}", "not {name}"),
        ("/a/{1x}", "not {name}"), ("/a{x}", "brace"), ("/{p...}/x", "before the end"),
        ("/{x}/{x}", "more than once"), ("/a/../b", "never reaches"), ("/a%20b", "may not have"),
        ("/" + (0..<17).map { "{p\($0)}" }.joined(separator: "/"), "16 parameters"),
        ("/" + Array(repeating: "s", count: 33).joined(separator: "/"), "32 segments"),
    ])
    func pattern_isRefused_withItsReason(pattern: String, reason: String) {
        let error = #expect(throws: HostError.self) { try RouteTree.of("GET " + pattern) }
        #expect(
            error?.reasons.contains { $0.contains(reason) } == true, "\(String(describing: error))")
    }

    @Test func everyFault_isTold_notOnlyTheFirst() {
        let error = #expect(throws: HostError.self) {
            try RouteTree.of("G(T /a", "GET b", "GET /c", "GET /c")
        }
        #expect(error?.reasons.count == 3)
    }
}
