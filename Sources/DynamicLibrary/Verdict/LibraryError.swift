/// What this room could not do with a file, an image or a child process.
public struct LibraryError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of failure, stable across releases.
    public enum Code: String, Sendable {
        case cannotOpen = "cannot_open"
        case cannotRead = "cannot_read"
        case notARegularFile = "not_a_regular_file"
        case cannotCopy = "cannot_copy"
        case changedWhileCopying = "changed_while_copying"
        case noSpace = "no_space"
        case notLoadable = "not_loadable"
        case alreadyLoaded = "already_loaded"
        case missingSymbol = "missing_symbol"
        case cannotSpawn = "cannot_spawn"
        case cannotShare = "cannot_share"
    }

    /// The kind of failure.
    public let code: Code
    /// What was not done.
    public let what: String
    /// The thing it was not done to, most often a path.
    public let subject: String
    /// Why, one sentence each.
    public let reasons: [String]
    /// What to do about it.
    public let remedy: String
    /// The system's error number, or 0.
    public let errno: Int32

    init(
        _ code: Code, _ what: String, subject: String, reasons: [String], remedy: String,
        errno: Int32 = 0
    ) {
        self.code = code
        self.what = what
        self.subject = subject
        self.reasons = reasons
        self.remedy = remedy
        self.errno = errno
    }

    /// The error as it is printed: what, why, and what to do.
    public var description: String {
        var text = "error: \(what) (\(subject))"
        for reason in reasons { text += "\n  why: \(reason)" }
        return text + "\n  fix: \(remedy)"
    }
}
