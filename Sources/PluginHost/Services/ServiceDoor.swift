import CPluginABI
import HostModel
import Synchronization

/// The one place where a plugin is given, or refused, a service of the host.
///
/// A pointer that was handed out is the permission: there is no check in the calls themselves.
final class ServiceDoor: Sendable {
    /// The functions of every service this host has, by the service's id.
    // because it is written once, here, and so are the tables
    nonisolated(unsafe) private static let tables: [String: UnsafeRawPointer] = unsafe [
        PH_CONFIG_ID: UnsafeRawPointer(ConfigService.table),
        PH_HOOKS_ID: UnsafeRawPointer(HookService.table),
        PH_LOG_ID: UnsafeRawPointer(LogService.table),
        PH_REGISTRY_ID: UnsafeRawPointer(RegistryService.table),
        PH_RPC_ID: UnsafeRawPointer(RPCService.table),
        PH_WEBSOCKET_ID: UnsafeRawPointer(WebSocketService.table),
        PH_EVENTS_ID: UnsafeRawPointer(EventService.table),
    ]

    /// The ids of every service this host has, and of every permission.
    static let offered = unsafe Set(tables.keys).union(Permission.all)

    let member: Member
    let switchboard: Switchboard
    let log: HostLog
    /// The ids of the services that its plugin is given.
    let granted: Set<String>
    /// What leads to the host, where that is another process.
    let remote: RemoteServices?
    private let denied = Mutex<Set<String>>([])
    private let onDenial: Denial

    /// Told the id of a service that was not given, and why.
    typealias Denial = @Sendable (_ service: String, _ reason: String) -> Void
    /// How many denials are told of; a plugin that makes up ids is not worth more.
    private static let denialsMax = 64

    var subject: HostLog.Subject { member.subject }

    /// - Parameters:
    ///   - member: whose door it is.
    ///   - granted: the ids of the services that it is given.
    ///   - remote: what leads to the host, where that is another process.
    ///   - onDenial: called on a thread of the plugin, once for each service.
    init(
        member: Member, granted: Set<String>, switchboard: Switchboard, log: HostLog,
        remote: RemoteServices? = nil, onDenial: @escaping Denial = { _, _ in }
    ) {
        self.remote = remote
        self.member = member
        self.granted = granted
        self.switchboard = switchboard
        self.log = log
        self.onDenial = onDenial
    }

    /// Returns the functions of a service, or null; the first denial of each is logged and told.
    func open(_ id: ph_text) -> UnsafeRawPointer? {
        let name = unsafe String(id)
        if granted.contains(name), let table = unsafe table(name) { return unsafe table }
        let isNew = denied.withLock { $0.count < Self.denialsMax && $0.insert(name).inserted }
        guard isNew else { return nil }
        let reason = reason(against: name)
        log.write(.warning, "service \(name) was not given: \(reason)", about: subject)
        onDenial(name, reason)
        return nil
    }

    private func table(_ service: String) -> UnsafeRawPointer? {
        // The others look who is behind the door; calls are too quick for that.
        if remote != nil, service == PH_RPC_ID { return unsafe UnsafeRawPointer(RemoteRPC.table) }
        return unsafe Self.tables[service]
    }

    private func reason(against service: String) -> String {
        if Permission.all.contains(service) {
            return "it is a permission, which the kernel goes by, and has no functions"
        }
        guard Self.offered.contains(service) else { return "this host does not have it" }
        guard member.manifest.services.contains(service) else {
            return "its manifest does not ask for it"
        }
        return "it is not granted; grant it with: host grant \(member.name) \(service)"
    }
}

/// Lends Swift text to a plugin for the length of one call.
func withText<Result>(_ value: String, _ body: (ph_text) -> Result) -> Result {
    var value = value
    return value.withUTF8 { bytes in
        unsafe bytes.withMemoryRebound(to: CChar.self) { characters in
            unsafe body(ph_text(data: characters.baseAddress, length: characters.count))
        }
    }
}

extension String {
    /// Copies text that a plugin handed over; bytes that are not UTF-8 are replaced.
    init(_ text: ph_text) {
        guard let data = unsafe text.data, unsafe text.length > 0 else {
            self = ""
            return
        }
        let bytes = unsafe UnsafeRawBufferPointer(start: data, count: text.length)
        self = unsafe String(decoding: bytes, as: UTF8.self)
    }
}
