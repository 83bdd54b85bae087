import Foundation
import Testing

/// The README says nothing that does not work: its commands are run, its code is compiled.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct ReadmeTests {
    /// One `$ ` line of a console block, and the lines that follow it.
    struct Step: CustomTestStringConvertible, Sendable {
        let command: String
        let output: [String]

        var testDescription: String { command }
    }

    /// A fenced block of the README: its language, and the file that it is, if it says so.
    struct Block {
        let language: String
        let file: String?
        var lines: [String] = []
    }

    static func blocks(of text: String) -> [Block] {
        var blocks: [Block] = []
        var isOpen = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line.hasPrefix("```") {
                let words = line.dropFirst(3).split(separator: " ").map(String.init)
                if !isOpen {
                    blocks.append(
                        Block(language: words.first ?? "", file: words.dropFirst().first))
                }
                isOpen.toggle()
            } else if isOpen {
                blocks[blocks.count - 1].lines.append(line)
            }
        }
        return blocks
    }

    static func steps(of block: Block) -> [Step] {
        var steps: [(String, [String])] = []
        for line in block.lines {
            if line.hasPrefix("$ ") {
                steps.append((String(line.dropFirst(2)), []))
            } else if !steps.isEmpty {
                steps[steps.count - 1].1.append(line)
            }
        }
        return steps.map { Step(command: $0.0, output: $0.1) }
    }

    static func readme() throws -> String {
        try String(contentsOfFile: "\(Repository.path)/README.md", encoding: .utf8)
    }

    /// Whether a line is as the README shows it, where `...` stands for anything and digits for any
    /// others.
    static func matches(_ line: String, _ shown: String) -> Bool {
        let parts = shown.components(separatedBy: "...").map { part in
            NSRegularExpression.escapedPattern(for: part)
                .replacing(#/[0-9a-f]{64}|[0-9]+| +/#) { match in
                    switch match.output {
                    case let text where text.hasPrefix(" "): " +"
                    case let text where text.count == 64: "[0-9a-f]{64}"
                    default: "[0-9]+"
                    }
                }
        }
        let pattern = "^\(parts.joined(separator: ".*")) *$"
        return line.range(of: pattern, options: .regularExpression) != nil
    }

    @Test func comparison_ignoresNumbersAndElisions_andNothingElse() {
        #expect(Self.matches("took 17 ms", "took 4 ms"))
        #expect(Self.matches("listening on http://127.0.0.1:8080", "listening on ..."))
        #expect(!Self.matches("took 17 s", "took 4 ms"))
        #expect(!Self.matches("ok, but", "ok"))
    }

    /// Runs the console blocks in their order, in one directory that looks like the checkout and
    /// holds the files that the README shows. The commands of `make` are left to the run that runs
    /// this test, and the server is one of the test's own.
    @Test func everyCommand_printsWhatTheReadmeShows() throws {
        let root = try Root()
        let host = try HostProcess(root)
        let files = try TemporaryDirectory()
        let manager = FileManager.default
        try manager.createDirectory(atPath: files("checkout"), withIntermediateDirectories: true)
        for name in try manager.contentsOfDirectory(atPath: Repository.path) {
            try manager.createSymbolicLink(
                atPath: files("checkout/\(name)"),
                withDestinationPath: "\(Repository.path)/\(name)")
        }
        try manager.createDirectory(atPath: files("bin"), withIntermediateDirectories: true)
        try manager.createSymbolicLink(
            atPath: files("bin/host"), withDestinationPath: HostProcess.binary)
        let blocks = try Self.blocks(of: Self.readme())
        for block in blocks {
            guard let file = block.file else { continue }
            try files.write("checkout/\(file)", block.lines.joined(separator: "\n") + "\n")
        }
        let environment = [
            "PLUGIN_HOST_ROOT": root.path,
            "PATH": "\(files("bin")):/usr/local/bin:/usr/bin:/bin",
        ]
        for name in SampleTests.all {
            try root.must("install", #require(Repository.sampleBundle(name)))
        }
        let steps = blocks.filter { $0.language == "console" }.flatMap(Self.steps)
        #expect(steps.count > 5)
        for step in steps where !step.command.hasPrefix("make ") {
            let line = step.command.replacingOccurrences(
                of: "127.0.0.1:8080", with: "127.0.0.1:\(host.port)")
            let command = try Command.run(
                ["/bin/bash", "-c", line], environment: environment,
                directory: files("checkout"))
            let printed = (command.output + command.errors)
                .replacingOccurrences(of: "127.0.0.1:\(host.port)", with: "127.0.0.1:8080")
                .split(whereSeparator: \.isNewline).map(String.init)
            for shown in step.output where shown != "..." && !shown.isEmpty {
                #expect(
                    printed.contains { Self.matches($0, shown) },
                    "\(line)\nprints\n\(printed.joined(separator: "\n"))\nand not\n\(shown)")
            }
        }
    }

    @Test func everyMakeCommand_isATargetOfTheMakefile() throws {
        let makefile = try String(contentsOfFile: "\(Repository.path)/Makefile", encoding: .utf8)
        let targets = try Self.readme().matches(of: #/(?:`|\$ )make ([a-z]+)/#).map { String($0.1) }
        #expect(!targets.isEmpty)
        for target in targets {
            #expect(
                makefile.contains("\n\(target):"), "make \(target) is not in the Makefile")
        }
    }
}
