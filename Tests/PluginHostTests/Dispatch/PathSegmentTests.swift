import Foundation
import Testing

@testable import PluginHost

@Suite struct PathSegmentTests {
    /// Reads the segment of `path` from `start`, which has nothing readable behind it.
    private func segment(_ path: String, from start: Int) -> (count: Int, key: SegmentKey) {
        let bytes = Array(path.utf8)
        let room = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
        defer { room.deallocate() }
        room.initialize(from: bytes, count: bytes.count)
        let segment = PathSegment(room + start, pathEnd: room + bytes.count)
        return (segment.end - segment.start, segment.key)
    }

    @Test(arguments: 0...40)
    func segment_endsAtTheSlashOrTheEnd_whateverItsLength(length: Int) {
        let text = String(repeating: "s", count: length)
        for tail in ["", "/", "/t", "/tttttttttt", "//"] {
            let found = segment("/plugin/" + text + tail, from: 8)
            #expect(found.count == length, "before \(tail)")
            #expect(found.key == SegmentKey(text), "before \(tail)")
        }
    }

    @Test func bytesBesideASlash_areNotTakenForOne() {
        for byte in ["\u{2E}", "\u{30}", "\u{0}", "\u{7F}", "é", "\u{1}"] {
            let text = "a" + byte + "b"
            #expect(segment("/plugin/" + text + "/x", from: 8).key == SegmentKey(text))
            #expect(segment("/plugin/" + byte, from: 8).key == SegmentKey(byte))
        }
    }

    @Test func keys_tellTextsOfUpTo16BytesApart() {
        var keys: Set<String> = []
        for length in 0...16 {
            for position in 0..<max(1, length) {
                var text = Array(repeating: UInt8(ascii: "a"), count: length)
                if length > 0 { text[position] = UInt8(ascii: "b") }
                let key = SegmentKey(String(decoding: text, as: UTF8.self))
                keys.insert("\(key.head) \(key.tail) \(key.count)")
            }
        }
        #expect(keys.count == 1 + (1...16).reduce(0, +))
    }

    @Test(arguments: ["scale-%04d", "p%04d", "%04d-notes", "a-long-name-of-a-plugin-%04d"])
    func keys_areSpreadEvenly_whereverTheNamesDiffer(_ format: String) {
        let slots = 2_048
        var used = [Int](repeating: 0, count: slots)
        for number in 0..<1_000 {
            let key = SegmentKey(String(format: format, number))
            used[key.hash(0) & (slots - 1)] += 1
        }
        // Numbers drawn at random would fill about 790 places, and none of them six times.
        #expect(used.count { $0 > 0 } > 700)
        #expect((used.max() ?? 0) < 8)
    }
}
