import CPluginABI

/// The host's log: lines with the plugin's name, version and generation.
///
/// Ask for it in the manifest (`services: [.log]`); without it lines are dropped. Writing never
/// waits for the disk, and may be done from any thread.
///
/// It is Sendable because a service's functions never change and any thread may call them.
@safe
public struct Log: @unchecked Sendable {
    let host: UnsafePointer<ph_host>
    let functions: UnsafePointer<ph_log>?

    /// - Parameter isWanted: whether the manifest asks for the service; else the host is not asked,
    ///   since it logs what it denies.
    init(unsafe host: UnsafePointer<ph_host>, isWanted: Bool) {
        unsafe self.host = host
        unsafe functions =
            isWanted ? host.service(Service.log.id)?.assumingMemoryBound(to: ph_log.self) : nil
    }

    /// Whether lines are written at all.
    public var isGranted: Bool { unsafe functions != nil }

    /// Writes what helps while a plugin is being made.
    public func debug(_ message: String) { write(0, message) }

    /// Writes what an operator may want to know.
    public func info(_ message: String) { write(1, message) }

    /// Writes what an operator should look at.
    public func warning(_ message: String) { write(2, message) }

    /// Writes what went wrong.
    public func error(_ message: String) { write(3, message) }

    private func write(_ level: UInt32, _ message: String) {
        guard let functions = unsafe functions, let write = unsafe functions.pointee.write else {
            return
        }
        var message = message
        message.withUTF8 { bytes in
            var text = unsafe ph_text()
            unsafe text.data = UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(
                to: CChar.self)
            unsafe text.length = bytes.count
            _ = unsafe write(host, level, text)
        }
    }
}
