import CPluginABI
import HostModel

/// The one place where a plugin is given, or refused, a service of the host.
///
/// A pointer that was handed out is the permission: there is no check in the calls themselves.
final class ServiceDoor: Sendable {
    /// The functions of every service this host has, by the service's id.
    // because it is written once, here, and so are the tables
    nonisolated(unsafe) private static let tables: [String: UnsafeRawPointer] = unsafe [
        PH_LOG_ID: UnsafeRawPointer(LogService.table),
        PH_WEBSOCKET_ID: UnsafeRawPointer(WebSocketService.table),
        PH_EVENTS_ID: UnsafeRawPointer(EventService.table),
    ]

    /// The ids of every service this host has.
    static let offered = unsafe Set(tables.keys)

    let member: Member
    let switchboard: Switchboard
    let log: HostLog
    private let granted: Set<String>

    var subject: HostLog.Subject { member.subject }

    /// - Parameters:
    ///   - member: whose door it is.
    ///   - granted: the ids of the services that it is given.
    init(member: Member, granted: Set<String>, switchboard: Switchboard, log: HostLog) {
        self.member = member
        self.granted = granted
        self.switchboard = switchboard
        self.log = log
    }

    /// Returns the functions of a service, or null; a denial is logged.
    func open(_ id: ph_text) -> UnsafeRawPointer? {
        let name = unsafe String(id)
        guard granted.contains(name) else {
            let why =
                Self.offered.contains(name)
                ? "its manifest does not ask for it" : "this host does not have it"
            log.write(.warning, "service \(name) was not given: \(why)", about: subject)
            return nil
        }
        return unsafe Self.tables[name]
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
