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
    /// What the request is called that the lines are about.
    private var requestID = ""

    /// - Parameter isWanted: whether the manifest asks for the service; else the host is not asked,
    ///   since it logs what it denies.
    init(unsafe host: UnsafePointer<ph_host>, isWanted: Bool) {
        unsafe self.host = host
        unsafe functions =
            isWanted ? host.service(Service.log.id)?.assumingMemoryBound(to: ph_log.self) : nil
    }

    /// The same log, with the request's name in each line.
    public func about(_ request: borrowing Request) -> Log { about(request.responder) }

    func about(_ responder: Responder) -> Log {
        guard let functions = unsafe functions,
            unsafe Int(functions.pointee.size) >= MemoryLayout<ph_log>.size
        else { return self }
        var log = self
        log.requestID = responder.requestID
        return log
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
            var name = requestID
            let isWritten = name.withUTF8 { name in
                guard !name.isEmpty, let about = unsafe functions.pointee.write_about else {
                    return false
                }
                var request = unsafe ph_text()
                unsafe request.data = UnsafeRawPointer(name.baseAddress)?.assumingMemoryBound(
                    to: CChar.self)
                unsafe request.length = name.count
                return unsafe about(host, request, level, text) >= done
            }
            if !isWritten { _ = unsafe write(host, level, text) }
        }
    }
}
