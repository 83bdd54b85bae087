import CPluginABI
import HostModel

/// The one place where a plugin is given, or refused, a service of the host.
///
/// A pointer that was handed out is the permission: there is no check in the calls themselves.
final class ServiceDoor: Sendable {
    /// The ids of every service this host has.
    static let offered: Set<String> = [PH_LOG_ID, PH_WEBSOCKET_ID]

    let log: HostLog
    let subject: HostLog.Subject
    private let granted: Set<String>

    init(granted: Set<String>, log: HostLog, subject: HostLog.Subject) {
        self.granted = granted
        self.log = log
        self.subject = subject
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
        switch name {
        case PH_LOG_ID: return unsafe UnsafeRawPointer(LogService.table)
        case PH_WEBSOCKET_ID: return unsafe UnsafeRawPointer(WebSocketService.table)
        default: return nil
        }
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
