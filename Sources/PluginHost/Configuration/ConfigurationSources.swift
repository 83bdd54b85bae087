import Glibc
import HostModel

/// What the operator's files and variables say at one moment.
struct ConfigurationSources: Sendable {
    /// A file that is there, as `config/local.json`, and what it says.
    struct Source: Sendable {
        let path: String
        let file: ConfigurationFile
    }

    let options: ConfigurationOptions
    /// In the order in which a later one goes before an earlier one.
    private(set) var sources: [Source] = []
    /// How each file looked before it was read; nil for one that was not there.
    private(set) var marks: [FileMark?] = []
    /// What is wrong with files that are there.
    private(set) var faults: [HostError] = []

    /// Reads the files; those that are not there are left out.
    init(root: RootLayout, options: ConfigurationOptions) {
        self.options = options
        for path in Self.paths(options) {
            marks.append(FileMark(ofFile: root.root + "/" + path))
            do throws(HostError) {
                guard let file = try Self.read(root.root + "/" + path, path) else { continue }
                sources.append(Source(path: path, file: file))
            } catch {
                faults.append(error)
            }
        }
    }

    /// The files that count, below the root.
    static func paths(_ options: ConfigurationOptions) -> [String] {
        ((options.environment.map { [$0] } ?? []) + ["local"]).map { "config/\($0).json" }
    }

    private static func read(
        _ path: String, _ name: String
    ) throws(HostError) -> ConfigurationFile? {
        guard unsafe access(path, F_OK) == 0 || errno != ENOENT else { return nil }
        let descriptor = try Descriptor(opening: path, flags: O_RDONLY)
        let bytes = try descriptor.readAll(bytesMax: ConfigurationFile.bytesMax)
        return try ConfigurationFile(parsing: bytes, source: name)
    }

    /// The names of plugins that a file mentions, each with the file.
    var mentioned: [(name: PluginName, path: String)] {
        sources.flatMap { source in source.file.plugins.keys.sorted().map { ($0, source.path) } }
    }

    /// Whether a plugin is to serve, and who says so if somebody does.
    func isEnabled(_ name: PluginName) -> (value: Bool, path: String?) {
        for source in sources.reversed() {
            if let value = source.file.plugins[name]?.enabled { return (value, source.path) }
        }
        return (true, nil)
    }

    /// What the files say that a plugin may use.
    func resources(_ name: PluginName) -> ResourceLimits {
        sources.reduce(ResourceLimits()) { limits, source in
            limits.changed(by: source.file.plugins[name]?.resources ?? ResourceLimits())
        }
    }

    /// Puts a plugin's configuration together, finds its secrets, and checks it.
    ///
    /// - Parameter names: every plugin that there is.
    /// - Throws: the first fault of a file; `configuration_invalid` with every objection.
    func resolve(
        _ manifest: Manifest, among names: [PluginName]
    ) throws(HostError) -> ResolvedConfiguration {
        if let fault = faults.first { throw fault }
        let (resolved, objections) = examine(manifest, among: names)
        guard objections.isEmpty else { throw Self.invalid(manifest.name, objections) }
        return resolved
    }

    /// Does the same with whatever is wrong told beside what there is.
    func examine(
        _ manifest: Manifest, among names: [PluginName]
    ) -> (resolved: ResolvedConfiguration, objections: [String]) {
        let schema = manifest.configuration.schema
        var layers = manifest.configuration.layers
        for source in sources {
            if let plugin = source.file.plugins[manifest.name] {
                layers.append(ConfigurationLayer(.file(source.path), plugin.configuration))
            }
        }
        let variables = ConfigurationVariables.layers(
            for: manifest.name, among: names, environment: options.variables, schema: schema,
            known: ConfigurationDocument(layers))
        let document = ConfigurationDocument(layers + variables.layers)
        var objections = variables.objections
        var warnings: [String] = []
        var values: [JSONPointer: JSONValue] = [:]
        let secrets = document.secrets
        objections += secrets.objections
        for (pointer, reference) in secrets.references {
            do throws(HostError) {
                let secret = try Secret(reference, variables: options.variables)
                if let warning = secret.warning { warnings.append("\(pointer): \(warning)") }
                values[pointer] = try ConfigurationVariables.value(
                    secret.text, schema?.takesText(pointer) ?? true, pointer.description)
            } catch {
                let reason = error.code == "json_invalid" ? "it is not JSON" : error.reasons[0]
                objections.append(
                    ManifestObjection(
                        path: pointer.description, what: "its secret cannot be read: \(reason)",
                        cure: error.code == "json_invalid"
                            ? "its setting takes no text" : error.remedy))
            }
        }
        let json = document.replacing(values)
        let hidden = Set(secrets.references.map(\.0))
        if objections.isEmpty {
            objections = schema?.objections(to: json, hidden: hidden) ?? []
        }
        let lines = objections.map { Self.line($0, document) }
        return (
            ResolvedConfiguration(
                document: document, schema: schema, json: json, secrets: hidden,
                warnings: warnings),
            lines
        )
    }

    /// An objection, with the origin of what it is about.
    private static func line(
        _ objection: ManifestObjection, _ document: ConfigurationDocument
    ) -> String {
        let entry = document.entries.first { $0.pointer.description == objection.path }
        return objection.description + (entry.map { " (from \($0.origin))" } ?? "")
    }

    static func invalid(_ name: PluginName, _ objections: [String]) -> HostError {
        HostError(
            "configuration_invalid", what: "the configuration of plugin \"\(name)\" is not valid",
            why: objections,
            fix: "correct it, for example in config/local.json below the root; see:"
                + " host config \(name)")
    }
}
