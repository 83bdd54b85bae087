import Foundation
import HostModel
import Testing

@Suite struct VersionRangeTests {
    /// One range of the table.
    struct Case: CustomStringConvertible, Sendable {
        var range: String
        /// nil: it is refused.
        var canonical: String?
        var inside: [String] = []
        var outside: [String] = []

        var description: String { "\"\(range)\"" }
    }

    /// The table, read once.
    static let cases: [Case] = {
        let path = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Cases/version-ranges.txt")
        guard let text = try? String(contentsOf: path, encoding: .utf8) else { return [] }
        var cases: [Case] = []
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let words = line.split(separator: " ").map(String.init)
            if line.hasPrefix("refused ") {
                cases.append(Case(range: String(line.dropFirst(9).dropLast())))
            } else if line.hasPrefix("  in ") {
                cases[cases.count - 1].inside = Array(words.dropFirst())
            } else if line.hasPrefix("  out ") {
                cases[cases.count - 1].outside = Array(words.dropFirst())
            } else if let arrow = line.range(of: " => ") {
                cases.append(
                    Case(
                        range: String(line[..<arrow.lowerBound]),
                        canonical: String(line[arrow.upperBound...])))
            }
        }
        return cases
    }()

    @Test func theTable_isThere() {
        #expect(Self.cases.count >= 130)
        #expect(Self.cases.count { $0.canonical == nil } >= 35)
        for entry in Self.cases where entry.canonical != nil {
            #expect(!entry.inside.isEmpty || !entry.outside.isEmpty, "\(entry)")
        }
    }

    @Test(arguments: cases)
    func range_isWhatTheTableSays(_ entry: Case) throws {
        let range = VersionRange(entry.range)
        #expect(range?.canonical == entry.canonical)
        guard let range else { return }
        #expect(range.description == entry.range)
        for text in entry.inside {
            let version = try #require(SemanticVersion(text))
            #expect(range.contains(version), "\(text)")
        }
        for text in entry.outside {
            let version = try #require(SemanticVersion(text))
            #expect(!range.contains(version), "\(text)")
        }
        if range.canonical.utf8.count <= VersionRange.bytesMax {
            #expect(VersionRange(range.canonical)?.canonical == range.canonical)
        }
    }

    @Test func spaces_meanNothing_aroundAndBetween() {
        for text in ["", " ", "\t", "\n"] { #expect(VersionRange(text)?.canonical == "*") }
        #expect(VersionRange("  >=\t1.0.0 \n <2  ")?.canonical == ">=1.0.0 <2.0.0-0")
        #expect(VersionRange(" 1  -  2 ")?.canonical == ">=1.0.0 <3.0.0-0")
    }

    @Test func any_isEveryVersionButPrereleases() throws {
        #expect(VersionRange.any == VersionRange("*"))
        #expect(VersionRange.any.contains(try #require(SemanticVersion("0.0.0"))))
        #expect(!VersionRange.any.contains(try #require(SemanticVersion("1.0.0-rc"))))
    }

    @Test func range_isRefused_whenItIsTooLong() {
        let long = String(repeating: "1.0.0 || ", count: 28) + "1.0"
        #expect(long.utf8.count == 255 && VersionRange(long) != nil)
        #expect(VersionRange(long + ".0") == nil)
    }

    /// Texts of the characters that ranges are made of are read or refused, and what is read means
    /// the same when it is written in plain comparators.
    @Test func range_meansTheSame_inPlainComparators() throws {
        var random = SeededGenerator(seed: 20)
        let pieces = [
            "1", "0", "2.3", "1.2.3", "0.0.4", "x", "*", "v", "^", "~", ">", "<", "=", ">=", "<=",
            " ", " ", " - ", "||", ".", "-rc.1", "+b", "0.1", "99",
        ]
        let versions = try [
            "0.0.0", "0.0.4", "0.1.0", "1.0.0", "1.2.3-rc.1", "1.2.3", "1.9.9", "2.3.0-rc.1",
            "2.3.0", "2.4.0", "99.0.0", "100.0.0-0",
        ].map { try #require(SemanticVersion($0)) }
        var read = 0
        for _ in 0..<20_000 {
            let count = Int.random(in: 1...7, using: &random)
            let text = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }
                .joined()
            guard let range = VersionRange(text) else { continue }
            read += 1
            let plain = try #require(VersionRange(range.canonical), "\(text)")
            for version in versions {
                #expect(plain.contains(version) == range.contains(version), "\(text) \(version)")
            }
        }
        #expect(read > 1_000)
    }
}
