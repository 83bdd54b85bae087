import CPluginABI
import HostModel
import Synchronization

/// What the plugin offers beside its core: to be told of its configuration, and to hand over its
/// state.
extension LoadedPlugin {
    /// Asks the plugin for an extension, on a lifecycle thread.
    func ask(for id: String) -> UInt? {
        guard let offer = unsafe code.offer else { return nil }
        let answer = unsafe withText(id) { id in unsafe offer(statePointer, id) }
        return unsafe answer.map { UInt(bitPattern: $0) }
    }

    // MARK: - Configuration

    private var observer:
        (
            @convention(c) (
                UnsafeMutableRawPointer?, OpaquePointer?, UnsafeMutablePointer<ph_error>?
            ) -> ph_status
        )?
    {
        guard let address = offers.observer,
            let table = unsafe UnsafePointer<ph_config_observer>(bitPattern: address),
            unsafe Int(table.pointee.size) >= MemoryLayout<ph_config_observer>.size
        else { return nil }
        return unsafe table.pointee.changed
    }

    var observesConfiguration: Bool { unsafe stuckReason == nil && observer != nil }

    nonisolated(nonsending) func change(
        to configuration: ConfigurationSnapshot, seconds: Int
    ) async throws(HostError) {
        guard let changed = unsafe observer else { return }
        unsafe try await act(
            "configure", seconds: seconds, failing: "configuration_refused"
        ) { me, error in
            let status = unsafe changed(
                me.statePointer, ConfigService.handle(configuration), error)
            withExtendedLifetime(configuration) {}
            return status
        }
    }

    // MARK: - State

    private var stateTable: UnsafePointer<ph_state>? {
        guard let address = offers.state,
            let table = unsafe UnsafePointer<ph_state>(bitPattern: address),
            unsafe Int(table.pointee.size) >= MemoryLayout<ph_state>.size
        else { return nil }
        return unsafe table
    }

    var savesState: Bool { unsafe stateTable?.pointee.save != nil }
    var restoresState: Bool { unsafe stateTable?.pointee.restore != nil }
    var savesQuietly: Bool {
        unsafe (stateTable?.pointee.flags ?? 0) & UInt32(PH_STATE_QUIET) != 0
    }

    nonisolated(nonsending) func save(seconds: Int) async throws(HostError) -> SavedState {
        guard let save = unsafe stateTable?.pointee.save else {
            preconditionFailure("a generation that saves nothing was asked to")
        }
        let collector = StateCollector()
        let version = Mutex<UInt32>(0)
        unsafe try await act("save", seconds: seconds, failing: "state_not_saved") { me, error in
            var number: UInt32 = 0
            let status = unsafe collector.lend { writer in
                unsafe save(me.statePointer, writer, &number, error)
            }
            version.withLock { $0 = number }
            return status
        }
        guard let bytes = collector.bytes else {
            throw HostError(
                "state_too_large", what: "plugin \"\(name)\": its state was not handed over",
                why: "it is more than \(SavedState.bytesMax >> 20) MiB",
                fix: "keep what is large on the disk")
        }
        return SavedState(schemaVersion: version.withLock { $0 }, bytes: bytes)
    }

    nonisolated(nonsending) func restore(
        _ saved: SavedState, seconds: Int
    ) async throws(HostError) {
        guard let restore = unsafe stateTable?.pointee.restore else { return }
        unsafe try await act(
            "restore", seconds: seconds, failing: "state_not_restored"
        ) { me, error in
            unsafe saved.bytes.withUnsafeBytes { bytes in
                let piece = unsafe ph_bytes(
                    data: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    length: bytes.count)
                return unsafe restore(me.statePointer, saved.schemaVersion, piece, error)
            }
        }
    }
}
