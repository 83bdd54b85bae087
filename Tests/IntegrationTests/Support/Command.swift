import Foundation

/// A command that has run to its end.
struct Command: CustomStringConvertible {
    struct TookTooLong: Error, CustomStringConvertible {
        let description: String
    }

    /// What a command that had to succeed came to instead.
    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    let line: [String]
    /// The exit status; 128 and the number of the signal, as a shell counts, when one ended it.
    let status: Int32
    let output: String
    let errors: String

    var description: String {
        "\(line.joined(separator: " "))\nexit status \(status)\n\(output)\(errors)"
    }

    /// Runs a command, whatever it comes to.
    static func run(
        _ line: [String], environment: [String: String] = [:], directory: String? = nil,
        within seconds: Double = 120
    ) throws -> Command {
        let process = try ChildProcess(line, environment: environment, directory: directory)
        guard let end = process.waitForOutput(within: seconds) else {
            process.kill()
            throw TookTooLong(
                description: "\(line) did not end within \(seconds) s: \(process.standardError)")
        }
        let status: Int32 =
            switch end {
            case .exited(let status): status
            case .signalled(let signal): 128 + signal
            }
        return Command(
            line: line, status: status, output: process.standardOutput,
            errors: process.standardError)
    }

    /// Runs a command that must succeed.
    @discardableResult
    static func succeed(
        _ line: [String], environment: [String: String] = [:], directory: String? = nil,
        within seconds: Double = 120
    ) throws -> Command {
        let command = try run(
            line, environment: environment, directory: directory, within: seconds)
        guard command.status == 0 else { throw Failed(description: command.description) }
        return command
    }

    /// Runs a line of shell.
    static func shell(
        _ script: String, environment: [String: String] = [:], directory: String? = nil,
        within seconds: Double = 120
    ) throws -> Command {
        try run(
            ["/bin/bash", "-euo", "pipefail", "-c", script], environment: environment,
            directory: directory, within: seconds)
    }
}
