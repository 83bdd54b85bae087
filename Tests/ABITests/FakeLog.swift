import CPluginABI
import Foundation

/// The service "ph.log/1" of a fake host, handed only to a plugin whose manifest asks for it.
final class FakeLog: @unchecked Sendable {  // because the lines are only touched under the lock
    private let lock = NSLock()
    private var recorded: [String] = []
    var lines: [String] { lock.withLock { recorded } }

    private struct Entry {
        let log: FakeLog
        let services: [String]
    }

    /// The logs by the address of their host.
    private static let lock = NSLock()
    nonisolated(unsafe) private static var entries: [UInt: Entry] = [:]  // because of the lock
    nonisolated(unsafe) private static let table = {  // because it is never written to again
        let table = UnsafeMutablePointer<ph_log>.allocate(capacity: 1)
        table.initialize(
            to: ph_log(
                size: UInt32(MemoryLayout<ph_log>.size),
                write: { host, level, message in
                    guard level <= 3, let log = FakeLog.log(of: host) else { return .invalid }
                    log.lock.withLock { log.recorded.append(message.string) }
                    return .ok
                },
                write_about: { host, request, level, message in
                    guard level <= 3, let log = FakeLog.log(of: host) else { return .invalid }
                    let line = "\(request.string): \(message.string)"
                    log.lock.withLock { log.recorded.append(line) }
                    return .ok
                }))
        return table
    }()

    static func register(_ log: FakeLog, host: UnsafeRawPointer, services: [String]) {
        lock.withLock { entries[UInt(bitPattern: host)] = Entry(log: log, services: services) }
    }

    static func forget(host: UnsafeRawPointer) {
        lock.withLock { entries[UInt(bitPattern: host)] = nil }
    }

    static func table(of host: UnsafePointer<ph_host>, ifAskedFor id: String) -> UnsafeRawPointer? {
        let isDeclared = lock.withLock {
            entries[UInt(bitPattern: host)]?.services.contains(id) ?? false
        }
        return isDeclared && id == PH_LOG_ID ? UnsafeRawPointer(table) : nil
    }

    private static func log(of host: UnsafePointer<ph_host>?) -> FakeLog? {
        lock.withLock { entries[UInt(bitPattern: host)]?.log }
    }
}

extension String {
    /// The text as the ABI writes it. It is never freed: for the few ids that tests ask for.
    var abiText: ph_text {
        ph_text(data: UnsafePointer(strdup(self)), length: utf8.count)
    }
}
