import FuzzSupport
import HTTPWire
import HostModel
import Testing

@testable import PluginHost

@Suite struct OperatorMountsTests {
    /// Compiles `host/prefix` texts; each mount's plugin is named by its position.
    private func table(_ places: [(String?, String)]) throws -> OperatorMounts? {
        var mounts: [MountAddress: PluginName] = [:]
        for (index, place) in places.enumerated() {
            let address = try MountAddress(host: place.0, prefix: place.1)
            mounts[address] = try PluginName(checking: "p\(index)")
        }
        return OperatorMounts(mounts)
    }

    /// The position of the mount that a request belongs to, and what of the path is behind it.
    private func find(
        _ table: OperatorMounts?, _ host: String, _ path: String
    ) throws -> (index: Int, rest: String)? {
        let table = try #require(table)
        let place = Array(host.utf8).withUnsafeBytes { host in
            Array(path.utf8).withUnsafeBytes { path in
                table.find(authority: ByteSlice(host), path: ByteSlice(path))
            }
        }
        guard let place else { return nil }
        let index = try #require(Int(table.names[place.ordinal].text.dropFirst()))
        return (index, String(path.utf8.dropFirst(place.prefixCount)) ?? "")
    }

    @Test func longestPrefix_wins_andEndsWithASegment() throws {
        let table = try table([(nil, "/shop"), (nil, "/shop/eu"), (nil, "/shop/eu/de/x")])
        for (path, index, rest) in [
            ("/shop", 0, ""), ("/shop/", 0, "/"), ("/shop/us", 0, "/us"), ("/shop/e", 0, "/e"),
            ("/shop/eu", 1, ""), ("/shop/eu/de", 1, "/de"), ("/shop/eu/de/x/y", 2, "/y"),
            ("/shop/eu/de/x", 2, ""), ("/shop/eu/de/xy", 1, "/de/xy"),
        ] {
            let found = try #require(try find(table, "any", path), "\(path)")
            #expect(found.index == index && found.rest == rest, "\(path): \(found)")
        }
        for path in ["/", "/sho", "/shopping", "/Shop", "/a/shop", "*", ""] {
            #expect(try find(table, "any", path) == nil, "\(path)")
        }
    }

    @Test func root_takesWhatNobodyElseHas() throws {
        let table = try table([(nil, "/"), (nil, "/a")])
        #expect(try find(table, "", "/")?.index == 0)
        #expect(try find(table, "", "/b/c").map { $0.rest } == "/b/c")
        #expect(try find(table, "", "/a/b")?.index == 1)
    }

    @Test func hostItself_comesBeforeItsFamily_andThatBeforeAnyHost() throws {
        let table = try table([
            (nil, "/"), ("shop.example", "/"), ("*.example", "/"), ("*.shop.example", "/"),
            ("only.example", "/x"), (nil, "/x/y"),
        ])
        for (host, path, index) in [
            ("shop.example", "/", 1), ("SHOP.Example", "/", 1), ("shop.example.", "/", 1),
            ("shop.example:8080", "/", 1), ("shop.example.:80", "/", 1), ("shop.example:", "/", 1),
            ("www.example", "/", 2), ("a.b.example", "/", 2), ("eu.shop.example", "/", 3),
            ("a.eu.shop.example", "/", 3), ("example", "/", 0), ("xexample", "/", 0), ("", "/", 0),
            ("shop.example.org", "/", 0), (".example", "/", 0), ("127.0.0.1:80", "/", 0),
            ("[::1]:80", "/", 0), ("[broken", "/", 0), (":80", "/", 0), (".", "/", 0),
            ("only.example", "/x/y", 4), ("only.example", "/z", 2), ("other.test", "/x/y", 5),
        ] {
            #expect(try find(table, host, path)?.index == index, "\(host) \(path)")
        }
    }

    @Test func addressesAsHosts_areFound() throws {
        let table = try table([("[::1]", "/"), ("127.0.0.1", "/v4")])
        #expect(try find(table, "[::1]:8080", "/x")?.index == 0)
        #expect(try find(table, "[::1]", "/x")?.index == 0)
        #expect(try find(table, "127.0.0.1:1", "/v4/x")?.index == 1)
        #expect(try find(table, "localhost", "/x") == nil)
    }

    @Test func everyOneOfManyMounts_isFound() throws {
        let places: [(String?, String)] = (0..<500).map { number in
            (number % 3 == 0 ? nil : "h\(number % 7).example", "/a/\(number)")
        }
        let table = try table(places)
        for (index, place) in places.enumerated() {
            let found = try find(table, place.0 ?? "x", place.1 + "/rest")
            #expect(found?.index == index && found?.rest == "/rest")
        }
        #expect(try find(table, "h1.example", "/a/500") == nil)
    }

    @Test func noMounts_makeNoTable() throws {
        #expect(OperatorMounts([:]) == nil)
    }

    /// Compares with the plainest search that there is, over places and requests made at random.
    @Test func search_agreesWithAPlainOne_overRandomMounts() throws {
        var random = FuzzRandom(seed: 0x5EED)
        func pick<Value>(_ values: [Value]) -> Value {
            values[Int(random.next() % UInt64(values.count))]
        }
        func path() -> String {
            (0..<Int(random.next() % 4)).map { _ in "/" + pick(["a", "b", "ab", "a-b", "c"]) }
                .joined()
        }
        for round in 0..<300 {
            var places: [(String?, String)] = []
            for _ in 0...(random.next() % 12) {
                let host = pick([nil, nil, "x.test", "*.test", "*.x.test", "y.test"])
                places.append((host, "/" + path().dropFirst()))
            }
            let unique = Dictionary(
                places.enumerated().map { ("\($1.0 ?? "")\($1.1)", $0) }
            ) { _, last in last }
            let table = try table(places)
            for _ in 0..<40 {
                let host = pick(["x.test", "y.test:80", "z.test", "Z.x.test", "q.org", ""])
                let path = path() + pick(["", "/"])
                guard !path.isEmpty else { continue }
                let name = host.lowercased().prefix { $0 != ":" }
                let hosts = [String(name), "*.x.test", "*.test", ""].filter { pattern in
                    pattern == name || pattern.isEmpty
                        || pattern.hasPrefix("*") && name.hasSuffix(pattern.dropFirst())
                }
                var expected: Int?
                search: for host in hosts {
                    var prefix = path[...]
                    while true {
                        let key = host + (prefix.isEmpty ? "/" : prefix)
                        if prefix.isEmpty || !prefix.hasSuffix("/"), let index = unique[key] {
                            expected = index
                            break search
                        }
                        guard let slash = prefix.lastIndex(of: "/") else { break }
                        prefix = prefix[..<slash]
                    }
                }
                let found = try find(table, host, path)?.index
                #expect(found == expected, "round \(round): \(host) \(path) in \(places)")
            }
        }
    }
}
