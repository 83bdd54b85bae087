extension Manifest {
    /// What the host may try with the plugin, in a process of its own, before it enters.
    public struct Proof: Hashable, Sendable {
        /// Whether it is initialized, started and stopped there, with empty directories.
        public var starts = true
        /// Whether each GET route without parameters is sent a request there.
        public var requests = false

        public init() {}
    }
}

/// Reads `proof`: how far a plugin may be tried before it enters.
extension ManifestReader {
    /// - Shape: `{"start"?: true|false, "requests"?: true|false}`.
    mutating func proof(_ value: JSONValue?) -> Manifest.Proof {
        var proof = Manifest.Proof()
        guard let value, let object = object(value, at: "/proof", keys: ["start", "requests"])
        else { return proof }
        proof.starts = truth(object["start"], at: "/proof/start") ?? proof.starts
        proof.requests = truth(object["requests"], at: "/proof/requests") ?? proof.requests
        if proof.requests && !proof.starts {
            refuse(
                "/proof/requests", "only a plugin that is started answers requests",
                "leave \"start\" out, or set it to true")
        }
        return proof
    }

    private mutating func truth(_ value: JSONValue?, at path: String) -> Bool? {
        guard let value else { return nil }
        if value.bool == nil { refuse(path, "this is \(value.kind)", "write true or false") }
        return value.bool
    }
}
