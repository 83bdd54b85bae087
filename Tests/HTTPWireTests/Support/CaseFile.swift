import CaseSupport
import Glibc
import HTTPWire

/// One case of the text files in `Cases`: bytes, and what must come of them.
struct TextCase: CustomStringConvertible, Sendable {
    /// What must come out, and facts about it as key and value.
    struct Expectation: Sendable {
        var outcome: String
        var facts: [(key: String, value: String)] = []
    }

    var file: String
    var line: Int
    var name: String
    var bytes: [UInt8] = []
    var expectations: [Expectation] = []

    var description: String { "\(file):\(line) \(name)" }

    /// All cases of all files, in the order of their names.
    static let all: [TextCase] = [
        "accepted", "connection", "fields", "framing", "line-ends", "request-line", "smuggling",
    ].flatMap(read)

    /// The cases of one file.
    static func read(_ name: String) -> [TextCase] {
        let folder = "\(#filePath)".split(separator: "/").dropLast(2).joined(separator: "/")
        return parse(file: name + ".txt", text: contents("/\(folder)/Cases/\(name).txt"))
    }

    private static func parse(file: String, text: String) -> [TextCase] {
        var cases: [TextCase] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated()
        {
            if line.hasPrefix("## ") {
                cases.append(
                    TextCase(file: file, line: index + 1, name: String(line.dropFirst(3))))
            } else if line.isEmpty || line.hasPrefix("#") || cases.isEmpty {
                continue
            } else if line.hasPrefix("=> ") {
                cases[cases.count - 1].expectations.append(
                    Expectation(outcome: String(line.dropFirst(3))))
            } else if cases[cases.count - 1].expectations.isEmpty {
                cases[cases.count - 1].bytes += unescaped(line)
            } else {
                let words = line.drop { $0 == " " }.split(separator: " ", maxSplits: 1)
                let last = cases[cases.count - 1].expectations.count - 1
                cases[cases.count - 1].expectations[last].facts.append(
                    (String(words[0]), words.count > 1 ? String(words[1]) : ""))
            }
        }
        return cases
    }

    private static func contents(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&block, 1, block.count, file), count > 0 {
            bytes += block[0..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
