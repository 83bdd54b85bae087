import FuzzSupport
import HTTPWire
import Testing

/// Paths and ranges against plain models of them.
@Suite struct PathFuzzTests {
    private static let paths = [
        "/", "/a/b", "/a/../b", "/a/./b/", "//a", "/%41%2f%2e", "/a%20b/%C3%A9", "/..a/.b/...",
        "/a/b/c/../../d", "/%2e%2e", "/a%2F..%2Fb/..",
    ]
    private static let words = [
        "/", "//", ".", "..", "/../", "/./", "%2e", "%2E%2e", "%2F", "%00", "%", "%4", "%zz", "%25",
        "%C3%A9", "%C0%AF", "%FF", "é", "a", "\\",
    ]

    /// The normal form by splitting at slashes, or `nil` where there is none.
    private func model(_ bytes: [UInt8]) -> [UInt8]? {
        guard bytes.first == UInt8(ascii: "/") else { return nil }
        var names: [[UInt8]] = []
        var endsInSlash = true
        for part in bytes.dropFirst().split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        {
            guard let name = decoded(Array(part)) else { return nil }
            endsInSlash = true
            switch name {
            case [], [0x2E]: break
            case [0x2E, 0x2E]: if names.popLast() == nil { return nil }
            default:
                names.append(name)
                endsInSlash = false
            }
        }
        var path: [UInt8] = []
        for name in names { path += [UInt8(ascii: "/")] + name }
        if endsInSlash { path.append(UInt8(ascii: "/")) }
        return String(validating: path, as: UTF8.self) == nil ? nil : path
    }

    private func decoded(_ part: [UInt8]) -> [UInt8]? {
        var name: [UInt8] = []
        var at = 0
        while at < part.count {
            guard part[at] == UInt8(ascii: "%") else {
                name.append(part[at])
                at += 1
                continue
            }
            let digits = String(decoding: part[(at + 1)...].prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, digits.utf8.allSatisfy({ Self.isHex($0) }),
                let byte = UInt8(digits, radix: 16), byte != 0
            else { return nil }
            name += byte == UInt8(ascii: "/") ? Array("%2F".utf8) : [byte]
            at += 3
        }
        return name
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
            || UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte | 0x20
    }

    private func normalize(_ bytes: [UInt8]) -> [UInt8]? {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { room.deallocate() }
        return bytes.withUnsafeBytes { bytes in
            guard let length = try? PathNormalizer.normalize(ByteSlice(bytes), into: room) else {
                return nil
            }
            return Array(room[..<length])
        }
    }

    private func firstFinding(
        _ plan: FuzzPlan, _ normalize: ([UInt8]) -> [UInt8]?
    ) -> (finding: String?, accepted: Int) {
        let corpus = Self.paths.map { Array($0.utf8) }
        var mutator = ByteMutator(seed: plan.seed, corpus: corpus, words: Self.words)
        var accepted = 0
        var round = 0
        while plan.includes(round) {
            let bytes = mutator.next()
            let normal = normalize(bytes)
            if normal != model(bytes) {
                let text = bytes.withUnsafeBytes { "\(ByteSlice($0))" }
                return ("seed \(plan.seed), round \(round), path \"\(text)\"", accepted)
            }
            accepted += normal == nil ? 0 : 1
            round += 1
        }
        return (nil, accepted)
    }

    @Test func normalForm_isThatOfTheModel() {
        let plan = FuzzPlan(smokeRounds: 20_000, seed: 0x9A74)
        let (finding, accepted) = firstFinding(plan, normalize)
        #expect(finding == nil)
        #expect(accepted >= 5_000)
    }

    /// A normaliser that decodes twice.
    @Test func canary_isCaught() {
        let plan = FuzzPlan(smokeRounds: 20_000, seed: 0x9A75)
        #expect(firstFinding(plan) { normalize($0).flatMap(normalize) }.finding != nil)
    }

    /// Ranges by splitting texts and counting in 128 bits.
    private func rangesModel(_ text: String, _ size: UInt64) -> [ClosedRange<UInt64>]? {
        guard text.lowercased().hasPrefix("bytes=") else { return nil }
        var ranges: [ClosedRange<UInt64>] = []
        var isAny = false
        for part in text.dropFirst(6).split(separator: ",") {
            let element = String(part.drop { $0.isBlank }.reversed().drop { $0.isBlank }.reversed())
            if element.isEmpty { continue }
            isAny = true
            let ends = element.split(separator: "-", omittingEmptySubsequences: false)
            guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy { 48...57 ~= $0 } }),
                !(ends[0].isEmpty && ends[1].isEmpty)
            else { return nil }
            func number(_ digits: Substring) -> UInt128 { UInt128(digits) ?? .max }
            if ends[0].isEmpty {
                let count = min(number(ends[1]), UInt128(size))
                if number(ends[1]) > 0, size == 0 { return nil }
                if count > 0 { ranges.append((size - UInt64(count))...(size - 1)) }
            } else {
                let first = number(ends[0])
                let last = ends[1].isEmpty ? UInt128.max : number(ends[1])
                guard min(last, UInt128(UInt64.max)) >= min(first, UInt128(UInt64.max)) else {
                    return nil
                }
                if first < size {
                    ranges.append(UInt64(first)...UInt64(min(last, UInt128(size) - 1)))
                }
            }
        }
        let total = ranges.reduce(UInt128(0)) { $0 + UInt128($1.upperBound - $1.lowerBound) + 1 }
        return isAny && ranges.count <= 4 && total <= size ? ranges : nil
    }

    @Test func ranges_areThoseOfTheModel() {
        let plan = FuzzPlan(smokeRounds: 20_000, seed: 0x4A6E)
        let corpus = [
            "bytes=0-1", "bytes=-5", "bytes=7-", "Bytes=0-0, 2-3 ,-1", "bytes=99-100,0-9",
        ]
        let words = [
            "-", ",", "=", " ", "\t", "0", "9", "18446744073709551615", "18446744073709551616",
            "--",
            "bytes=", ", ,", "1-2", "\"", "a",
        ]
        var mutator = ByteMutator(
            seed: plan.seed, corpus: corpus.map { Array($0.utf8) }, words: words)
        let buffer = UnsafeMutableBufferPointer<ByteRange>.allocate(capacity: 4)
        defer { buffer.deallocate() }
        buffer.initialize(repeating: ByteRange(first: 0, last: 0))
        var satisfied = 0
        var round = 0
        while plan.includes(round) {
            defer { round += 1 }
            let bytes = mutator.next()
            // Quotes hide commas, which no range needs; and what is no text has no model.
            guard let text = String(validating: bytes, as: UTF8.self), !text.contains("\""),
                !text.contains("\\"), text.unicodeScalars.allSatisfy(\.isASCII)
            else { continue }
            for size: UInt64 in [0, 1, 10, .max] {
                let outcome = bytes.withUnsafeBytes {
                    RangeHeader.parse(ByteSlice($0), size: size, into: buffer)
                }
                let found: [ClosedRange<UInt64>]? =
                    switch outcome {
                    case .ignored: nil
                    case .unsatisfiable: []
                    case .satisfiable(let count): buffer[..<count].map { $0.first...$0.last }
                    }
                satisfied += found?.isEmpty == false ? 1 : 0
                guard found != rangesModel(text, size) else { continue }
                Issue.record("seed \(plan.seed), round \(round), size \(size), \"\(text)\"")
                return
            }
        }
        #expect(satisfied >= 1_000)
    }
}

extension Character {
    fileprivate var isBlank: Bool { self == " " || self == "\t" }
}
