import Foundation

/// One rule of the house that can be checked by reading a file.
struct Rule: Sendable {
    /// What is wrong, and where.
    struct Finding: Equatable, CustomStringConvertible {
        let path: String
        /// Counted from 1; 0: the file as a whole.
        let line: Int
        let what: String

        var description: String { "\(path):\(line): \(what)" }
    }

    let applies: @Sendable (TextFile) -> Bool
    /// What is wrong in a file: line numbers, counted from 1, and why.
    let check: @Sendable (TextFile) -> [(Int, String)]

    func findings(in file: TextFile) -> [Finding] {
        guard applies(file) else { return [] }
        return check(file).map { Finding(path: file.path, line: $0.0, what: $0.1) }
    }

    func findings(in files: [TextFile]) -> [Finding] {
        files.flatMap { findings(in: $0) }
    }

    /// A rule about each line by itself: returns what is wrong with it, or nil.
    static func lines(
        applies: @escaping @Sendable (TextFile) -> Bool,
        check: @escaping @Sendable (String) -> String?
    ) -> Rule {
        Rule(applies: applies) { file in
            file.lines.enumerated().compactMap { index, line in
                check(line).map { (index + 1, $0) }
            }
        }
    }

    /// A rule that some texts do not occur.
    static func without(
        _ words: [String], in applies: @escaping @Sendable (TextFile) -> Bool
    ) -> Rule {
        lines(applies: applies) { line in
            words.first { line.contains($0) }.map { "\"\($0)\" is not used here" }
        }
    }
}

extension TextFile {
    var isSwift: Bool { kind == "swift" }
    /// Written by people in a programming language.
    var isCode: Bool {
        ["swift", "c", "h", "cpp", "hpp", "rs", "py", "sh"].contains(kind) || name == "Makefile"
    }
    /// The rules themselves, and the bad examples that prove them.
    var isTidiness: Bool { isBelow("Tests/TidyTests") }
}
