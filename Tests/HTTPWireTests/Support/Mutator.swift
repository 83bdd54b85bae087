/// Makes odd requests out of good ones; what it makes follows from its seed.
struct Mutator {
    private var random: SplitMix
    private let corpus: [[UInt8]]

    private static let words: [String] = [
        "\r\n", "\n", "\r", "\0", " ", "\t", ":", ",", ";", "%", "#", "?", "/", "//", "/../", "*",
        "\r\n\r\n", "\r\n ", "\u{7F}", "0", "5", "-1", "0\r\n\r\n", "1\r\nx\r\n", "GET ", "POST ",
        "CONNECT ", "OPTIONS ", " HTTP/1.0", " HTTP/1.1", " HTTP/2.0", "http://a", "@",
        "Host: a\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n", "Expect: 100-continue\r\n", "chunked", "gzip, ", ";a=\"b\"",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "aaaaaaaaaaaaaaaa",
    ]

    private static let lines: [String] = [
        "Host: a\r\n", "Content-Length: 0\r\n", "Content-Length: 3\r\n", "X:\r\n",
        "Transfer-Encoding: chunked\r\n", "Connection: keep-alive\r\n", "A: \t b \t\r\n",
        "Connection: x, close\r\n", "Upgrade: y\r\n", "Connection: upgrade\r\n", "\r\n",
        "Expect: 100-continue\r\n", "Long-Name-Of-A-Field: with, a; long=\"value\" as well\r\n",
    ]

    init(seed: UInt64, corpus: [[UInt8]]) {
        random = SplitMix(seed: seed)
        self.corpus = corpus
    }

    /// A request out of the corpus with one to three changes.
    mutating func next() -> [UInt8] {
        var bytes = pick()
        for _ in 0..<Int.random(in: 1...3, using: &random) { change(&bytes) }
        return bytes
    }

    /// Ascending places at which to cut that many bytes, at least one if there is room.
    mutating func cuts(_ count: Int) -> [Int] {
        guard count > 1 else { return [] }
        let number = Int.random(in: 1...3, using: &random)
        let places = (0..<number).map { _ in Int.random(in: 1..<count, using: &random) }
        return Set(places).sorted()
    }

    private mutating func pick() -> [UInt8] {
        corpus.randomElement(using: &random) ?? []
    }

    private mutating func place(_ bytes: [UInt8]) -> Int {
        Int.random(in: 0...bytes.count, using: &random)
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        let low = place(bytes)
        let high = min(bytes.count, low + Int.random(in: 1...24, using: &random))
        switch Int.random(in: 0..<12, using: &random) {
        case 0 where low < bytes.count: bytes[low] = UInt8.random(in: 0...255, using: &random)
        case 1 where low < bytes.count: bytes[low] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: bytes.removeSubrange(low..<high)
        case 3: bytes.insert(contentsOf: bytes[low..<high], at: place(bytes))
        case 4:
            let other = pick()
            bytes = Array(bytes[0..<low]) + other[min(low, other.count)...]
        case 5: bytes.removeLast(bytes.count - low)
        case 6, 7:
            // A whole field at the start of a line: what the grammar allows and the rules may not.
            let starts = bytes.indices.filter { $0 > 0 && bytes[$0 - 1] == 0x0A }
            let line = Self.lines.randomElement(using: &random) ?? ""
            bytes.insert(contentsOf: line.utf8, at: starts.randomElement(using: &random) ?? low)
        case 8...9 where low < bytes.count:
            let isLetter = bytes[low] | 0x20 >= 0x61 && bytes[low] | 0x20 <= 0x7A
            bytes[low] = isLetter ? bytes[low] ^ 0x20 : UInt8(ascii: "7")
        default:
            let word = Self.words.randomElement(using: &random) ?? ""
            bytes.insert(contentsOf: word.utf8, at: low)
        }
    }
}
