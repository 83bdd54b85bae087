extension Manifest {
    /// How the plugin is configured.
    public struct Configuration: Hashable, Sendable {
        /// The values that hold unless the operator says otherwise; they go before the schema's.
        public var defaults: JSONObject = [:]
        /// What the configuration may be; nil: anything.
        public var schema: ConfigurationSchema?
        /// Whether a change reloads the plugin; nil: unless it wants to be told of changes.
        public var reload: Bool?

        public init() {}

        /// Whether the plugin says anything about its configuration.
        public var isEmpty: Bool { defaults.count == 0 && schema == nil && reload == nil }

        /// What holds without the operator.
        public var layers: [ConfigurationLayer] {
            [
                ConfigurationLayer(.schema, schema?.defaults?.object ?? [:]),
                ConfigurationLayer(.manifest, defaults),
            ]
        }
    }
}

/// Reads `configuration`: what the operator can set, and what holds if nothing is.
extension ManifestReader {
    mutating func configuration(_ value: JSONValue?) -> Manifest.Configuration {
        var result = Manifest.Configuration()
        let path = "/configuration"
        let keys = ["defaults", "schema", "reload"]
        guard let value, let members = object(value, at: path, keys: keys) else { return result }
        if let defaults = members["defaults"] {
            result.defaults = object(defaults, at: path + "/defaults") ?? [:]
        }
        if let reload = members["reload"] {
            result.reload = reload.bool
            if reload.bool == nil {
                refuse(path + "/reload", "this is \(reload.kind)", "write true or false")
            }
        }
        if let schema = members["schema"] {
            let reading = ConfigurationSchema.read(schema, at: path + "/schema")
            objections += reading.objections
            result.schema = reading.schema
        }
        guard let schema = result.schema else { return result }
        let document = ConfigurationDocument(result.layers)
        for objection in schema.objections(to: document.json, isPartial: true) {
            refuse(path + "/defaults" + objection.path, objection.what, objection.cure)
        }
        return result
    }
}
