import CPluginABI
import DynamicLibrary
import HostModel

/// `ph.registry/1` where the host is another process.
enum RemoteRegistryService {
    /// The table that plugins are handed; it lives as long as the process.
    // because it is written once, here
    nonisolated(unsafe) static let table: UnsafePointer<ph_registry> = {
        let table = UnsafeMutablePointer<ph_registry>.allocate(capacity: 1)
        unsafe table.initialize(
            to: ph_registry(
                size: UInt32(MemoryLayout<ph_registry>.size),
                providers: { unsafe providers($0, $1, $2, $3) },
                bind: { host, selector, handle in
                    unsafe bind(host, selector, method: nil, handle)
                },
                current: { unsafe current($0, $1, $2, $3) },
                release: { unsafe release($0, $1) }))
        return unsafe UnsafePointer(table)
    }()

    private static func providers(
        _ host: UnsafePointer<ph_host>?, _ selector: UnsafePointer<ph_selector>?,
        _ visit: ph_provider_visitor?, _ context: UnsafeMutableRawPointer?
    ) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let host = unsafe host, let visit = unsafe visit,
            let remote = unsafe HostObject.door(of: host).remote,
            let (wanted, _) = unsafe Selector.read(selector)
        else { return ph_status(PH_INVALID) }
        let answer = remote.channel.wait(RemoteTopic.providers, wanted.json)
        guard case .success(let content) = answer else { return ph_status(PH_NO_PROVIDER) }
        for provider in content.json["providers"]?.array ?? [] {
            guard unsafe ShownProvider(provider).show(to: visit, context, plugin) else { break }
        }
        return content.status
    }

    static func bind(
        _ host: UnsafePointer<ph_host>?, _ selector: UnsafePointer<ph_selector>?,
        method: String?, _ result: UnsafeMutablePointer<ph_handle>?
    ) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let host = unsafe host, let result = unsafe result else {
            return ph_status(PH_INVALID)
        }
        unsafe result.pointee = 0
        guard let remote = unsafe HostObject.door(of: host).remote,
            let (wanted, isOfGeneration) = unsafe Selector.read(selector)
        else { return ph_status(PH_INVALID) }
        var json = wanted.json
        json["method"] = method.map { .string($0) }
        json["of_generation"] = .bool(isOfGeneration)
        let answer = remote.channel.wait(RemoteTopic.bind, json)
        guard case .success(let content) = answer else { return ph_status(PH_WRONG_STATE) }
        unsafe result.pointee = content.json["handle"]?.number64 ?? 0
        return content.status
    }

    private static func current(
        _ host: UnsafePointer<ph_host>?, _ handle: ph_handle, _ visit: ph_provider_visitor?,
        _ context: UnsafeMutableRawPointer?
    ) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let host = unsafe host, let visit = unsafe visit,
            let remote = unsafe HostObject.door(of: host).remote
        else { return ph_status(PH_INVALID) }
        let answer = remote.channel.wait(RemoteTopic.current, ["handle": .number64(handle)])
        guard case .success(let content) = answer else { return ph_status(PH_STALE) }
        if let provider = content.json["provider"] {
            _ = unsafe ShownProvider(provider).show(to: visit, context, plugin)
        }
        return content.status
    }

    static func release(_ host: UnsafePointer<ph_host>?, _ handle: ph_handle) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let host = unsafe host, let remote = unsafe HostObject.door(of: host).remote else {
            return ph_status(PH_INVALID)
        }
        return remote.status(RemoteTopic.release, ["handle": .number64(handle)])
    }
}

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

extension Selector {
    /// The selector as it crosses to the host.
    var json: JSONObject {
        var object: JSONObject = [:]
        object["capability"] = capability.map { .string($0.text) }
        object["plugin"] = plugin.map { .string($0.text) }
        object["version"] = version.map { .string($0.description) }
        object["option"] = option.map { .string($0) }
        object["option_value"] = optionValue.map { .string($0) }
        return object
    }

    /// Takes one that has crossed; nil when it is malformed.
    init?(json: JSONValue) {
        self.init()
        if let text = json["capability"]?.string {
            guard let name = CapabilityName(text) else { return nil }
            capability = name
        }
        if let text = json["plugin"]?.string {
            guard let name = PluginName(text) else { return nil }
            plugin = name
        }
        if let text = json["version"]?.string {
            guard let range = VersionRange(text) else { return nil }
            version = range
        }
        option = json["option"]?.string
        optionValue = json["option_value"]?.string
        guard capability != nil || plugin != nil else { return nil }
    }
}
