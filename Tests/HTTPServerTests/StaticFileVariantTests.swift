import Foundation
import HTTPServer
import HTTPWire
import Testing

/// Which bytes and which fields stand for a file: compressed twins, caching, fallbacks, odd files.
@Suite(.timeLimit(.minutes(10)))
struct StaticFileVariantTests {
    @Test(arguments: [
        ("br, gzip, zstd", "br", "BR"), ("gzip, zstd", "zstd", "ZST"), ("gzip", "gzip", "GZ"),
        ("br;q=0.1, gzip", "gzip", "GZ"), ("*", "br", "BR"), ("*;q=0.1, br;q=0", "zstd", "ZST"),
        ("deflate", nil, "plain"), ("identity, br;q=0.5", nil, "plain"), ("", nil, "plain"),
    ]) func twin_isTheOneThatTheClientLikesBest(
        accepted: String, coding: String?, body: String
    ) async throws {
        let directory = try TestDirectory()
        for (name, text) in [("", "plain"), (".br", "BR"), (".zst", "ZST"), (".gz", "GZ")] {
            try directory.write("a.js" + name, text)
        }
        try await FileServer.serving(directory) { port in
            let response = try TestClient(port: port).get(
                "/files/a.js", "Accept-Encoding: \(accepted)\r\n")
            #expect(response.status == 200)
            #expect(response.text == body)
            #expect(response["content-encoding"] == coding)
            #expect(response["content-type"] == "text/javascript; charset=utf-8")
            #expect(response["vary"] == "Accept-Encoding")
        }
    }

    @Test func everyVariant_hasItsOwnTag_andRangesOfItsOwn() async throws {
        let directory = try TestDirectory()
        try directory.write("a.css", "0123456789")
        try directory.write("a.css.br", "brotli")
        try directory.write("a.css.gz", "gzip")
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            func get(_ fields: String) throws -> TestResponse {
                try client.get("/files/a.css", fields)
            }
            let brotli = "Accept-Encoding: br\r\n"
            let tags = try [brotli, "Accept-Encoding: gzip\r\n", ""].map { try get($0)["etag"] }
            #expect(Set(tags).count == 3)
            let tag = try #require(tags[0])
            #expect(try get(brotli + "If-None-Match: \(tag)\r\n").status == 304)
            #expect(try get("If-None-Match: \(tag)\r\n").status == 200)
            let part = try get(brotli + "Range: bytes=2-3\r\nIf-Range: \(tag)\r\n")
            #expect(part.status == 206)
            #expect(part.text == "ot")
            #expect(part["content-range"] == "bytes 2-3/6")
            #expect(part["content-encoding"] == "br")
        }
    }

    @Test func clientWithoutIdentity_isRefused_whenThereIsNoTwin() async throws {
        let directory = try TestDirectory()
        try directory.write("a.css", "plain")
        try directory.write("b.css", "plain")
        try directory.write("b.css.gz", "zipped")
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            let fields = "Accept-Encoding: gzip, identity;q=0\r\n"
            let refused = try client.get("/files/a.css", fields)
            #expect(refused.status == 406)
            #expect(refused["vary"] == "Accept-Encoding")
            #expect(try client.get("/files/b.css", fields).text == "zipped")
        }
    }

    @Test func formatThatIsCompressed_hasNoTwins() async throws {
        let directory = try TestDirectory()
        try directory.write("a.png", "picture")
        try directory.write("a.png.gz", "zipped")
        try await FileServer.serving(directory) { port in
            let response = try TestClient(port: port).get(
                "/files/a.png", "Accept-Encoding: gzip\r\n")
            #expect(response.text == "picture")
            #expect(response["vary"] == nil)
        }
    }

    @Test func fieldsInSeveralLines_countTogether() async throws {
        let directory = try TestDirectory()
        try directory.write("a.png", "0123456789")
        try directory.write("a.txt", "plain")
        try directory.write("a.txt.gz", "zipped")
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            let tag = try #require(try client.get("/files/a.png")["etag"])
            func status(_ fields: String) throws -> Int {
                try client.get("/files/a.png", fields).status
            }
            #expect(try status("If-None-Match: \"x\"\r\nIf-None-Match: \(tag)\r\n") == 304)
            #expect(try status("If-Match: \"x\"\r\nIf-Match: \(tag)\r\n") == 200)
            #expect(try status("Range: bytes=0-1\r\nRange: bytes=4-5\r\n") == 200)
            let zipped = try client.get(
                "/files/a.txt", "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n")
            #expect(zipped.text == "zipped")
        }
    }

    @Test func cacheControlAndHeaders_areThoseOfTheOptions() async throws {
        let directory = try TestDirectory()
        for name in ["index.html", "assets/app.js", "assets/page.html", "robots.txt", "x.css"] {
            try directory.write(name, "x")
        }
        var options = StaticFileOptions()
        options.fallback = "index.html"
        options.cacheRules = [
            .init(pattern: "assets/", value: "immutable"),
            .init(pattern: "*.html", value: "no-cache"),
            .init(pattern: "robots.txt", value: "max-age=60"),
        ]
        options.headers = [.init(name: "Referrer-Policy", value: "no-referrer")]
        try await FileServer.serving(directory, options: options) { port in
            let client = try TestClient(port: port)
            for (path, value) in [
                ("assets/app.js", "immutable"), ("assets/page.html", "immutable"),
                ("", "no-cache"), ("any/where", "no-cache"), ("robots.txt", "max-age=60"),
                ("x.css", nil),
            ] {
                let response = try client.get("/files/\(path)")
                #expect(response["cache-control"] == value, "\(path)")
                #expect(response["referrer-policy"] == "no-referrer")
                let tag = try #require(response["etag"])
                let second = try client.get("/files/\(path)", "If-None-Match: \(tag)\r\n")
                #expect(second.status == 304)
                #expect(second["cache-control"] == value, "\(path)")
            }
        }
    }

    @Test func headerThatCannotBeSent_isRefusedAtOnce() throws {
        let directory = try TestDirectory()
        var options = StaticFileOptions()
        options.headers = [.init(name: "A", value: "b\r\nc")]
        #expect(throws: ServerError.self) {
            try StaticFileResponder(directory: directory.path, options: options)
        }
    }

    @Test func manyOrOverlappingRanges_getTheWholeFile() async throws {
        let directory = try TestDirectory()
        try directory.write("a.bin", String(repeating: "0123456789", count: 10))
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            func get(_ ranges: String) throws -> TestResponse {
                try client.get("/files/a.bin", "Range: bytes=\(ranges)\r\n")
            }
            let many = (0..<17).map { "\($0)-\($0)" }.joined(separator: ",")
            #expect(try get(many).status == 200)
            #expect(try get("0-60,20-99").status == 200)
            #expect(try get("0-,0-,0-").status == 200)
            let one = try get("500-600,3-4")
            #expect(one.status == 206)
            #expect(one["content-range"] == "bytes 3-4/100")
            #expect(one.text == "34")
            let none = try get("100-,500-600")
            #expect(none.status == 416)
            #expect(none["content-range"] == "bytes */100")
            let head = try client.ask(
                "HEAD /files/a.bin HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n")
            #expect(head.status == 200)
            #expect(head["content-length"] == "100")
        }
    }

    /// Where the kernel is told that more will follow, it holds back what it has for 200 ms.
    @Test func lastPartOfSeveral_isNotHeldBack() async throws {
        let directory = try TestDirectory()
        try directory.write("a.bin", [UInt8](repeating: 1, count: 300_000))
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            let took = try ContinuousClock().measure {
                for _ in 0..<40 {
                    let response = try client.get(
                        "/files/a.bin", "Range: bytes=0-1,100-200\r\n")
                    #expect(response.status == 206)
                }
            }
            #expect(took < .seconds(4))
        }
    }

    @Test func oddNames_areServed() async throws {
        let directory = try TestDirectory()
        let names = [
            ("with%20space.txt", "with space.txt"), ("%C3%A4%E6%97%A5.txt", "ä日.txt"),
            ("100%25.txt", "100%.txt"), ("a%26b%3Dc%3Fd%23e.txt", "a&b=c?d#e.txt"),
            ("back%5Cslash.txt", "back\\slash.txt"), ("UPPER.TXT", "UPPER.TXT"),
            (".well-known/security.txt", ".well-known/security.txt"), ("no-ending", "no-ending"),
        ]
        for (_, name) in names { try directory.write(name, name) }
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            for (path, name) in names {
                #expect(try client.get("/files/\(path)").text == name, "\(path)")
            }
            #expect(try client.get("/files/UPPER.TXT")["content-type"]?.hasPrefix("text/") == true)
            #expect(
                try client.get("/files/no-ending")["content-type"] == "application/octet-stream")
            #expect(try client.get("/files/.well-known/.x").status == 404)
            #expect(try client.get("/files/a/.well-known/security.txt").status == 404)
        }
    }

    @Test func whatIsNoRegularFile_isNotThere() async throws {
        let directory = try TestDirectory()
        try directory.write("a.txt", "x")
        #expect(mkfifo(directory.path + "/pipe", 0o644) == 0)
        try directory.link("null", to: "/dev/null")
        try directory.link("loop", to: "loop")
        try directory.write("pipe.txt", "plain")
        #expect(mkfifo(directory.path + "/pipe.txt.gz", 0o644) == 0)
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            for name in ["pipe", "null", "loop"] {
                #expect(try client.get("/files/\(name)").status == 404, "\(name)")
            }
            #expect(try client.get("/files/pipe.txt", "Accept-Encoding: gzip\r\n").text == "plain")
        }
    }

    @Test func emptyFile_isSent() async throws {
        let directory = try TestDirectory()
        try directory.write("empty.txt", "")
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            let response = try client.get("/files/empty.txt")
            #expect(response.status == 200)
            #expect(response["content-length"] == "0")
            #expect(try client.get("/files/empty.txt", "Range: bytes=0-\r\n").status == 416)
            #expect(try client.get("/files/empty.txt", "Range: bytes=-5\r\n").status == 200)
        }
    }

    @Test func rangeBeyondFourGigabytes_isSentFromItsPlace() async throws {
        let directory = try TestDirectory()
        try directory.write("big.bin", "")
        let size: Int = 10 << 30
        #expect(truncate(directory.path + "/big.bin", size) == 0)
        let file = try #require(FileHandle(forWritingAtPath: directory.path + "/big.bin"))
        try file.seek(toOffset: 6 << 30)
        try file.write(contentsOf: Data("HERE".utf8))
        try file.close()
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            let here: UInt64 = 6 << 30
            let part = try client.get("/files/big.bin", "Range: bytes=\(here)-\(here + 3)\r\n")
            #expect(part.status == 206)
            #expect(part.text == "HERE")
            #expect(part["content-range"] == "bytes \(here)-\(here + 3)/\(size)")
            let tail = try client.get("/files/big.bin", "Range: bytes=-2\r\n")
            #expect(tail["content-range"] == "bytes \(size - 2)-\(size - 1)/\(size)")
            let head = try client.ask("HEAD /files/big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(head["content-length"] == "\(size)")
        }
    }

    /// What is sent belongs to one state of the file, whatever happens to its name meanwhile.
    @Test func replacedFile_isSentToItsEnd_andTheNewOneNext() async throws {
        let directory = try TestDirectory()
        let old = [UInt8](repeating: 1, count: 8 << 20)
        try directory.write("a.bin", old)
        try directory.write("b.bin", [UInt8](repeating: 2, count: 100_000))
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port, receiveBufferBytes: 4_096)
            try client.send("GET /files/a.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try client.read(through: "\r\n\r\n")
            #expect(rename(directory.path + "/b.bin", directory.path + "/a.bin") == 0)
            #expect(try client.read(count: old.count) == old)
            #expect(try client.get("/files/a.bin").body.first == 2)
        }
    }

    @Test func growingFile_isSentAsLongAsItWas() async throws {
        let directory = try TestDirectory()
        try directory.write("a.bin", [UInt8](repeating: 1, count: 8 << 20))
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port, receiveBufferBytes: 4_096)
            try client.send("GET /files/a.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try client.read(through: "\r\n\r\n")
            #expect(truncate(directory.path + "/a.bin", 16 << 20) == 0)
            #expect(try client.read(count: 8 << 20).count == 8 << 20)
            #expect(try client.get("/files/none").status == 404)
        }
    }
}
