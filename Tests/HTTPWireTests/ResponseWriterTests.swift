import HTTPWire
import Testing

@Suite struct ResponseWriterTests {
    @Test func head_isWrittenInOrder() {
        let text = written {
            check($0.statusLine(200))
            check($0.date(secondsSinceEpoch: 784_111_777))
            check($0.field("Content-Type", ByteSlice("text/plain; charset=utf-8")))
            check($0.field(ByteSlice("x-a"), ByteSlice("")))
            check($0.contentLength(1_234_567_890))
            check($0.endOfHead())
        }
        #expect(
            text == """
                HTTP/1.1 200 OK\r
                Date: Sun, 06 Nov 1994 08:49:37 GMT\r
                Content-Type: text/plain; charset=utf-8\r
                x-a: \r
                Content-Length: 1234567890\r
                \r\n
                """)
    }

    @Test func statusLine_isWellFormedForEveryCode() {
        for status in UInt16(0)...1_000 {
            let line = written { writer in
                let isWritten = writer.statusLine(status)
                #expect(isWritten == (100...999).contains(status))
                #expect(writer.count <= StatusLine.lengthMax)
            }
            guard !line.isEmpty else { continue }
            #expect(line.hasPrefix("HTTP/1.1 \(status) "))
            #expect(line.hasSuffix("\r\n"))
            #expect(line == "HTTP/1.1 \(status) \(StatusLine.reason(of: status))\r\n")
        }
        #expect(StatusLine.reason(of: 404) == "Not Found")
        #expect(StatusLine.reason(of: 299).isEmpty)
    }

    @Test(arguments: [
        ("a", "b\r\nSet-Cookie: x"), ("a", "b\rc"), ("a", "b\nc"), ("a", "b\u{0}c"),
        ("a", "\u{7F}"),
        ("a", "0123456789abcde\n"), ("", "b"), ("a b", "c"), ("a:", "c"), ("a\r\nb", "c"),
        ("é", "c"), ("a\u{0}", "c"),
    ])
    func field_isRefused_whenItWouldBreakOutOfItsLine(_ name: String, _ value: String) {
        let text = written { writer in
            withSlice(name) { name in
                withSlice(value) { value in check(!writer.field(name, value)) }
            }
        }
        #expect(text.isEmpty)
    }

    @Test func constantName_doesNotExcuseTheValue() {
        let text = written { writer in
            withSlice("a\r\nb") { value in check(!writer.field("Location", value)) }
            withSlice("a\tb é") { value in check(writer.field("Location", value)) }
        }
        #expect(text == "Location: a\tb é\r\n")
    }

    @Test func contentLength_writesEveryMagnitude() {
        var values: [UInt64] = [0, 9, .max, UInt64.max / 10]
        var power: UInt64 = 1
        for _ in 0..<19 {
            power *= 10
            values += [power - 1, power]
        }
        for value in values {
            #expect(written { _ = $0.contentLength(value) } == "Content-Length: \(value)\r\n")
        }
    }

    @Test func chunkSize_writesEveryMagnitude() {
        for shift in 0..<64 {
            for value in [UInt64(1) << shift, (UInt64(1) << shift) - 1] {
                let text = written {
                    check($0.chunkSize(value))
                    #expect($0.count <= ResponseWriter.chunkSizeLengthMax)
                }
                #expect(text == String(value, radix: 16) + "\r\n")
            }
        }
    }

    @Test func verbatim_copiesEveryLength() {
        for length in 0..<150 {
            let text = String("abcdefghijklmnopqrstuvwxyz".cycled(length))
            #expect(written { writer in withSlice(text) { _ = writer.verbatim($0) } } == text)
        }
    }

    @Test func nothingIsWritten_whenRoomIsShort() {
        let acts: [(inout ResponseWriter) -> Bool] = [
            { $0.statusLine(404) }, { $0.statusLine(299) }, { $0.contentLength(100) },
            { $0.date(secondsSinceEpoch: 0) }, { $0.field("A", ByteSlice("b")) },
            { $0.field(ByteSlice("A"), ByteSlice("b")) }, { $0.chunkSize(255) },
            { $0.endOfHead() }, { $0.verbatim(ByteSlice("abc")) },
        ]
        for (index, act) in acts.enumerated() {
            let length = written { _ = act(&$0) }.utf8.count
            #expect(written(room: length) { check(act(&$0)) }.utf8.count == length, "\(index)")
            #expect(written(room: length - 1) { check(!act(&$0)) }.isEmpty, "\(index)")
        }
    }

    @Test func lengthMax_coversTheLongestHead() {
        let value = String(repeating: "v", count: 50)
        let text = written(room: ResponseWriter.lengthMax(fieldCount: 2, fieldBytes: 104)) {
            writer in
            check(writer.statusLine(511))
            check(writer.date(secondsSinceEpoch: 0))
            check(writer.contentLength(.max))
            withSlice(value) { value in
                check(writer.field(ByteSlice("ab"), value))
                check(writer.field(ByteSlice("cd"), value))
            }
            check(writer.endOfHead())
        }
        #expect(text.hasSuffix("\r\n\r\n"))
    }

    @Test func readyLines_areWrittenAsTheyAre_howeverLongTheyOrTheRoomAre() {
        let lines = (0..<(2 * ResponseWriter.readyBytesMax)).map { UInt8($0 + 32) }
        for count in 0...(ResponseWriter.readyBytesMax + 20) {
            for room in [count, count + 1, count + ResponseWriter.readyBytesMax + 1] {
                let text = lines.withUnsafeBufferPointer { lines in
                    written(room: room + 1) { writer in
                        check(writer.verbatim(ByteSlice("x")))
                        check(writer.ready(lines.baseAddress!, count: count))
                        #expect(writer.count == count + 1)
                    }
                }
                #expect(
                    Array(text.utf8.dropFirst())
                        == Array(String(decoding: lines[..<count], as: UTF8.self).utf8))
            }
        }
    }

    /// What `head` writes; nil when it refuses.
    private func head(
        _ fields: [(String, String)], length: UInt64?, room: Int = 1_000
    ) -> String? {
        let lines = Array("Server: x\r\n".utf8)
        let padded = lines + [UInt8](repeating: 0, count: ResponseWriter.readyBytesMax)
        var isWritten = false
        let bytes = fields.map { (Array($0.0.utf8), Array($0.1.utf8)) }
        func slice(_ bytes: [UInt8]) -> ByteSlice {
            let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
            copy.initialize(from: bytes, count: bytes.count)
            return ByteSlice(UnsafePointer(copy), count: bytes.count)
        }
        let slices = bytes.map { HeaderField(name: slice($0.0), value: slice($0.1)) }
        defer {
            for field in slices {
                field.name.base?.deallocate()
                field.value.base?.deallocate()
            }
        }
        let text = padded.withUnsafeBufferPointer { padded in
            slices.withUnsafeBufferPointer { slices in
                written(room: room) {
                    isWritten = $0.head(
                        ready: padded.baseAddress!, count: lines.count, slices, length: length)
                }
            }
        }
        return isWritten ? text : nil
    }

    @Test func wholeHead_isWhatItsPartsAre() {
        let values = (0...40).map { String("abcdefghijklmnopqrstuvwxyz".cycled($0)) }
        for value in values {
            #expect(
                head([("Content-Type", value), ("X", value), ("content-type", value)], length: 7)
                    == "Server: x\r\nContent-Type: \(value)\r\nX: \(value)\r\n"
                    + "content-type: \(value)\r\nContent-Length: 7\r\n")
        }
        #expect(head([], length: nil) == "Server: x\r\n")
        for length in [0, 9, 10, 99, 100, 12_345] as [UInt64] {
            #expect(head([], length: length) == "Server: x\r\nContent-Length: \(length)\r\n")
        }
    }

    @Test(arguments: [
        ("Content-Type", "a\r\nSet-Cookie: x"), ("Content-Type", "0123456789abcde\n"),
        ("X", "a\nb"), ("X y", "z"), ("", "z"), ("Date", "z"), ("cONNECTION", "close"),
        ("Content-Length", "1"), ("transfer-encoding", "chunked"),
    ])
    func wholeHead_isRefused_forAFieldThatIsRefused(_ name: String, _ value: String) {
        #expect(head([(name, value)], length: 0) == nil)
        #expect(head([("A", "b"), (name, value)], length: nil) == nil)
    }

    @Test func wholeHead_isRefused_whenRoomIsShort() throws {
        let whole = try #require(head([("Content-Type", "text/plain")], length: 123))
        for room in 1..<whole.utf8.count {
            #expect(head([("Content-Type", "text/plain")], length: 123, room: room) == nil)
        }
        #expect(
            head([("Content-Type", "text/plain")], length: 123, room: whole.utf8.count) == whole)
    }

    @Test func readyLines_areRefused_whenThereIsNoRoom() {
        let lines = [UInt8](repeating: 0x61, count: ResponseWriter.readyBytesMax)
        lines.withUnsafeBufferPointer { lines in
            let text = written(room: 10) { check(!$0.ready(lines.baseAddress!, count: 11)) }
            #expect(text.isEmpty)
        }
    }
}

extension String {
    /// The characters over and over, `length` of them.
    fileprivate func cycled(_ length: Int) -> String {
        let characters = Array(self)
        return String((0..<length).map { characters[$0 % characters.count] })
    }
}
