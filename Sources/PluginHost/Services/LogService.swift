import CPluginABI
import DynamicLibrary
import HTTPWire
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
                write: { unsafe write($0, $1, $2, about: nil) },
                write_about: { host, request, level, message in
                    let name = unsafe ByteSlice(
                        UnsafeRawBufferPointer(
                            start: request.data, count: request.data == nil ? 0 : request.length))
                    guard RequestIdentifier.isValid(name) else { return ph_status(PH_INVALID) }
                    return unsafe write(host, level, message, about: String(decoding: name))
                }))
        return unsafe UnsafePointer(table)
    }()

    private static func write(
        _ host: UnsafePointer<ph_host>?, _ level: UInt32, _ message: ph_text,
        about request: String?
    ) -> ph_status {
        let known = unsafe message.length == 0 || message.data != nil
        guard known, let host = unsafe host, let level = HostLog.Level(rawValue: Int(level))
        else { return ph_status(PH_INVALID) }
        // What the log needs of the process is the host's, not the plugin's.
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        let door = unsafe HostObject.door(of: host)
        var message = unsafe message
        unsafe message.length = min(message.length, HostLog.messageBytesMax)
        var subject = door.subject
        subject.request = request
        unsafe door.log.write(level, String(message), about: subject)
        return ph_status(PH_OK)
    }
}
