internal import Glibc

/// How many files and sockets the process may have open.
enum DescriptorLimit {
    /// Raises the limit to the highest that the process may choose.
    ///
    /// The usual 1,024 is meant for programs that use `select`, and would be the number of clients.
    static func raise() {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return
        }
        limit.rlim_cur = min(limit.rlim_max, descriptorsMax)
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// More than any kernel allows by default.
    private static let descriptorsMax: rlim_t = 1 << 20
}
