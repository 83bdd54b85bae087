/// Why a plugin could not begin: what happened, to which thing, for which reasons, and the cure.
///
/// - Shape: the host prints it as
///   ```
///   notes cannot be kept (/srv/notes.db)
///     why: the file is not a database
///     fix: restore it from a backup, or remove it
///   ```
public struct PluginError: Error, Sendable {
    /// What kind of failure it is; stable, for programs.
    public enum Code: UInt8, Sendable {
        /// The plugin's own reasons.
        case failed
        /// The host does not offer, or did not grant, what the plugin cannot do without.
        case serviceMissing
        /// Tasks of the plugin did not end before the deadline.
        case tasksStillRunning
    }

    /// The kind of failure.
    public var code: Code
    /// What happened, in a few words.
    public var what: String
    /// The thing it happened to; empty when there is none.
    public var subject: String
    /// Every reason that was found.
    public var reasons: [String]
    /// What the operator can do about it; empty when nothing is known.
    public var remedy: String

    /// Makes an error from its parts.
    public init(
        _ what: String, subject: String = "", reasons: [String] = [], remedy: String = "",
        code: Code = .failed
    ) {
        self.code = code
        self.what = what
        self.subject = subject
        self.reasons = reasons
        self.remedy = remedy
    }

    var message: String {
        var text = what
        if !subject.utf8.isEmpty { text += " (" + subject + ")" }
        for reason in reasons { text += "\n  why: " + reason }
        if !remedy.utf8.isEmpty { text += "\n  fix: " + remedy }
        return text
    }
}

#if !hasFeature(Embedded)
    extension PluginError: CustomStringConvertible {
        public var description: String { message }
    }
#endif
