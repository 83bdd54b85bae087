import CPluginABI
import DynamicLibrary
import HostModel

/// `ph.log/1`: a plugin's lines in the host's log.
enum LogService {
    /// The table that plugins are handed; it lives as long as the process.
    // because it is written once, here
    nonisolated(unsafe) static let table: UnsafePointer<ph_log> = {
        let table = UnsafeMutablePointer<ph_log>.allocate(capacity: 1)
        unsafe table.initialize(
            to: ph_log(
                size: UInt32(MemoryLayout<ph_log>.size),
                write: { host, level, message in
                    let known = unsafe message.length == 0 || message.data != nil
                    guard known, let host = unsafe host,
                        let level = HostLog.Level(rawValue: Int(level))
                    else { return ph_status(PH_INVALID) }
                    // What the log needs of the process is the host's, not the plugin's.
                    let plugin = ImageContext.enter(0)
                    defer { ImageContext.leave(plugin) }
                    let door = unsafe HostObject.door(of: host)
                    var message = unsafe message
                    unsafe message.length = min(message.length, HostLog.messageBytesMax)
                    unsafe door.log.write(level, String(message), about: door.subject)
                    return ph_status(PH_OK)
                }))
        return unsafe UnsafePointer(table)
    }()
}
