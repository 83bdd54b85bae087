import Foundation
import Testing

/// The body of every sample's and fixture's `hello`.
let hello = #"{"message":"Hello, World!"}"#

/// Expects that a command was refused as the product says things: what, why and how to fix it.
func expectRefusal(
    _ command: Command, _ mentions: String..., sourceLocation: SourceLocation = #_sourceLocation
) {
    expectRefusal(command, mentions, sourceLocation: sourceLocation)
}

func expectRefusal(
    _ command: Command, _ mentions: [String], sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(command.status == 1, "\(command)", sourceLocation: sourceLocation)
    let lines = command.errors.split(separator: "\n")
    let shape = "\(command)\nis not said as error, why and fix"
    let starts = { (prefix: String) in lines.contains { $0.hasPrefix(prefix) } }
    #expect(lines.first?.hasPrefix("error: ") == true, "\(shape)", sourceLocation: sourceLocation)
    #expect(starts("  why: "), "\(shape)", sourceLocation: sourceLocation)
    #expect(starts("  fix: "), "\(shape)", sourceLocation: sourceLocation)
    for text in mentions {
        #expect(
            command.errors.contains(text), "\(command)\ndoes not mention \(text)",
            sourceLocation: sourceLocation)
    }
}

extension Fixtures {
    /// The code of a fixture that answers `hello` with another text of the same length.
    static func code(_ fixture: String, saying number: Int) throws -> Data {
        let code = try Data(contentsOf: URL(fileURLWithPath: library(fixture)))
        let changed = code.replacing("Hello, World!", with: saying(number))
        try #require(changed != code, "\(fixture) has no such text in its code")
        return changed
    }

    static func saying(_ number: Int) -> String {
        let digits = "\(number)"
        return "Hello, " + String(repeating: "0", count: 5 - digits.count) + digits + "!"
    }

    /// What `hello` answers after `code(_:saying:)` has been loaded.
    static func hello(saying number: Int) -> String { #"{"message":"\#(saying(number))"}"# }
}

extension HostProcess {
    /// The text that a plugin answers `hello` with, on a connection of its own.
    func hello(_ plugin: String) throws -> String {
        let response = try get("/plugin/\(plugin)/api/hello")
        return response.status == 200 ? response.text : "\(response.status) \(response.text)"
    }

    /// Waits until a plugin answers `hello` with a text.
    func waitForHello(_ plugin: String, _ text: String, within seconds: Double = 30) throws {
        var last = ""
        do {
            try eventually("hello", within: seconds) {
                last = try hello(plugin)
                return last == text
            }
        } catch is NeverHappened {
            throw NeverHappened(
                what: "\(plugin) says \(text); it says \(last)\n\(log)", seconds: seconds)
        }
    }
}
