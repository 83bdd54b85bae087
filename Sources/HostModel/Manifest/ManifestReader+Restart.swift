extension ManifestReader {
    /// How often, and after which pauses, the plugin's processes are started again.
    ///
    /// - Shape: `{"restartsMax"?, "windowSeconds"?, "pauseMilliseconds"?,
    ///   "pauseMillisecondsMax"?}`.
    mutating func restart(_ value: JSONValue?) -> Manifest.Restart {
        var restart = Manifest.Restart()
        let keys = ["restartsMax", "windowSeconds", "pauseMilliseconds", "pauseMillisecondsMax"]
        guard let value, let object = object(value, at: "/restart", keys: keys) else {
            return restart
        }
        func read(_ key: String, _ range: ClosedRange<Int>) -> Int? {
            integer(object, key, range, at: "/restart")
        }
        restart.restartsMax = read("restartsMax", RestartPolicy.restartsRange)
        restart.windowSeconds = read("windowSeconds", RestartPolicy.windowSecondsRange)
        restart.pauseMilliseconds = read(
            "pauseMilliseconds", RestartPolicy.pauseMillisecondsRange)
        restart.pauseMillisecondsMax = read(
            "pauseMillisecondsMax", RestartPolicy.pauseMillisecondsRange)
        return restart
    }
}
