import CPluginABI
import Synchronization

/// What one generation hands to the next.
struct SavedState: Sendable {
    /// The most that is taken, in bytes.
    static let bytesMax = 64 << 20

    var schemaVersion: UInt32
    var bytes: [UInt8]
}

/// Where a generation writes its state.
final class StateCollector: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var isTooLong = false
    }

    private let state = Mutex(State())

    /// All that was written; nil when it was too much.
    var bytes: [UInt8]? { state.withLock { $0.isTooLong ? nil : $0.bytes } }

    /// Lends a writer for the length of one call.
    func lend<Result>(_ body: (UnsafeMutablePointer<ph_state_writer>) -> Result) -> Result {
        var writer = unsafe ph_state_writer(
            size: UInt32(MemoryLayout<ph_state_writer>.size),
            context: Unmanaged.passUnretained(self).toOpaque(),
            write: { writer, piece in
                guard let context = unsafe writer?.pointee.context,
                    unsafe piece.data != nil || piece.length == 0
                else { return ph_status(PH_INVALID) }
                let bytes = unsafe UnsafeRawBufferPointer(start: piece.data, count: piece.length)
                return unsafe Unmanaged<StateCollector>.fromOpaque(context)
                    .takeUnretainedValue().take(bytes)
            })
        return withExtendedLifetime(self) { unsafe body(&writer) }
    }

    private func take(_ piece: UnsafeRawBufferPointer) -> ph_status {
        let isTaken = state.withLock { state in
            guard piece.count <= SavedState.bytesMax - state.bytes.count else {
                state.isTooLong = true
                return false
            }
            unsafe state.bytes.append(contentsOf: piece)
            return true
        }
        return ph_status(truncatingIfNeeded: isTaken ? PH_OK : PH_LIMIT)
    }
}
