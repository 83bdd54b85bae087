import HTTPWire
import Testing

@Suite struct TrailerTests {
    @Test func section_isKeptWhole_howeverItIsCut() {
        let text = "2\r\nhi\r\n0\r\nDigest: a=b \r\nEmpty:\r\nHost: evil\r\n\r\nrest"
        for piece in 1...text.utf8.count {
            var decoder = ChunkedDecoder(limits: WireLimits())
            var bytes = Array(text.utf8)[...]
            var hasEnded = false
            while !hasEnded {
                Array(bytes.prefix(piece)).withUnsafeBytes { input in
                    switch decoder.decode(input) {
                    case .needMore(let consumed): bytes.removeFirst(consumed)
                    case .data(_, let consumed): bytes.removeFirst(consumed)
                    case .end(let consumed):
                        bytes.removeFirst(consumed)
                        hasEnded = true
                    case .invalid(let error):
                        Issue.record("refused: \(error)")
                        hasEnded = true
                    }
                }
            }
            #expect(String(decoding: bytes, as: UTF8.self) == "rest")
            var fields: [String] = []
            decoder.trailers.withUnsafeBytes { section in
                Trailers.forEach(ByteSlice(section)) { field in
                    fields.append(
                        String(decoding: field.name) + "=" + String(decoding: field.value))
                }
            }
            #expect(fields == ["Digest=a=b", "Empty="])
        }
    }

    @Test func bodyWithoutTrailers_keepsNone() {
        var decoder = ChunkedDecoder(limits: WireLimits())
        Array("0\r\n\r\n".utf8).withUnsafeBytes { _ = decoder.decode($0) }
        #expect(decoder.trailers.isEmpty)
    }

    @Test(arguments: [
        "Content-Length", "transfer-encoding", "Host", "Authorization", "Set-Cookie", "TE",
        "Trailer", "Content-Type", "x-request-id", "not a token", "",
    ])
    func fieldThatSteers_mayNotComeLate(name: String) {
        withSlice(name) { #expect(!Trailers.mayHold($0)) }
    }

    @Test(arguments: ["Digest", "Server-Timing", "X-Checksum", "ETag", "grpc-status"])
    func fieldThatIsKnownLate_mayComeLate(name: String) {
        withSlice(name) { #expect(Trailers.mayHold($0)) }
    }

    @Test(arguments: [
        ("trailers", true), ("deflate;q=0.5, Trailers", true), ("trailers;q=1", true),
        ("", false), ("gzip", false), ("trailersx", false), ("x=\"trailers\"", false),
    ])
    func client_wantsTrailers_whenItSaysSo(te: String, wants: Bool) {
        withSlice(te) { #expect(Trailers.areWanted($0) == wants) }
    }
}
