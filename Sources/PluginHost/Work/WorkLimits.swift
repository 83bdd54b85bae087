package import HostModel

/// How much of the host one generation of a plugin may take up, and for how long.
package struct WorkLimits: Sendable {
    /// The most threads of the plugin's pool.
    package var poolThreadsMax = 64
    /// The most requests that wait for one of them.
    package var poolQueueMax = 1_024
    /// The most requests that it is handed and has not completed; 0: any number.
    package var concurrencyMax = 0
    /// How long a response may take to begin; 0: as long as it likes.
    package var requestSeconds = 60

    package init() {}

    /// The same, with what the manifest says instead.
    package func changed(by limits: Manifest.Limits) -> WorkLimits {
        var changed = self
        changed.poolThreadsMax = limits.poolThreadsMax ?? poolThreadsMax
        changed.poolQueueMax = limits.poolQueueMax ?? poolQueueMax
        changed.concurrencyMax = limits.concurrencyMax ?? concurrencyMax
        changed.requestSeconds = limits.requestSeconds ?? requestSeconds
        return changed
    }
}
