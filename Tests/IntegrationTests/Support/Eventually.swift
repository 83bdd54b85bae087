import Foundation
import Glibc

/// What a test waited for in vain.
struct NeverHappened: Error, CustomStringConvertible {
    let what: String
    let seconds: Double

    var description: String { "did not happen within \(seconds) s: \(what)" }
}

/// Waits until a condition that announces itself through no event has come true.
///
/// Use it for what only the kernel knows, such as a line in another process's maps; where there is
/// an event, wait for the event.
func eventually(
    _ what: String, within seconds: Double = 60, _ condition: () throws -> Bool
) throws {
    let deadline = Date().addingTimeInterval(seconds)
    while try !condition() {
        if Date() > deadline { throw NeverHappened(what: what, seconds: seconds) }
        _ = poll(nil, 0, 2)
    }
}

/// The same for a value: returns the first one that is not nil.
func eventually<Value>(
    _ what: String, within seconds: Double = 60, value: () throws -> Value?
) throws -> Value {
    var found: Value?
    try eventually(what, within: seconds) {
        found = try value()
        return found != nil
    }
    guard let found else { throw NeverHappened(what: what, seconds: seconds) }
    return found
}
