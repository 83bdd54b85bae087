import CPluginABI
import HostModel

/// What the entry of an image returned, read and checked once: the manifest as Swift values, and
/// the functions, none of which is null.
///
/// Nothing in the image is believed: sizes, counts and lengths have bounds, and every objection is
/// collected before the plugin is refused. Pointers that lead nowhere cannot be told; the throwaway
/// process has met those before.
@safe struct PluginCode: @unchecked Sendable {  // because it points at static data of the image
    static let textBytesMax = 65_536
    static let routesMax = 4_096
    static let servicesMax = 256

    typealias Init =
        @convention(c) (
            UnsafePointer<ph_host>?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
            UnsafeMutablePointer<ph_error>?
        ) -> ph_status
    typealias Act =
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafeMutablePointer<ph_error>?
        ) -> ph_status
    typealias Deinit = @convention(c) (UnsafeMutableRawPointer?) -> Void
    typealias Handle =
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafePointer<ph_request>?, OpaquePointer?
        ) -> ph_status
    typealias Extension =
        @convention(c) (UnsafeMutableRawPointer?, ph_text) -> UnsafeRawPointer?

    let plugin: UnsafePointer<ph_plugin>
    let manifest: CodeManifest
    let routes: [RouteDeclaration]
    let initialize: Init
    let start: Act
    let stop: Act
    let deinitialize: Deinit
    let handle: Handle
    let offer: Extension?

    /// Calls the entry and reads what it returns.
    ///
    /// - Throws: `entry_refused` when it returns null, `plugin_malformed` with every objection.
    init(
        entry: UnsafeMutableRawPointer, host: UnsafePointer<ph_host>, subject: String
    ) throws(HostError) {
        typealias Entry =
            @convention(c) (UnsafePointer<ph_host>?, UInt32) -> UnsafePointer<ph_plugin>?
        let call = unsafe unsafeBitCast(entry, to: Entry.self)
        guard let plugin = unsafe call(host, HostVersion.abi) else {
            throw HostError(
                "entry_refused", what: "the plugin does not work with this host", subject: subject,
                why:
                    "\(PH_ENTRY_SYMBOL) returned null for ABI "
                    + "\(ABIVersion(rawValue: HostVersion.abi))",
                fix: "install a version of the plugin that was built for this host")
        }
        try unsafe self.init(reading: plugin, subject: subject)
    }

    private init(reading plugin: UnsafePointer<ph_plugin>, subject: String) throws(HostError) {
        let size = unsafe Int(plugin.pointee.size)
        let needed = unsafe MemoryLayout<ph_plugin>.offset(of: \.extension) ?? 0
        guard size >= needed, size <= 4_096 else {
            throw Self.malformed(
                ["ph_plugin.size is \(size); a plugin of ABI 1 has at least \(needed)"], subject)
        }
        let built = unsafe ABIVersion(rawValue: plugin.pointee.abi_version)
        guard built.major == ABIVersion(rawValue: HostVersion.abi).major else {
            throw HostError(
                "abi_unsupported", what: "the plugin speaks another ABI", subject: subject,
                why: "it was built for ABI \(built); this host offers "
                    + "\(ABIVersion(rawValue: HostVersion.abi))",
                fix: "rebuild it with the SDK shipped with this host")
        }
        guard let manifest = unsafe plugin.pointee.manifest else {
            throw Self.malformed(["ph_plugin.manifest is null"], subject)
        }
        var reader = ManifestMemory()
        let (code, routes) = unsafe reader.read(manifest.pointee, abi: built.rawValue)
        var objections = reader.objections
        func function<Function>(_ name: String, _ value: Function?) -> Function? {
            if value == nil { objections.append("ph_plugin.\(name) is null") }
            return value
        }
        let initialize = unsafe function("init", plugin.pointee.`init`)
        let start = unsafe function("start", plugin.pointee.start)
        let stop = unsafe function("stop", plugin.pointee.stop)
        let deinitialize = unsafe function("deinit", plugin.pointee.`deinit`)
        let handle = unsafe function("handle", plugin.pointee.handle)
        guard objections.isEmpty, let initialize = unsafe initialize, let start = unsafe start,
            let stop = unsafe stop, let deinitialize = unsafe deinitialize,
            let handle = unsafe handle
        else { throw Self.malformed(objections, subject) }
        unsafe self.plugin = plugin
        self.manifest = code
        self.routes = routes
        unsafe self.initialize = initialize
        unsafe self.start = start
        unsafe self.stop = stop
        unsafe self.deinitialize = deinitialize
        unsafe self.handle = handle
        unsafe offer = size > needed ? plugin.pointee.extension : nil
    }

    private static func malformed(_ objections: [String], _ subject: String) -> HostError {
        HostError(
            "plugin_malformed", what: "what \(PH_ENTRY_SYMBOL) returned is not a plugin",
            subject: subject, why: objections,
            fix: "fill in every member of ph_plugin and ph_manifest as pluginhost/plugin.h says")
    }
}

/// Reads a `ph_manifest` and collects what is wrong with it.
private struct ManifestMemory {
    var objections: [String] = []

    mutating func read(
        _ manifest: ph_manifest, abi: UInt32
    ) -> (CodeManifest, [RouteDeclaration]) {
        let least = unsafe MemoryLayout<ph_manifest>.size
        guard unsafe Int(manifest.size) >= least else {
            unsafe objections.append("ph_manifest.size is \(manifest.size), not at least \(least)")
            return (CodeManifest(name: "", version: "", abi: abi), [])
        }
        let routes = unsafe self.routes(of: manifest)
        let code = unsafe CodeManifest(
            name: text(manifest.name, "name"), version: text(manifest.version, "version"),
            abi: abi, description: text(manifest.description, "description"),
            services: services(of: manifest),
            routes: routes.map {
                CodeManifest.Route(method: $0.method, pattern: $0.pattern, flags: $0.flags)
            })
        return (code, routes)
    }

    private mutating func routes(of manifest: ph_manifest) -> [RouteDeclaration] {
        let count = unsafe manifest.route_count
        let stride = unsafe Int(manifest.route_size)
        let least = unsafe MemoryLayout<ph_route>.size
        guard count > 0 else { return [] }
        guard count <= PluginCode.routesMax, let first = unsafe manifest.routes else {
            objections.append(
                "ph_manifest.routes: \(count) routes; at most \(PluginCode.routesMax), not null")
            return []
        }
        guard stride >= least, stride <= 4_096,
            unsafe stride % MemoryLayout<ph_route>.alignment == 0
        else {
            objections.append("ph_manifest.route_size is \(stride), not at least \(least)")
            return []
        }
        return (0..<count).map { index in
            let route = unsafe UnsafeRawPointer(first)
                .load(fromByteOffset: index * stride, as: ph_route.self)
            return unsafe RouteDeclaration(
                method: text(route.method, "routes[\(index)].method"),
                pattern: text(route.pattern, "routes[\(index)].pattern"), flags: route.flags,
                bodyBytesMax: route.body_bytes_max)
        }
    }

    private mutating func services(of manifest: ph_manifest) -> [String] {
        let count = unsafe manifest.service_count
        guard count > 0 else { return [] }
        guard count <= PluginCode.servicesMax, let first = unsafe manifest.services else {
            objections.append(
                "ph_manifest.services: \(count) ids; at most \(PluginCode.servicesMax), not null")
            return []
        }
        return (0..<count).map { unsafe text(first[$0], "services[\($0)]") }
    }

    private mutating func text(_ text: ph_text, _ field: String) -> String {
        guard unsafe text.length > 0 else { return "" }
        guard unsafe text.length <= PluginCode.textBytesMax, let data = unsafe text.data else {
            objections.append(
                unsafe "ph_manifest.\(field) has length \(text.length) "
                    + "(at most \(PluginCode.textBytesMax)) or null data")
            return ""
        }
        let bytes = unsafe UnsafeRawBufferPointer(start: data, count: text.length)
        guard let value = unsafe String(validating: bytes, as: UTF8.self) else {
            objections.append("ph_manifest.\(field) is not UTF-8")
            return ""
        }
        return value
    }
}
