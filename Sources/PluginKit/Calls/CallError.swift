import CPluginABI

/// Why a call to another plugin brought no reply.
///
/// A method throws it to refuse a call, with words and a number for its caller:
///
/// ```swift
/// throw CallError.refused("there is no document of that name", code: 404)
/// ```
public struct CallError: Error, Sendable {
    /// What kind of failure it is.
    public enum Kind: Int32, Sendable {
        /// Nobody who serves now provides what was asked for.
        case noProvider = -64
        /// What was bound is gone for good.
        case stale = -65
        /// The provider has no method of that name.
        case noMethod = -66
        /// The provider said no.
        case refused = -67
        /// The deadline has passed.
        case timedOut = -68
        /// The task was cancelled, or the plugin stops.
        case cancelled = -69
        /// The provider was unloaded before it had answered.
        case gone = -70
        /// Too many calls are within each other.
        case tooDeep = -71
        /// The call would wait for itself.
        case cycle = -72
        /// The provider has as many calls as it can take.
        case busy = -73
        /// The call would have to wait, on an event loop.
        case wrongThread = -74
        /// The method returned without a reply.
        case noReply = -75
        /// The manifest does not ask for `.rpc`, or it was not granted.
        case notGranted = 1
        /// Something else; the message may tell.
        case failed = 0
    }

    /// The kind of failure.
    public var kind: Kind
    /// The number that a provider refused with; else 0.
    public var code: Int32
    /// What happened, in words.
    public var message: String

    /// Makes an error from its parts.
    public init(_ kind: Kind, _ message: String, code: Int32 = 0) {
        self.kind = kind
        self.code = code
        self.message = message
    }

    /// What a method throws to say no.
    public static func refused(_ message: String, code: Int32 = 0) -> CallError {
        CallError(.refused, message, code: code)
    }

    init(status: ph_status, code: Int32, words: String) {
        let kind = Kind(rawValue: status) ?? .failed
        self.init(kind, words.utf8.isEmpty ? Self.words(for: kind) : words, code: code)
    }

    /// What the host says of calls that were not taken on.
    private static func words(for kind: Kind) -> String {
        switch kind {
        case .noProvider: "nobody provides what the call asks for"
        case .noMethod: "the provider has no method of that name"
        case .tooDeep: "too many calls are within each other"
        case .busy: "the provider has as many calls as it can take"
        default: "the call failed"
        }
    }
}

#if !hasFeature(Embedded)
    extension CallError: CustomStringConvertible {
        public var description: String { message }
    }
#endif
