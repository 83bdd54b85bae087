import CPluginABI

extension Service {
    /// Calls between plugins: `HostContext.capability` and `Plugin.methods`.
    public static var rpc: Service { Service("ph.rpc/1") }
    /// Who provides what, for those who ask the host in C: `HostContext.service`.
    public static var registry: Service { Service("ph.registry/1") }
}

extension HostContext {
    /// Names something that another plugin provides. Nobody needs to provide it yet.
    ///
    /// - Parameters:
    ///   - name: the capability, such as `renderer`.
    ///   - version: a range such as `^1.2`; empty for any version.
    ///   - option: a member of the provider's options, and what it must be or hold.
    public func capability(
        _ name: String, version: String = "", option: (name: String, value: String)? = nil
    ) -> Capability {
        Capability(
            host: self, capability: name, plugin: "", version: version,
            option: option?.name ?? "", optionValue: option?.value ?? "")
    }

    /// Names another plugin, whose methods without a capability are called.
    ///
    /// - Parameter version: a range for the plugin's version; empty for any.
    public func plugin(_ name: String, version: String = "") -> Capability {
        Capability(
            host: self, capability: "", plugin: name, version: version, option: "",
            optionValue: "")
    }
}

/// What a plugin asks of another one, whoever that is.
///
/// Of several providers the one with the highest priority is called. When it is reloaded, or
/// another one takes its place, the next call goes there.
public struct Capability: Sendable {
    let host: HostContext
    let capability: String
    let plugin: String
    let version: String
    let option: String
    let optionValue: String

    /// Binds a method, to be called as often as one likes. Keep it in a property.
    ///
    /// - Throws: `CallError` of the kind `notGranted`, or `failed` when a name or the range is
    ///   malformed.
    public func method(_ name: String) throws(CallError) -> RemoteMethod {
        try RemoteMethod(self, name)
    }

    func withSelector(_ body: (UnsafePointer<ph_selector>) -> ph_status) -> ph_status {
        unsafe capability.lent { capability in
            unsafe plugin.lent { plugin in
                unsafe version.lent { version in
                    unsafe option.lent { option in
                        unsafe optionValue.lent { value in
                            var selector = unsafe ph_selector()
                            unsafe selector.size = UInt32(MemoryLayout<ph_selector>.size)
                            unsafe selector.capability = unsafe capability
                            unsafe selector.plugin = unsafe plugin
                            unsafe selector.version = unsafe version
                            unsafe selector.option = unsafe option
                            unsafe selector.option_value = unsafe value
                            return unsafe body(&selector)
                        }
                    }
                }
            }
        }
    }
}

extension String {
    func lent(_ body: (ph_text) -> ph_status) -> ph_status {
        var copy = self
        return copy.withUTF8 { bytes in
            var text = unsafe ph_text()
            unsafe text.data = UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(
                to: CChar.self)
            unsafe text.length = bytes.count
            return unsafe body(text)
        }
    }
}
