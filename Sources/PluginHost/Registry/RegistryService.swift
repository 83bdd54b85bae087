import CPluginABI
import DynamicLibrary
import HostModel

/// `ph.registry/1`: the functions by which plugins find each other.
enum RegistryService {
    /// The table that plugins are handed; it lives as long as the process.
    // because it is written once, here
    nonisolated(unsafe) static let table: UnsafePointer<ph_registry> = {
        let table = UnsafeMutablePointer<ph_registry>.allocate(capacity: 1)
        unsafe table.initialize(
            to: ph_registry(
                size: UInt32(MemoryLayout<ph_registry>.size),
                providers: { unsafe providers($0, $1, $2, $3) },
                bind: { host, selector, handle in
                    let plugin = ImageContext.enter(0)
                    defer { ImageContext.leave(plugin) }
                    return unsafe bind(host, selector, method: nil, handle)
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
            let (wanted, _) = unsafe Selector.read(selector)
        else { return ph_status(PH_INVALID) }
        let door = unsafe HostObject.door(of: host)
        let found =
            if let remote = door.remote {
                remote.providers(wanted)
            } else { door.switchboard.registry.providers(wanted).map { ShownProvider($0) } }
        for provider in found {
            guard unsafe provider.show(to: visit, context, plugin) else { break }
        }
        return ph_status(found.isEmpty ? PH_NO_PROVIDER : PH_OK)
    }

    static func bind(
        _ host: UnsafePointer<ph_host>?, _ selector: UnsafePointer<ph_selector>?,
        method: String?, _ result: UnsafeMutablePointer<ph_handle>?
    ) -> ph_status {
        guard let host = unsafe host, let result = unsafe result else {
            return ph_status(PH_INVALID)
        }
        unsafe result.pointee = 0
        guard let (wanted, isOfGeneration) = unsafe Selector.read(selector) else {
            return ph_status(PH_INVALID)
        }
        let door = unsafe HostObject.door(of: host)
        if let remote = door.remote {
            return unsafe remote.bind(wanted, method, isOfGeneration, &result.pointee)
        }
        let bound = door.switchboard.registry.bind(
            wanted, method: method, isOfGeneration: isOfGeneration, for: door.member)
        switch bound {
        case .success(let handle):
            unsafe result.pointee = handle
            return ph_status(PH_OK)
        case .failure(let failure): return failure.status
        }
    }

    private static func current(
        _ host: UnsafePointer<ph_host>?, _ handle: ph_handle, _ visit: ph_provider_visitor?,
        _ context: UnsafeMutableRawPointer?
    ) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let host = unsafe host, let visit = unsafe visit else {
            return ph_status(PH_INVALID)
        }
        let door = unsafe HostObject.door(of: host)
        if let remote = door.remote {
            let (status, provider) = remote.provider(of: handle)
            _ = unsafe provider?.show(to: visit, context, plugin)
            return status
        }
        switch door.switchboard.registry.provider(of: handle) {
        case .success(let provider):
            _ = unsafe ShownProvider(provider).show(to: visit, context, plugin)
            return ph_status(PH_OK)
        case .failure(let failure): return failure.status
        }
    }

    static func release(_ host: UnsafePointer<ph_host>?, _ handle: ph_handle) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let host = unsafe host else { return ph_status(PH_INVALID) }
        let door = unsafe HostObject.door(of: host)
        if let remote = door.remote {
            return remote.status(RemoteTopic.release, ["handle": .number64(handle)])
        }
        return ph_status(
            door.switchboard.registry.release(handle, of: door.member) ? PH_OK : PH_STALE)
    }
}
