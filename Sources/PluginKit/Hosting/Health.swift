/// How a plugin is.
public enum Health: Sendable, Equatable {
    /// It does its work.
    case ok
    /// It does part of its work; the text says which part is missing.
    case degraded(String)
    /// It cannot work; a plugin that says so right after `start` is refused.
    case unhealthy(String)
}
