import CPluginABI

/// What a plugin offers the host beside its answers.
///
/// It is Sendable because it is written by the plugin's `init` and `start` only, and read by the
/// host after them.
final class Offers: @unchecked Sendable {
    #if hasFeature(Embedded)
        typealias Change = @Sendable (Configuration) throws(PluginError) -> Void
    #else
        typealias Change = @Sendable (Configuration) async throws -> Void
    #endif

    var handOver: HandOver?
    var change: Change?
}

/// How a plugin hands its state on.
struct HandOver: Sendable {
    #if hasFeature(Embedded)
        typealias Save = @Sendable () throws(PluginError) -> [UInt8]
        typealias Restore = @Sendable (SavedState) throws(PluginError) -> Void
    #else
        typealias Save = @Sendable () async throws -> [UInt8]
        typealias Restore = @Sendable (SavedState) async throws -> Void
    #endif

    let schemaVersion: UInt32
    let isQuiet: Bool
    let save: Save
    let restore: Restore
}

extension Instance {
    /// Runs a function of the plugin to its end.
    ///
    /// - Returns: why it refused; empty when it did not.
    #if hasFeature(Embedded)
        private func run(_ work: () throws(PluginError) -> Void) -> String {
            do throws(PluginError) {
                try work()
                return ""
            } catch {
                return describe(error)
            }
        }
    #else
        private func run(_ work: @escaping @Sendable () async throws -> Void) -> String {
            let refusal = runtime.run(before: nil) { () async -> String in
                do {
                    try await work()
                    return ""
                } catch {
                    return describe(error)
                }
            }
            return refusal ?? "it did not end"
        }
    #endif

    /// Tells the plugin of another configuration, which the host lends.
    func change(
        unsafe held: OpaquePointer?, _ error: UnsafeMutablePointer<ph_error>?
    ) -> ph_status {
        guard let held = unsafe held, let change = offers.change,
            let service = unsafe log.host.service(Service.configuration.id)
        else { return wrongState }
        let functions = unsafe service.assumingMemoryBound(to: ph_config.self)
        let configuration = unsafe Configuration(unsafe: held, functions)
        #if hasFeature(Embedded)
            let refusal = run { () throws(PluginError) in try change(configuration) }
        #else
            let refusal = run { try await change(configuration) }
        #endif
        return refusal.utf8.isEmpty ? done : unsafe Complaint(unsafe: error).fail(refusal)
    }

    /// Writes the plugin's state.
    func save(
        unsafe writer: UnsafeMutablePointer<ph_state_writer>?,
        _ version: UnsafeMutablePointer<UInt32>?, _ error: UnsafeMutablePointer<ph_error>?
    ) -> ph_status {
        guard let writer = unsafe writer, let version = unsafe version,
            let write = unsafe writer.pointee.write, let handOver = offers.handOver
        else { return wrongState }
        let saved = SharedBytes()
        #if hasFeature(Embedded)
            let refusal = run { () throws(PluginError) in saved.bytes = try handOver.save() }
        #else
            let refusal = run { saved.bytes = try await handOver.save() }
        #endif
        guard refusal.utf8.isEmpty else { return unsafe Complaint(unsafe: error).fail(refusal) }
        unsafe version.pointee = handOver.schemaVersion
        return unsafe saved.bytes.withUnsafeBufferPointer { bytes in
            var piece = unsafe ph_bytes()
            unsafe piece.data = bytes.baseAddress
            unsafe piece.length = bytes.count
            return unsafe write(writer, piece)
        }
    }

    /// Takes over what another generation wrote.
    func restore(
        unsafe piece: ph_bytes, _ version: UInt32, _ error: UnsafeMutablePointer<ph_error>?
    ) -> ph_status {
        guard let handOver = offers.handOver else { return wrongState }
        let bytes = unsafe UnsafeBufferPointer(start: piece.data, count: piece.length)
        let saved = unsafe SavedState(schemaVersion: version, bytes: Array(bytes))
        #if hasFeature(Embedded)
            let refusal = run { () throws(PluginError) in try handOver.restore(saved) }
        #else
            let refusal = run { try await handOver.restore(saved) }
        #endif
        return refusal.utf8.isEmpty ? done : unsafe Complaint(unsafe: error).fail(refusal)
    }
}

/// Bytes that one thread writes while another one waits for it.
///
/// It is Sendable because of that: nobody touches it at the same time.
private final class SharedBytes: @unchecked Sendable {
    var bytes: [UInt8] = []
}
