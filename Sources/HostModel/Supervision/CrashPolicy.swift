/// What becomes of a plugin that has brought the host's engine down.
public enum CrashPolicy: String, Sendable, CaseIterable {
    /// It does not serve until its library is another one, or an operator wants it all the same.
    case quarantine
    /// It serves again from a process of its own.
    case isolate
    /// It serves again, unless it has done so too often within a while.
    case restart

    /// How many crashes within how many seconds a plugin is forgiven.
    public static let forgiven = 2
    public static let withinSeconds: Int64 = 60
}
