import CPluginABI

/// A method, as its plugin has offered it.
///
/// `@unchecked Sendable` because it holds addresses that are only passed on.
@safe
struct OfferedMethod: @unchecked Sendable {
    /// What a method is found by: a capability, or nothing for the plugin itself, and a name.
    struct Key: Hashable, Sendable {
        var capability: String
        var name: String

        /// As it is told to operators: `renderer/render`.
        var description: String { capability.isEmpty ? name : capability + "/" + name }
    }

    static let nameBytesMax = 127

    let key: Key
    let flags: UInt32
    let function: Endpoint.Function
    let context: UnsafeMutableRawPointer?

    /// The same, called on a thread of its plugin's pool.
    var onPool: OfferedMethod {
        unsafe OfferedMethod(key: key, flags: 0, function: function, context: context)
    }

    /// Reads methods as a plugin hands them over; nil when one is malformed.
    static func read(
        _ first: UnsafePointer<ph_method>?, count: Int, capability: String
    ) -> [OfferedMethod]? {
        guard count > 0 else { return count == 0 ? [] : nil }
        guard let first = unsafe first else { return nil }
        let stride = unsafe Int(first.pointee.size)
        guard unsafe stride >= MemoryLayout<ph_method>.size, stride <= 4_096,
            unsafe stride % MemoryLayout<ph_method>.alignment == 0
        else { return nil }
        var methods: [OfferedMethod] = []
        for index in 0..<count {
            let method = unsafe UnsafeRawPointer(first)
                .load(fromByteOffset: index * stride, as: ph_method.self)
            guard unsafe method.flags & ~UInt32(PH_METHOD_INLINE) == 0,
                let function = unsafe method.function,
                let name = unsafe String(checking: method.name, bytesMax: nameBytesMax),
                !name.isEmpty
            else { return nil }
            unsafe methods.append(
                OfferedMethod(
                    key: Key(capability: capability, name: name), flags: method.flags,
                    function: function, context: method.context))
        }
        return methods
    }
}
