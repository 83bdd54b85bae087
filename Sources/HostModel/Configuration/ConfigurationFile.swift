/// What a file below `<root>/config` says.
///
/// - Shape: `{"plugins": {NAME: {"enabled": true, "configuration": {...}, "resources": {...}}}}`;
///   every member may be left out.
public struct ConfigurationFile: Hashable, Sendable {
    /// What it says about one plugin.
    public struct Plugin: Hashable, Sendable {
        /// Whether it is to serve; nil when the file does not say.
        public var enabled: Bool?
        public var configuration: JSONObject = [:]
        /// What it may use; what is not said here is as the manifest says.
        public var resources = ResourceLimits()
    }

    /// The largest file, in bytes.
    public static let bytesMax = 1 << 20

    public let plugins: [PluginName: Plugin]

    /// Reads a file.
    ///
    /// - Throws: `json_invalid`, or `configuration_file_invalid` with every objection.
    public init(parsing bytes: some Sequence<UInt8>, source: String) throws(HostError) {
        let json = try JSON.parse(bytes, source: source)
        var reader = ManifestReader()
        plugins = Self.read(json, &reader)
        guard reader.objections.isEmpty else {
            throw HostError(
                "configuration_file_invalid", what: "a configuration file is not valid",
                subject: source, why: reader.objections.map(\.description),
                fix: "write {\"plugins\": {\"NAME\": {\"enabled\": true, \"configuration\": {}}}}")
        }
    }

    private static func read(
        _ json: JSONValue, _ reader: inout ManifestReader
    ) -> [PluginName: Plugin] {
        var result: [PluginName: Plugin] = [:]
        guard let root = reader.object(json, at: "", keys: ["plugins"]),
            let value = root["plugins"], let plugins = reader.object(value, at: "/plugins")
        else { return result }
        for (key, value) in plugins.members {
            let path = "/plugins/" + ManifestReader.pointer(key)
            guard let name = PluginName(key) else {
                reader.refuse(path, "this is no name of a plugin", PluginName.shape)
                continue
            }
            let keys = ["enabled", "configuration", "resources"]
            guard let members = reader.object(value, at: path, keys: keys) else { continue }
            var plugin = Plugin()
            if let enabled = members["enabled"] {
                plugin.enabled = enabled.bool
                if plugin.enabled == nil {
                    reader.refuse(
                        path + "/enabled", "this is \(enabled.kind)", "write true or false")
                }
            }
            if let configuration = members["configuration"] {
                plugin.configuration =
                    reader.object(configuration, at: path + "/configuration") ?? [:]
            }
            plugin.resources = reader.resources(
                members["resources"], at: path + "/resources")
            result[name] = plugin
        }
        return result
    }
}
