import HostModel
import Testing

@Suite struct ManifestTests {
    private static let complete = """
        {
          "name": "hello-c", "version": "1.2.3-rc.1", "abi": "1.0", "description": "Says hello.",
          "license": "MIT", "authors": ["Ann <ann@example.org>"], "homepage": "https://example.org",
          "language": "c",
          "library": {"file": "libhello.so", "sha256": "\(String(repeating: "ab", count: 32))"},
          "services": ["ph.log/1", "ph.events/2"],
          "routes": [{"method": "GET", "pattern": "/hello"},
            {"method": "POST", "pattern": "/n/{id}", "blocking": true, "requestSeconds": 300}],
          "static": {"index": "start.html", "fallback": "app.html",
            "cacheControl": {"*.html": "no-cache", "assets/": "max-age=31536000, immutable"},
            "headers": {"Referrer-Policy": "no-referrer"}},
          "limits": {"drainSeconds": 5, "startSeconds": 30, "bodyBytesMax": 1048576,
            "requestSeconds": 0, "concurrencyMax": 100, "poolThreadsMax": 8, "poolQueueMax": 16,
            "heartbeatSeconds": 5, "overlapSeconds": 600},
          "proof": {"start": true, "requests": true}
        }
        """

    @Test func manifest_isRead_withEveryField() throws {
        let manifest = try Manifest(parsing: Self.complete.utf8)
        #expect(manifest.name.text == "hello-c")
        #expect(manifest.version.description == "1.2.3-rc.1")
        #expect(manifest.abi == ABIVersion(major: 1, minor: 0))
        #expect(manifest.description == "Says hello.")
        #expect(manifest.license == "MIT" && manifest.language == "c")
        #expect(manifest.authors == ["Ann <ann@example.org>"])
        #expect(manifest.homepage == "https://example.org")
        #expect(manifest.library.file == "libhello.so")
        #expect(manifest.library.sha256?.bytes == [UInt8](repeating: 0xAB, count: 32))
        #expect(manifest.services == ["ph.log/1", "ph.events/2"])
        #expect(manifest.routes?.map(\.description) == ["GET /hello", "POST /n/{id}"])
        #expect(manifest.files.index == "start.html" && manifest.files.fallback == "app.html")
        #expect(manifest.files.cacheRules.map(\.pattern) == ["*.html", "assets/"])
        #expect(
            manifest.files.cacheRules.map(\.value) == ["no-cache", "max-age=31536000, immutable"])
        #expect(manifest.files.headers.map(\.name) == ["Referrer-Policy"])
        #expect(manifest.files.headers.map(\.value) == ["no-referrer"])
        #expect(manifest.limits.drainSeconds == 5 && manifest.limits.startSeconds == 30)
        #expect(manifest.limits.bodyBytesMax == 1 << 20)
        #expect(manifest.routes?.map(\.isBlocking) == [false, true])
        #expect(manifest.routes?.map(\.requestSeconds) == [nil, 300])
        #expect(manifest.limits.requestSeconds == 0 && manifest.limits.concurrencyMax == 100)
        #expect(manifest.limits.poolThreadsMax == 8 && manifest.limits.poolQueueMax == 16)
        #expect(manifest.limits.heartbeatSeconds == 5 && manifest.limits.overlapSeconds == 600)
        #expect(manifest.proof.starts && manifest.proof.requests)
    }

    @Test func whatARouteMayTake_isJudged() {
        let text = """
            {"name": "a", "version": "1.0.0", "abi": "1.0",
             "routes": [{"method": "GET", "pattern": "/a", "blocking": 1, "requestSeconds": -1},
               {"method": "GET", "pattern": "/a", "blocking": true}],
             "limits": {"poolThreadsMax": 0, "concurrencyMax": 1.5}}
            """
        let error = #expect(throws: HostError.self) { try Manifest(parsing: text.utf8) }
        for path in [
            "/routes/0/blocking", "/routes/0/requestSeconds", "/routes/1", "/limits/poolThreadsMax",
            "/limits/concurrencyMax",
        ] {
            #expect(
                error?.reasons.contains { $0.hasPrefix(path) } == true,
                "\(path): \(String(describing: error))")
        }
    }

    @Test func manifest_hasDefaults_whenOnlyTheRequiredFieldsAreThere() throws {
        let manifest = try Manifest(parsing: #"{"name":"a","version":"1.0.0","abi":"1.0"}"#.utf8)
        #expect(manifest.library == Manifest.Library(file: "liba.so"))
        #expect(manifest.services.isEmpty && manifest.routes == nil)
        #expect(manifest.files.index == "index.html" && manifest.files.fallback == nil)
        #expect(manifest.files.cacheRules.isEmpty && manifest.files.headers.isEmpty)
        #expect(manifest.limits == Manifest.Limits())
        #expect(manifest.proof.starts && !manifest.proof.requests)
    }

    @Test func manifest_isRefused_withEveryObjectionAtOnce() {
        let text = """
            {"name": "Hello", "version": "1.0", "abi": 1, "descripton": "x", "homepage": "example",
             "library": {"file": "../x.so", "sha256": "12"},
             "services": ["ph.log/1", "log", "ph.log/1"],
             "routes": [{"method": "get", "pattern": "hello"}, {"method": "GET"}],
             "static": {"index": "a/b"},
             "limits": {"drainSeconds": 601, "startSeconds": 1.5, "x/y": 1}}
            """
        let error = #expect(throws: HostError.self) { try Manifest(parsing: text.utf8) }
        #expect(error?.code == "manifest_invalid")
        let paths = (error?.reasons ?? []).map { $0.prefix { $0 != ":" } }
        #expect(
            Set(paths) == [
                "/descripton", "/name", "/version", "/abi", "/homepage", "/library/file",
                "/library/sha256", "/services/1", "/services/2", "/routes/0/method",
                "/routes/0/pattern", "/routes/1/pattern", "/static/index", "/limits/drainSeconds",
                "/limits/startSeconds", "/limits/x~1y",
            ])
        #expect(paths.count == 16)
    }

    @Test func unknownField_isRefused_namingTheNearest() {
        let reading = Manifest.read(["name": "a", "version": "1.0.0", "abi": "1.0", "servces": []])
        #expect(
            reading.objections.map(\.description) == [
                "/servces: there is no such field; did you mean \"services\"?"
            ])
        #expect(reading.manifest == nil)
    }

    @Test func unknownFields_areCounted_whenThereAreVeryMany() {
        var fields: JSONObject = ["name": "a", "version": "1.0.0", "abi": "1.0"]
        for number in 0..<2_000 { fields["k\(number)"] = 1 }
        let error = #expect(throws: HostError.self) {
            try Manifest(json: .object(fields), source: "manifest.json")
        }
        #expect(error?.reasons.first?.hasPrefix("/k0: there is no such field; valid here") == true)
        #expect(error?.reasons.count == HostError.reasonsMax + 1)
        #expect(error?.reasons.last == "and 1936 more")
    }

    @Test func missingFields_areEachNamed() {
        let reading = Manifest.read([:])
        #expect(reading.objections.map(\.path) == ["/name", "/version", "/abi"])
    }

    @Test(
        arguments: [
            ("name", 1), ("version", nil), ("abi", true), ("authors", "Ann"), ("authors", [1]),
            ("library", "x.so"), ("library", ["file": ".."]), ("library", ["file": "x.dll"]),
            ("library", ["file": "a\u{0}.so"]), ("services", ["ph.log/0"]),
            ("services", ["ph.log/01"]),
            ("services", ["Ph.log/1"]), ("services", [".log/1"]), ("services", ["a/1/2"]),
            ("services", .array(Array(repeating: "a.b/1", count: 257))),
            ("routes", [["method": "GET", "pattern": "/a b"]]),
            ("routes", [["method": "GET", "pattern": "/a"], ["method": "GET", "pattern": "/a"]]),
            ("routes", ["GET /"]), ("static", []),
            ("static", ["cacheControl": 1]), ("static", ["cacheControl": "a\r\nb"]),
            ("static", ["cacheControl": ["/a": "no-cache"]]),
            ("static", ["cacheControl": ["a/*": "no-cache"]]),
            ("static", ["cacheControl": ["*.css": ""]]),
            ("static", ["headers": ["ETag": "\"a\""]]), ("static", ["headers": ["a b": "c"]]),
            ("static", ["headers": ["cache-control": "no-cache"]]),
            ("static", ["headers": ["A": "b\n"]]), ("static", ["fallback": "a/b"]),
            ("limits", ["bodyBytesMax": -1]),
            ("limits", ["startSeconds": 0]), ("limits", ["drainSeconds": "5"]),
            ("proof", true), ("proof", ["start": 1]), ("proof", ["requests": "yes"]),
            ("proof", ["starts": false]), ("proof", ["start": false, "requests": true]),
            ("description", .string(String(repeating: "a", count: 4097))),
        ] as [(String, JSONValue)])
    func field_isRefused_whenItsValueIsOutOfBounds(key: String, value: JSONValue) {
        var object: JSONObject = ["name": "a", "version": "1.0.0", "abi": "1.0"]
        #expect(Manifest.read(.object(object)).objections.isEmpty)
        object[key] = value
        let reading = Manifest.read(.object(object))
        #expect(reading.objections.count == 1, "\(reading.objections)")
        #expect(reading.objections.first?.path.hasPrefix("/" + key) == true)
    }

    @Test func cacheControl_mayBeOneTextForAllFiles() throws {
        let text = """
            {"name":"a","version":"1.0.0","abi":"1.0","static":{"cacheControl":"no-store"}}
            """
        let files = try Manifest(parsing: text.utf8).files
        #expect(files.cacheRules == [.init(pattern: "*", value: "no-store")])
    }

    @Test(arguments: ["[]", "\"a\"", "null"])
    func manifest_isRefused_whenItIsNoObject(text: String) {
        #expect(throws: HostError.self) { try Manifest(parsing: text.utf8) }
    }

    @Test func code_agrees_whenOnlyTheOrderDiffers() throws {
        let manifest = try Manifest(parsing: Self.complete.utf8)
        let code = CodeManifest(
            name: "hello-c", version: "1.2.3-rc.1", abi: 0x10000, description: "Says hello.",
            services: ["ph.events/2", "ph.log/1"],
            routes: [
                .init(method: "POST", pattern: "/n/{id}", flags: 1),
                .init(method: "GET", pattern: "/hello"),
            ])
        #expect(manifest.difference(from: code) == [])
        try manifest.check(code, subject: "libhello.so")
    }

    @Test func code_mayBeBuiltWithNewerHeaders_thanTheManifestAsksFor_notWithOlderOnes() throws {
        var manifest = try Manifest(parsing: #"{"name":"a","version":"1.0.0","abi":"1.1"}"#.utf8)
        for (abi, agrees) in [(0x10000, false), (0x10001, true), (0x10002, true), (0x20001, false)]
        {
            let code = CodeManifest(name: "a", version: "1.0.0", abi: UInt32(abi))
            #expect(manifest.difference(from: code).isEmpty == agrees)
        }
        manifest.abi = ABIVersion(major: 2, minor: 0)
        #expect(
            !manifest.difference(from: CodeManifest(name: "a", version: "1.0.0", abi: 0x10001))
                .isEmpty)
    }

    @Test func code_isRefused_withEveryFieldThatDiffers() throws {
        let manifest = try Manifest(parsing: Self.complete.utf8)
        let code = CodeManifest(
            name: "hello", version: "1.2.3", abi: 0x20000, description: "Says",
            services: ["ph.log/1"], routes: [.init(method: "GET", pattern: "/other")])
        let fields = manifest.difference(from: code).map(\.field)
        #expect(fields == ["name", "version", "abi", "description", "services", "routes"])
        let error = #expect(throws: HostError.self) { try manifest.check(code, subject: "x.so") }
        #expect(error?.code == "manifest_differs")
        #expect(
            error?.reasons.first == "name is \"hello-c\" in manifest.json and \"hello\" in the code"
        )
    }

    @Test func longTexts_differ_whenOnlyTheirEndDoes() throws {
        var manifest = try Manifest(parsing: #"{"name":"a","version":"1.0.0","abi":"1.0"}"#.utf8)
        manifest.description = String(repeating: "x", count: 100) + "1"
        let code = CodeManifest(
            name: "a", version: "1.0.0", abi: 0x10000,
            description: String(repeating: "x", count: 100) + "2",
            routes: [.init(method: "GET", pattern: "/unlisted")])
        #expect(manifest.difference(from: code).map(\.field) == ["description"])
    }
}
