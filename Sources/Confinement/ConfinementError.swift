import Glibc

/// Why a process could not be confined as it was to be.
///
/// It is confined in part then, and must not run what it was confined for.
public struct ConfinementError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was not done.
    public let what: String
    /// The path or the mechanism that it was not done to.
    public let subject: String
    /// The system's error number.
    public let errno: Int32

    init(_ what: String, _ subject: String, _ result: Int32) {
        self.what = what
        self.subject = subject
        errno = -result
    }

    /// The system's reason, in words.
    public var reason: String { Self.text(ofErrno: errno) }
    /// What to do about it.
    public var remedy: String {
        errno == ENOENT
            ? "make it before the process begins, or leave it out"
            : "see what keeps this process from giving up rights (a container, a security module)"
    }

    /// What, why, and what to do, on three lines.
    public var description: String {
        "error: \(what) (\(subject))\n  why: \(reason)\n  fix: \(remedy)"
    }

    static func text(ofErrno number: Int32) -> String {
        unsafe String(cString: strerror(number))
    }
}
