extension ManifestReader {
    /// How a new generation is tried when nobody says otherwise.
    ///
    /// - Shape: `{"percent", "seconds"?, "errorsPercentMax"?, "marginPercent"?, "requestsMin"?}`.
    mutating func canary(_ value: JSONValue?) -> CanaryPolicy? {
        let keys = ["percent", "seconds", "errorsPercentMax", "marginPercent", "requestsMin"]
        guard let value, let object = object(value, at: "/canary", keys: keys),
            required(object, "percent", under: "/canary", cure: "add \"percent\": 10") != nil,
            let percent = integer(
                object, "percent", CanaryPolicy.percentRange, at: "/canary")
        else { return nil }
        var policy = CanaryPolicy(percent: percent)
        func read(
            _ key: String, _ range: ClosedRange<Int>, _ field: WritableKeyPath<CanaryPolicy, Int>
        ) {
            guard let number = integer(object, key, range, at: "/canary") else { return }
            policy[keyPath: field] = number
        }
        read("seconds", CanaryPolicy.secondsRange, \.seconds)
        read("errorsPercentMax", CanaryPolicy.errorsPercentRange, \.errorsPercentMax)
        read("marginPercent", CanaryPolicy.errorsPercentRange, \.marginPercent)
        read("requestsMin", CanaryPolicy.requestsRange, \.requestsMin)
        return policy
    }
}
