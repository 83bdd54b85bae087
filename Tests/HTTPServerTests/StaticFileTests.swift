import Foundation
import HTTPWire
import Testing

@testable import HTTPServer

@Suite(.timeLimit(.minutes(10)))
struct StaticFileTests {
    @Test func file_isSentWithItsTypeAndValidators() async throws {
        let directory = try TestDirectory()
        try directory.write("a.css", "body{}")
        try await FileServer.serving(directory) { port in
            let response = try TestClient(port: port).get("/files/a.css")
            #expect(response.status == 200)
            #expect(response.text == "body{}")
            #expect(response["content-type"] == "text/css; charset=utf-8")
            #expect(response["last-modified"] == "Sun, 06 Nov 1994 08:49:37 GMT")
            #expect(response["accept-ranges"] == "bytes")
            #expect(response["etag"]?.hasPrefix("\"") == true)
            #expect(response["vary"] == "Accept-Encoding")
            #expect(response["x-content-type-options"] == "nosniff")
            #expect(response["cache-control"] == nil)
        }
    }

    @Test func recentlyChangedFile_hasAWeakTag() async throws {
        let directory = try TestDirectory()
        try directory.write("a.txt", "x", isOld: false)
        try await FileServer.serving(directory) { port in
            let response = try TestClient(port: port).get("/files/a.txt")
            #expect(response["etag"]?.hasPrefix("W/\"") == true)
        }
    }

    @Test func largeFile_arrivesWhole() async throws {
        let directory = try TestDirectory()
        let bytes = (0..<3_000_001).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        try directory.write("big.bin", bytes)
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            try client.send(
                String(repeating: "GET /files/big.bin HTTP/1.1\r\nHost: x\r\n\r\n", count: 3))
            for _ in 0..<3 {
                let response = try client.response()
                #expect(response.body.elementsEqual(bytes))
            }
            #expect(try client.get("/files/none").status == 404)
        }
    }

    @Test func head_hasTheLengthAndNoBody() async throws {
        let directory = try TestDirectory()
        try directory.write("a.txt", "0123456789")
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            let head = try client.ask("HEAD /files/a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(head["content-length"] == "10")
            #expect(try client.get("/files/a.txt").text == "0123456789")
        }
    }

    @Test(arguments: [
        ("bytes=0-3", 206, "0123", "bytes 0-3/10"), ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"), ("bytes=5-100", 206, "56789", "bytes 5-9/10"),
        ("bytes=10-", 416, "", "bytes */10"), ("bytes=3-1", 200, "0123456789", nil),
        ("lines=1-2", 200, "0123456789", nil),
    ]) func range_isAnswered(
        range: String, status: Int, body: String, contentRange: String?
    ) async throws {
        let directory = try TestDirectory()
        try directory.write("a.txt", "0123456789")
        try await FileServer.serving(directory) { port in
            let response = try TestClient(port: port).get(
                "/files/a.txt", "Range: \(range)\r\n")
            #expect(response.status == status)
            #expect(response.text == body)
            #expect(response["content-range"] == contentRange)
        }
    }

    @Test func severalRanges_areSentAsParts() async throws {
        let directory = try TestDirectory()
        try directory.write("a.txt", "0123456789")
        try await FileServer.serving(directory) { port in
            let response = try TestClient(port: port).get(
                "/files/a.txt", "Range: bytes=0-1,4-5\r\n")
            #expect(response.status == 206)
            let type = try #require(response["content-type"])
            let mark = try #require(type.firstRange(of: "boundary="))
            let boundary = type[mark.upperBound...]
            #expect(type.hasPrefix("multipart/byteranges"))
            let kind = "Content-Type: text/plain; charset=utf-8\r\n"
            #expect(
                response.text == "\r\n--\(boundary)\r\n\(kind)Content-Range: bytes 0-1/10\r\n\r\n01"
                    + "\r\n--\(boundary)\r\n\(kind)Content-Range: bytes 4-5/10\r\n\r\n45"
                    + "\r\n--\(boundary)--\r\n")
        }
    }

    @Test func conditions_areJudged() async throws {
        let directory = try TestDirectory()
        try directory.write("a.txt", "0123456789")
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            let tag = try #require(try client.get("/files/a.txt")["etag"])
            let then = "Sun, 06 Nov 1994 08:49:37 GMT"
            let before = "Sun, 06 Nov 1994 08:49:36 GMT"
            func status(_ fields: String) throws -> Int {
                try client.get("/files/a.txt", fields).status
            }
            #expect(try status("If-None-Match: \(tag)\r\n") == 304)
            #expect(try status("If-None-Match: W/\(tag)\r\n") == 304)
            #expect(try status("If-None-Match: *\r\n") == 304)
            #expect(try status("If-None-Match: \"other\"\r\n") == 200)
            #expect(try status("If-Modified-Since: \(then)\r\n") == 304)
            #expect(try status("If-Modified-Since: \(before)\r\n") == 200)
            #expect(
                try status("If-None-Match: \"other\"\r\nIf-Modified-Since: \(then)\r\n") == 200)
            #expect(try status("If-Match: \(tag)\r\n") == 200)
            #expect(try status("If-Match: \"other\"\r\n") == 412)
            #expect(try status("If-Unmodified-Since: \(before)\r\n") == 412)
            #expect(try status("If-Unmodified-Since: \(then)\r\n") == 200)
            #expect(try status("Range: bytes=0-1\r\nIf-Range: \(tag)\r\n") == 206)
            #expect(try status("Range: bytes=0-1\r\nIf-Range: \"other\"\r\n") == 200)
            #expect(try status("Range: bytes=0-1\r\nIf-Range: \(then)\r\n") == 206)
            #expect(try status("Range: bytes=0-1\r\nIf-Range: \(before)\r\n") == 200)
            let notModified = try client.get("/files/a.txt", "If-None-Match: \(tag)\r\n")
            #expect(notModified["etag"] == tag)
            #expect(notModified["content-length"] == nil)
        }
    }

    @Test func precompressedTwin_isSentToThoseWhoTakeGzip() async throws {
        let directory = try TestDirectory()
        try directory.write("a.js", "plain")
        try directory.write("a.js.gz", "zipped")
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            let zipped = try client.get("/files/a.js", "Accept-Encoding: br, gzip\r\n")
            #expect(zipped.text == "zipped")
            #expect(zipped["content-encoding"] == "gzip")
            #expect(zipped["content-type"] == "text/javascript; charset=utf-8")
            #expect(zipped["vary"] == "Accept-Encoding")
            let plain = try client.get("/files/a.js", "Accept-Encoding: gzip;q=0\r\n")
            #expect(plain.text == "plain")
            #expect(plain["content-encoding"] == nil)
            #expect(plain["vary"] == "Accept-Encoding")
            #expect(plain["etag"] != zipped["etag"])
        }
    }

    @Test func directory_isServedByItsIndexAndWithASlash() async throws {
        let directory = try TestDirectory()
        try directory.write("index.html", "top")
        try directory.write("sub dir/index.html", "below")
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port)
            #expect(try client.get("/files/").text == "top")
            #expect(try client.get("/files/sub%20dir/").text == "below")
            let redirect = try client.get("/files/sub%20dir?a=b")
            #expect(redirect.status == 301)
            #expect(redirect["location"] == "/files/sub%20dir/?a=b")
            let slashes = try client.get("//files//sub%20dir")
            #expect(slashes["location"] == "/files/sub%20dir/")
        }
    }

    @Test func fallback_answersForWhatIsNotThere() async throws {
        let directory = try TestDirectory()
        try directory.write("app.html", "app")
        var options = StaticFileOptions()
        options.fallback = "app.html"
        try await FileServer.serving(directory, options: options) { port in
            let response = try TestClient(port: port).get("/files/any/where")
            #expect(response.status == 200)
            #expect(response.text == "app")
            #expect(response["content-type"] == "text/html; charset=utf-8")
        }
    }

    @Test func otherMethods_areNotAllowed() async throws {
        let directory = try TestDirectory()
        try directory.write("a.txt", "x")
        try await FileServer.serving(directory) { port in
            let response = try TestClient(port: port).ask(
                "DELETE /files/a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(response.status == 405)
            #expect(response["allow"] == "GET, HEAD, OPTIONS")
            let options = try TestClient(port: port).ask(
                "OPTIONS /files/a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(options.status == 204)
            #expect(options["allow"] == "GET, HEAD, OPTIONS")
        }
    }

    @Test func nothingOutside_canBeReached() async throws {
        let outside = try TestDirectory()
        try outside.write("secret", "SECRET")
        try outside.write("root/inside.txt", "inside")
        try outside.write("root/.hidden", "SECRET")
        try outside.write("root/.git/config", "SECRET")
        let directory = try TestDirectory()
        try directory.write("sub/a.txt", "inside")
        try directory.write(".hidden", "SECRET")
        try directory.write(".git/config", "SECRET")
        try directory.link("out", to: outside.path + "/secret")
        try directory.link("outdir", to: outside.path)
        try directory.link("up", to: "../../../../../../../../etc/passwd")
        try directory.link("magic", to: "/proc/self/root")
        try directory.link("inside", to: "sub/a.txt")
        let vectors = [
            "../secret", "..%2fsecret", "%2e%2e/secret", "%2e%2e%2fsecret", "sub/../../secret",
            "..%5csecret", "..\\secret", "%252e%252e/secret", "..%c0%afsecret", "....//secret",
            ".%2e/secret", "sub/%2e%2e/%2e%2e/secret", "/etc/passwd", "//etc/passwd",
            "%2fetc%2fpasswd", "out", "outdir/secret", "up", "magic/etc/passwd", ".hidden",
            "%2ehidden", ".git/config", "sub/../.git/config", "a%00.txt", "sub/a.txt%00",
            "sub/a.txt/", "sub/a.txt/..", "",
        ]
        try await FileServer.serving(directory) { port in
            for vector in vectors {
                let response = try TestClient(port: port).get("/files/\(vector)")
                #expect([400, 404, 403].contains(response.status), "\(vector)")
                #expect(!response.text.contains("SECRET"), "\(vector)")
                #expect(!response.text.contains("root:"), "\(vector)")
            }
            let inside = try TestClient(port: port).get("/files/inside")
            #expect(inside.text == "inside")
        }
    }

    /// What serves where the kernel has no openat2.
    @Test func openingByComponents_followsNoLinkAndLeavesNothing() throws {
        let directory = try TestDirectory()
        try directory.write("sub/a.txt", "inside")
        try directory.link("link", to: "sub/a.txt")
        try directory.link("dirlink", to: "sub")
        let files = try StaticFileResponder(directory: directory.path)
        func opens(_ name: StaticString) -> Bool {
            var path = name.description.utf8CString
            let descriptor = path.withUnsafeMutableBufferPointer {
                files.openByComponents($0.baseAddress!, $0.count - 1)
            }
            if descriptor >= 0 { close(descriptor) }
            return descriptor >= 0
        }
        #expect(opens("sub/a.txt"))
        #expect(opens("sub/"))
        #expect(opens(""))
        for name in [
            "link", "dirlink/a.txt", "../x", "sub/../../x", "sub/..", "none", "sub/a.txt/",
        ] as [StaticString] {
            #expect(!opens(name), "\(name)")
        }
    }

    @Test func shrinkingFile_cutsTheConnection() async throws {
        let directory = try TestDirectory()
        try directory.write("a.bin", [UInt8](repeating: 7, count: 20 << 20))
        try await FileServer.serving(directory) { port in
            let client = try TestClient(port: port, receiveBufferBytes: 4_096)
            try client.send("GET /files/a.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try client.read(through: "\r\n\r\n")
            #expect(truncate(directory.path + "/a.bin", 1_000) == 0)
            let count = (try? client.countToEnd()) ?? 0
            #expect(count < 20 << 20)
        }
    }
}
