/// Settings in variables of the host's environment: `PLUGIN_HOST_<PLUGIN>_<KEY>`.
///
/// - Shape: the name of the plugin and of the setting in capitals, with `_` for whatever is no
///   letter or digit; `__` between the names of objects inside each other. `pageSize` is written
///   `PAGESIZE` or `PAGE_SIZE`. A setting that no schema and no other layer names is taken in small
///   letters. A variable that could be of two plugins is the one's with the longer name.
public enum ConfigurationVariables {
    static let prefix = "PLUGIN_HOST_"

    /// The layers that an environment gives to a plugin, by the names of the variables, and what is
    /// wrong with them.
    ///
    /// - Parameters:
    ///   - others: every plugin that there is.
    ///   - known: the configuration without any variable.
    public static func layers(
        for plugin: PluginName, among others: some Sequence<PluginName>,
        environment: [String: String], schema: ConfigurationSchema?, known: ConfigurationDocument
    ) -> (layers: [ConfigurationLayer], objections: [ManifestObjection]) {
        let own = start(of: plugin)
        let longer = others.map(start).filter { $0.count > own.count && $0.hasPrefix(own) }
        var layers: [ConfigurationLayer] = []
        var objections: [ManifestObjection] = []
        for (name, text) in environment.sorted(by: { $0.key < $1.key }) {
            guard name.hasPrefix(own), name.count > own.count,
                !longer.contains(where: { name.hasPrefix($0) && name.count > $0.count })
            else { continue }
            let pointer = pointer(name.dropFirst(own.count), schema, known.json)
            do throws(HostError) {
                let value = try value(text, schema?.takesText(pointer), name)
                let layer = nested(value, pointer.steps[...]).object ?? [:]
                layers.append(ConfigurationLayer(.variable(name), layer))
            } catch {
                objections.append(
                    ManifestObjection(
                        path: pointer.description, what: "$\(name) is not JSON",
                        cure: "write a number, true, false, or other JSON"))
            }
        }
        return (layers, objections)
    }

    /// The name of the variable that sets what a pointer points to.
    public static func name(of pointer: JSONPointer, for plugin: PluginName) -> String {
        start(of: plugin)
            + pointer.steps.map { capitals($0, splitsHumps: true) }
            .joined(separator: "__")
    }

    private static func start(of plugin: PluginName) -> String {
        prefix + capitals(plugin.text, splitsHumps: false) + "_"
    }

    private static func capitals(_ name: String, splitsHumps: Bool) -> String {
        var result = ""
        var wasSmall = false
        for byte in name.utf8 {
            let isSmall = (0x61...0x7A).contains(byte)
            let isCapital = (0x41...0x5A).contains(byte)
            if splitsHumps, isCapital, wasSmall { result += "_" }
            wasSmall = isSmall || (0x30...0x39).contains(byte)
            let kept = isSmall || isCapital || (0x30...0x39).contains(byte)
            result.unicodeScalars.append(
                Unicode.Scalar(kept ? (isSmall ? byte - 0x20 : byte) : UInt8(ascii: "_")))
        }
        return result
    }

    /// Finds out what the part of a variable's name behind the plugin's means.
    private static func pointer(
        _ text: Substring, _ schema: ConfigurationSchema?, _ known: JSONValue
    ) -> JSONPointer {
        var pointer = JSONPointer()
        for part in parts(of: text) {
            let here = schema?.names(in: pointer) ?? []
            let names = here + (known[pointer]?.object?.keys ?? [])
            let name = names.first {
                capitals($0, splitsHumps: true) == part || capitals($0, splitsHumps: false) == part
            }
            pointer = pointer.appending(name ?? part.lowercased())
        }
        return pointer
    }

    /// Splits at `__`.
    private static func parts(of text: Substring) -> [String] {
        var parts = [""]
        var rest = text
        while !rest.isEmpty {
            if rest.hasPrefix("__"), parts.last?.isEmpty == false {
                parts.append("")
                rest = rest.dropFirst(2)
            } else {
                parts[parts.count - 1].append(rest.removeFirst())
            }
        }
        return parts
    }

    /// What a text means: itself where a text is possible, else JSON.
    ///
    /// - Parameter takesText: nil when nothing is said: JSON if it is, else a text.
    /// - Throws: `json_invalid`.
    public static func value(
        _ text: String, _ takesText: Bool?, _ source: String
    ) throws(HostError) -> JSONValue {
        switch takesText {
        case true: return .string(text)
        case false: return try JSON.parse(text, source: source)
        case nil:
            do throws(HostError) {
                return try JSON.parse(text, source: source)
            } catch {
                return .string(text)
            }
        }
    }

    private static func nested(_ value: JSONValue, _ steps: ArraySlice<String>) -> JSONValue {
        guard let step = steps.first else { return value }
        return .object(JSONObject([(step, nested(value, steps.dropFirst()))]))
    }
}
