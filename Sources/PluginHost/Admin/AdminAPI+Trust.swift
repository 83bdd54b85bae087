import HostModel

/// Whose signatures count.
///
/// - Shape:
///   ```
///   GET    /trust               {"policy", "keys": [{"name","key","public_key"}, ...]}
///   POST   /trust/policy        {"policy"}                the same
///   POST   /trust/keys          {"name", "public_key"}    the same
///   DELETE /trust/keys/NAME                               the same
///   ```
///   `key` is the id that signatures are told with, `public_key` a PEM file's text.
extension AdminAPI {
    func trust(
        _ method: String, _ path: [String], _ body: JSONValue?
    ) async throws(HostError) -> JSONValue {
        switch path.first {
        case "policy":
            var form = Form(body)
            let policy: SignaturePolicy? = form.choice("policy")
            if policy == nil { form.object("policy", "off, warn or require") }
            try form.end()
            if let policy { try await manager.require(policy) }
        case "keys" where method == "POST":
            var form = Form(body)
            let name = form.text("name")
            let key = form.text("public_key")
            if name == nil { form.object("name", "a text") }
            if key == nil { form.object("public_key", "a text") }
            try form.end()
            if let name, let key {
                try await manager.trust(try VerifyingKey(pem: key, source: name), as: name)
            }
        case "keys": try await manager.distrust(path[1])
        default: break
        }
        return await manager.trustReport
    }

    static func trustMethods(of path: [String]) -> [String] {
        switch (path.first, path.count) {
        case (nil, _): ["GET"]
        case ("policy", 1), ("keys", 1): ["POST"]
        case ("keys", 2): ["DELETE"]
        default: []
        }
    }
}
