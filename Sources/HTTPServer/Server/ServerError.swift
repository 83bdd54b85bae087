import CLinux
import Glibc

/// Why a server cannot do what it was asked for.
public struct ServerError: Error, Sendable, Equatable {
    /// The kinds of failure; the names are stable.
    public enum Code: String, Sendable {
        case addressInvalid
        case listenFailed
        case descriptorInvalid
        case kernelRefused
        case directoryUnreadable
        case certificateInvalid
        case configurationInvalid
        case alreadyStarted
    }

    /// What kind of failure it is.
    public let code: Code
    /// The thing that it happened to.
    public let subject: String
    /// Why it happened.
    public let reasons: [String]
    /// What to do.
    public let remedy: String
    /// The kernel's reason, 0 when it was not asked.
    public let errno: Int32

    init(_ code: Code, subject: String, reason: String, remedy: String, errno: Int32 = 0) {
        self.code = code
        self.subject = subject
        self.reasons = [reason]
        self.remedy = remedy
        self.errno = errno
    }

    static func kernel(_ result: Int, doing act: String) -> ServerError {
        ServerError(
            .kernelRefused, subject: act, reason: text(ofErrno: Int32(-result)),
            remedy: "see the limits of this process (ulimit -n, memory)", errno: Int32(-result))
    }

    static func text(ofErrno code: Int32) -> String {
        unsafe String(cString: strerror(code))
    }
}

extension ServerError: CustomStringConvertible {
    /// What happened, why, and what to do, on three lines.
    public var description: String {
        let whys = reasons.map { "\n  why: \($0)" }.joined()
        return "error: \(headline), \(subject)\(whys)\n  fix: \(remedy)"
    }

    private var headline: String {
        switch code {
        case .addressInvalid: "not an address to listen on"
        case .listenFailed: "cannot listen"
        case .descriptorInvalid: "not a listening socket"
        case .kernelRefused: "the kernel refused"
        case .directoryUnreadable: "cannot serve files"
        case .certificateInvalid: "the certificate cannot be used"
        case .configurationInvalid: "the configuration contradicts itself"
        case .alreadyStarted: "the server has been started before"
        }
    }
}
