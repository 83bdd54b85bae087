import CPluginABI
import HostModel

/// Which provider somebody wants, read and checked.
struct Selector: Sendable {
    var capability: CapabilityName?
    var plugin: PluginName?
    var version: VersionRange?
    var option: String?
    var optionValue: String?

    /// Whether a provider is what is wanted.
    ///
    /// - Parameter provision: what it provides; nil stands for the plugin itself.
    func fits(_ member: Member, _ provision: Provision?) -> Bool {
        guard plugin == nil || plugin == member.name, capability == provision?.capability else {
            return false
        }
        if let version, !version.contains(provision?.version ?? member.version) { return false }
        guard let option else { return true }
        return provision?.matches(option: option, value: optionValue) ?? false
    }
}

extension Selector {
    /// The longest text in a selector.
    private static let textBytesMax = 1_024

    /// Reads what a plugin asks for.
    ///
    /// - Returns: nil when it is malformed; `isOfGeneration` when it is bound to the generation
    ///   that is found.
    static func read(
        _ selector: UnsafePointer<ph_selector>?
    ) -> (selector: Selector, isOfGeneration: Bool)? {
        guard let selector = unsafe selector,
            unsafe Int(selector.pointee.size) >= MemoryLayout<ph_selector>.size,
            unsafe selector.pointee.flags & ~UInt32(PH_SELECT_GENERATION) == 0
        else { return nil }
        let wanted = unsafe selector.pointee
        let texts = unsafe [
            wanted.capability, wanted.plugin, wanted.version, wanted.option, wanted.option_value,
        ]
        var values: [String] = []
        for index in unsafe texts.indices {
            guard let value = unsafe String(checking: texts[index], bytesMax: textBytesMax) else {
                return nil
            }
            values.append(value)
        }
        var result = Selector()
        if !values[0].isEmpty {
            guard let capability = CapabilityName(values[0]) else { return nil }
            result.capability = capability
        }
        if !values[1].isEmpty {
            guard let plugin = PluginName(values[1]) else { return nil }
            result.plugin = plugin
        }
        if !values[2].isEmpty {
            guard let version = VersionRange(values[2]) else { return nil }
            result.version = version
        }
        if !values[3].isEmpty { result.option = values[3] }
        if !values[4].isEmpty { result.optionValue = values[4] }
        guard result.capability != nil || result.plugin != nil,
            result.option != nil || result.optionValue == nil
        else { return nil }
        return unsafe (result, wanted.flags & UInt32(PH_SELECT_GENERATION) != 0)
    }
}

extension String {
    /// Copies text that a plugin handed over; nil when it is too long, null or not UTF-8.
    init?(checking text: ph_text, bytesMax: Int) {
        guard unsafe text.length > 0 else {
            self = ""
            return
        }
        guard let data = unsafe text.data, unsafe text.length <= bytesMax else { return nil }
        let bytes = unsafe UnsafeRawBufferPointer(start: data, count: text.length)
        guard let value = unsafe String(validating: bytes, as: UTF8.self) else { return nil }
        self = value
    }
}
