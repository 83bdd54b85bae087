/// How a plugin is.
public enum Health: Sendable, Equatable {
    /// It does its work.
    case ok
    /// It does part of its work; the text says which part is missing.
    case degraded(String)
    /// It cannot work; a plugin that says so right after `start` is refused.
    case unhealthy(String)
}

extension Health {
    /// Whether both say the same, byte by byte: to compare text as Unicode does would bring its
    /// tables into every plugin in Embedded Swift.
    public static func == (left: Health, right: Health) -> Bool {
        switch (left, right) {
        case (.ok, .ok): true
        case (.degraded(let left), .degraded(let right)),
            (.unhealthy(let left), .unhealthy(let right)):
            left.utf8.elementsEqual(right.utf8)
        default: false
        }
    }
}
