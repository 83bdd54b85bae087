import HostModel
import Testing

@Suite struct MountAddressTests {
    @Test(arguments: [
        (nil, "/", "/"), (nil, "/shop", "/shop"), (nil, "/shop//", "/shop"), (nil, "///", "/"),
        ("Shop.Example", "/a/b-c_d~e.f", "shop.example/a/b-c_d~e.f"),
        ("shop.example.", "/", "shop.example/"), ("*.Example", "/x", "*.example/x"),
        ("127.0.0.1", "/", "127.0.0.1/"), ("[::1]", "/", "[::1]/"),
        ("localhost", "/", "localhost/"),
        (nil, "/plugins", "/plugins"), (nil, "/healthz/x", "/healthz/x"),
    ])
    func address_hasOneForm(_ host: String?, _ prefix: String, _ text: String) throws {
        let address = try MountAddress(host: host, prefix: prefix)
        #expect(address.description == text)
        #expect(try MountAddress(json: address.json) == address)
    }

    @Test(arguments: [
        (nil, ""), (nil, "shop"), (nil, "/a//b"), (nil, "/a/../b"), (nil, "/."), (nil, "/a b"),
        (nil, "/\u{e4}"), (nil, "/a%2Fb"), (nil, "/a?b"), (nil, "/plugin"), (nil, "/plugin/x"),
        (nil, "/healthz"), ("", "/"), ("shop.example:80", "/"), ("a..b", "/"), ("*", "/"),
        ("*.", "/"), ("a.*.b", "/"), ("a b", "/"), ("[::1", "/"), ("shop/x", "/"),
        (".example", "/"),
        (nil, "/" + String(repeating: "a", count: 255)),
        (String(repeating: "a", count: 64) + ".example", "/"),
    ])
    func address_isRefused_whenItIsNone(_ host: String?, _ prefix: String) {
        let error = #expect(throws: HostError.self) {
            try MountAddress(host: host, prefix: prefix)
        }
        #expect(error?.code == "mount_invalid")
        #expect(error?.reasons.isEmpty == false)
    }

    @Test func everyObjection_isTold() {
        let error = #expect(throws: HostError.self) {
            try MountAddress(host: "a:b", prefix: "x")
        }
        #expect(error?.reasons.count == 2)
    }
}
