import Foundation

/// A program that a test runs to its end.
enum Tool {
    struct Failure: Error, CustomStringConvertible {
        let command: String
        let output: String
        var description: String { "\(command)\n\(output)" }
    }

    /// Runs a command found in PATH, and returns what it printed; throws if it fails.
    @discardableResult
    static func run(_ command: [String], input: String? = nil) throws -> String {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardOutput = output
        process.standardError = output
        // A file, since writing to a pipe whose reader has ended would end this process as well.
        let source = NSTemporaryDirectory() + "input-\(UUID().uuidString)"
        try (input ?? "").write(toFile: source, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: source) }
        process.standardInput = FileHandle(forReadingAtPath: source)
        try process.run()
        let printed = String(
            decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0, process.terminationReason == .exit else {
            throw Failure(command: command.joined(separator: " "), output: printed)
        }
        return printed
    }
}

/// A compiler with the strictest warnings, all of them errors.
enum Compiler: String, CaseIterable {
    case gccC11, gccCxx17, clangC11, clangCxx17

    private var command: [String] {
        switch self {
        case .gccC11: ["gcc", "-x", "c", "-std=c11"] + strictC
        case .gccCxx17: ["g++", "-x", "c++", "-std=c++17"]
        case .clangC11: ["clang", "-x", "c", "-std=c11"] + strictC
        case .clangCxx17: ["clang++", "-x", "c++", "-std=c++17"]
        }
    }
    private var strictC: [String] { ["-Wstrict-prototypes", "-Wmissing-prototypes"] }

    /// Checks a source text without producing anything.
    func check(_ source: String, headers: String) throws {
        try Tool.run(
            command + [
                "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wundef",
                "-Werror", "-fsyntax-only", "-I", headers, "-",
            ], input: source)
    }
}
