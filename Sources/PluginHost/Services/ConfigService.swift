import CPluginABI
import DynamicLibrary

/// `ph.config/1`: a plugin's configuration.
enum ConfigService {
    /// The table that plugins are handed; it lives as long as the process.
    // because it is written once, here
    nonisolated(unsafe) static let table: UnsafePointer<ph_config> = {
        let table = UnsafeMutablePointer<ph_config>.allocate(capacity: 1)
        unsafe table.initialize(
            to: ph_config(
                size: UInt32(MemoryLayout<ph_config>.size),
                acquire: { unsafe acquire($0) },
                release: { unsafe release($0, $1) },
                revision: { unsafe read($0)?.revision ?? 0 },
                json: { unsafe read($0)?.json($1) ?? ph_text(data: nil, length: 0) },
                text: { unsafe read($0)?.text($1) ?? $2 },
                integer: { unsafe read($0)?.integer($1) ?? $2 },
                number: { unsafe read($0)?.number($1) ?? $2 },
                truth: { configuration, place, otherwise in
                    unsafe read(configuration)?.truth(place).map { $0 ? 1 : 0 } ?? otherwise
                }))
        return unsafe UnsafePointer(table)
    }()

    /// What a plugin is handed as a `ph_configuration`.
    static func handle(_ snapshot: ConfigurationSnapshot) -> OpaquePointer {
        unsafe OpaquePointer(Unmanaged.passUnretained(snapshot).toOpaque())
    }

    private static func acquire(_ host: UnsafePointer<ph_host>?) -> OpaquePointer? {
        guard let host = unsafe host else { return nil }
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        return unsafe handle(HostObject.door(of: host).member.configuration.acquire())
    }

    private static func release(
        _ host: UnsafePointer<ph_host>?, _ configuration: OpaquePointer?
    ) -> ph_status {
        guard let host = unsafe host, let configuration = unsafe configuration else {
            return ph_status(PH_INVALID)
        }
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        let held = unsafe HostObject.door(of: host).member.configuration
        let isHeld = unsafe held.release(UnsafeRawPointer(configuration))
        return ph_status(truncatingIfNeeded: isHeld ? PH_OK : PH_INVALID)
    }

    private static func read(_ configuration: OpaquePointer?) -> ConfigurationSnapshot? {
        guard let configuration = unsafe configuration else { return nil }
        return unsafe Unmanaged<ConfigurationSnapshot>
            .fromOpaque(UnsafeRawPointer(configuration)).takeUnretainedValue()
    }
}
