import CPluginABI
import HostModel

/// `ph.registry/1` and the methods of `ph.rpc/1`, as they are put to the host.
extension RemoteServices {
    /// Everyone who fits, the best first.
    func providers(_ selector: Selector) -> [ShownProvider] {
        guard case .success(let content) = channel.wait(RemoteTopic.providers, selector.json) else {
            return []
        }
        return (content.json["providers"]?.array ?? []).map { ShownProvider($0) }
    }

    /// Makes a handle; it is 0 when the host makes none.
    func bind(
        _ selector: Selector, _ method: String?, _ isOfGeneration: Bool, _ handle: inout ph_handle
    ) -> ph_status {
        var json = selector.json
        json["method"] = method.map { .string($0) }
        json["of_generation"] = .bool(isOfGeneration)
        guard case .success(let content) = channel.wait(RemoteTopic.bind, json) else {
            return ph_status(PH_WRONG_STATE)
        }
        handle = content.json["handle"]?.number64 ?? 0
        return content.status
    }

    /// Where a handle leads.
    func provider(of handle: ph_handle) -> (ph_status, ShownProvider?) {
        let answer = channel.wait(RemoteTopic.current, ["handle": .number64(handle)])
        guard case .success(let content) = answer else { return (ph_status(PH_STALE), nil) }
        return (content.status, content.json["provider"].map { ShownProvider($0) })
    }

    /// Has the host offer methods in the plugin's stead.
    func provide(_ methods: [OfferedMethod], of capability: String) -> ph_status {
        status(
            RemoteTopic.provide,
            [
                "capability": .string(capability),
                "methods": .array(methods.map { .string($0.key.name) }),
            ])
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
