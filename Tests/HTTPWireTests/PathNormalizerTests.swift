import HTTPWire
import Testing

@Suite struct PathNormalizerTests {
    /// The normal form, or the code of the error; computed in its own memory and in place.
    static func normalize(_ path: String) -> Result<String, WireError> {
        let bytes = Array(path.utf8)
        let separate = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        let inPlace = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer {
            separate.deallocate()
            inPlace.deallocate()
        }
        inPlace.copyBytes(from: bytes)
        func run(_ source: ByteSlice, _ room: UnsafeMutableRawBufferPointer)
            -> Result<String, WireError>
        {
            do throws(WireError) {
                let length = try PathNormalizer.normalize(source, into: room)
                return .success(String(decoding: room[0..<length], as: UTF8.self))
            } catch {
                return .failure(error)
            }
        }
        let result = bytes.withUnsafeBytes { run(ByteSlice($0), separate) }
        #expect(run(ByteSlice(UnsafeRawBufferPointer(inPlace)), inPlace) == result)
        return result
    }

    @Test(arguments: [
        ("/", "/"), ("/a", "/a"), ("/a/", "/a/"), ("/a/b.c/d", "/a/b.c/d"), ("/a//b", "/a/b"),
        ("//a", "/a"), ("///", "/"), ("/a/./b", "/a/b"), ("/a/.", "/a/"), ("/./", "/"),
        ("/.", "/"), ("/a/../b", "/b"), ("/a/b/..", "/a/"), ("/a/b/../", "/a/"), ("/a/..", "/"),
        ("/a/b/../../c", "/c"), ("/a//../b", "/b"), ("/...", "/..."), ("/..a", "/..a"),
        ("/a/.b", "/a/.b"), ("/%61%2Fb", "/a%2Fb"), ("/a%2fb", "/a%2Fb"), ("/%2e%2E/", nil),
        ("/a/%2e%2e/b", "/b"), ("/a/%2e/b", "/a/b"), ("/a%20b", "/a b"), ("/%C3%A9", "/é"),
        ("/%E2%82%AC/%F0%9F%98%80", "/€/😀"), ("/%252e%252e", "/%2e%2e"), ("/a%5C..", "/a\\.."),
        ("/a%2F..%2Fb", "/a%2F..%2Fb"), ("/a%2F../b", "/a%2F../b"), ("/x/a%2Fb/..", "/x/"),
        ("/%25", "/%"),
    ])
    func path_isBroughtToItsNormalForm(_ path: String, _ expected: String?) {
        let result = try? Self.normalize(path).get()
        #expect(result == expected)
    }

    @Test(arguments: [
        ("", WireError.Code.pathNotAbsolute, 0), ("a", .pathNotAbsolute, 0),
        ("*", .pathNotAbsolute, 0),
        ("%2Fa", .pathNotAbsolute, 0), ("/..", .pathLeavesRoot, 2), ("/../a", .pathLeavesRoot, 2),
        ("/a/../..", .pathLeavesRoot, 7), ("/%2e%2e/a", .pathLeavesRoot, 6),
        ("//..", .pathLeavesRoot, 3), ("/./..", .pathLeavesRoot, 4), ("/a%00", .pathHasNUL, 2),
        ("/%", .pathEscapeInvalid, 1), ("/%4", .pathEscapeInvalid, 1),
        ("/%4G", .pathEscapeInvalid, 1),
        ("/%G4", .pathEscapeInvalid, 1), ("/%u0041", .pathEscapeInvalid, 1),
        ("/%%41", .pathEscapeInvalid, 1),
        ("/%FF", .pathNotUTF8, 0), ("/%C0%AF", .pathNotUTF8, 0),
        ("/%C0%AE%C0%AE/", .pathNotUTF8, 0),
        ("/%ED%A0%80", .pathNotUTF8, 0), ("/%E2%82", .pathNotUTF8, 0),
        ("/%F4%90%80%80", .pathNotUTF8, 0),
    ])
    func path_isRefused_whenItHasNoNormalForm(
        _ path: String, _ code: WireError.Code, _ offset: Int
    ) {
        #expect(Self.normalize(path) == .failure(WireError(code, offset: offset)))
    }

    @Test func normalForm_isItsOwnNormalForm() throws {
        var generator = SplitMix(seed: 0x5EED)
        let parts = ["/", "/", ".", "..", "a", "%2e", "%2F", "%41", "b"]
        for _ in 0..<2_000 {
            var path = "/"
            for _ in 0..<Int.random(in: 0...8, using: &generator) {
                path += parts.randomElement(using: &generator) ?? ""
            }
            guard let normal = try? Self.normalize(path).get() else { continue }
            #expect(try Self.normalize(normal).get() == normal, "from \(path)")
            #expect(!normal.contains("//") && !"\(normal)/".contains("/../"), "from \(path)")
        }
    }
}
