import CPluginABI
import DynamicLibrary
import HostModel

/// A provider as a plugin is shown it.
struct ShownProvider: Sendable {
    var priority: Int32
    var plugin: String
    var pluginVersion: String
    var generation: UInt64
    var capability: String
    var version: String
    var options: String

    init(_ provider: Provider) {
        let provision = provider.provision
        priority = Int32(provider.priority)
        plugin = provider.member.name.text
        pluginVersion = provider.member.version.description
        generation = provider.member.number
        capability = provision?.capability.text ?? ""
        version = (provision?.version ?? provider.member.version).description
        options = JSONValue.object(provision?.options ?? [:]).text()
    }

    init(_ json: JSONValue) {
        priority = json["priority"]?.integer.flatMap { Int32(exactly: $0) } ?? 0
        plugin = json["plugin"]?.string ?? ""
        pluginVersion = json["plugin_version"]?.string ?? ""
        generation = json["generation"]?.number64 ?? 0
        capability = json["capability"]?.string ?? ""
        version = json["version"]?.string ?? ""
        options = json["options"]?.string ?? "{}"
    }

    var json: JSONValue {
        [
            "priority": .number(JSONNumber(priority)), "plugin": .string(plugin),
            "plugin_version": .string(pluginVersion), "generation": .number64(generation),
            "capability": .string(capability), "version": .string(version),
            "options": .string(options),
        ]
    }

    /// Lends it to the plugin's visitor; false when it wants to see no more.
    func show(
        to visit: ph_provider_visitor, _ context: UnsafeMutableRawPointer?, _ image: UInt32
    ) -> Bool {
        unsafe withText(plugin) { plugin in
            unsafe withText(pluginVersion) { pluginVersion in
                unsafe withText(capability) { capability in
                    unsafe withText(version) { version in
                        unsafe withText(options) { options in
                            var shown = unsafe ph_provider(
                                size: UInt32(MemoryLayout<ph_provider>.size), priority: priority,
                                plugin: plugin, plugin_version: pluginVersion,
                                generation: generation, capability: capability, version: version,
                                options: options)
                            let host = ImageContext.enter(image)
                            defer { ImageContext.leave(host) }
                            return unsafe visit(context, &shown) != 0
                        }
                    }
                }
            }
        }
    }
}
