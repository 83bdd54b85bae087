/// Makes odd inputs out of good ones: flips, cuts, repeats, crosses, and puts in words that matter.
public struct ByteMutator: Sendable {
    private var random: FuzzRandom
    private let corpus: [[UInt8]]
    private let words: [[UInt8]]

    /// Makes a mutator of a corpus, with the words of its language.
    public init(seed: UInt64, corpus: [[UInt8]], words: [String]) {
        random = FuzzRandom(seed: seed)
        self.corpus = corpus
        self.words = words.map { Array($0.utf8) }
    }

    /// Returns an input out of the corpus with one to four changes.
    public mutating func next() -> [UInt8] {
        var bytes = pick()
        for _ in 0..<Int.random(in: 1...4, using: &random) { change(&bytes) }
        return bytes
    }

    /// Returns ascending places at which to cut that many bytes.
    public mutating func cuts(_ count: Int) -> [Int] {
        guard count > 1 else { return [] }
        let number = Int.random(in: 1...4, using: &random)
        let places = (0..<number).map { _ in Int.random(in: 1..<count, using: &random) }
        return Set(places).sorted()
    }

    private mutating func pick() -> [UInt8] { corpus.randomElement(using: &random) ?? [] }

    private mutating func change(_ bytes: inout [UInt8]) {
        let low = Int.random(in: 0...bytes.count, using: &random)
        let high = min(bytes.count, low + Int.random(in: 1...24, using: &random))
        switch Int.random(in: 0..<9, using: &random) {
        case 0 where low < bytes.count: bytes[low] = UInt8.random(in: 0...255, using: &random)
        case 1 where low < bytes.count: bytes[low] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: bytes.removeSubrange(low..<high)
        case 3:
            let place = Int.random(in: 0...bytes.count, using: &random)
            bytes.insert(contentsOf: bytes[low..<high], at: place)
        case 4:
            let other = pick()
            bytes = Array(bytes[..<low]) + other[min(low, other.count)...]
        case 5: bytes.removeSubrange(low...)
        default:
            bytes.insert(contentsOf: words.randomElement(using: &random) ?? [], at: low)
        }
    }
}
