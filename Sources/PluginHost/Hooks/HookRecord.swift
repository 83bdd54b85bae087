import CPluginABI
import Synchronization

/// A hook at the request or the response point as the request path sees it; lives as long as its
/// `RegisteredHook`.
@unsafe
struct HookRecord: ~Copyable {
    typealias Enter =
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafePointer<ph_request_call>?
        ) -> ph_status
    typealias Leave =
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafePointer<ph_request_call>?,
            UnsafePointer<ph_request_outcome>?
        ) -> ph_status
    typealias Respond =
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafePointer<ph_request_call>?, OpaquePointer?
        ) -> ph_status

    let context: UnsafeMutableRawPointer?
    let enter: Enter?
    let leave: Leave?
    let respond: Respond?
    /// The number of its image in the ledger's books.
    let image: UInt32
    /// Its generation, and a `HookCell` for each reactor, from when it takes effect.
    var serving: UnsafeMutablePointer<ServingRecord>?
    var cells: UnsafeMutableRawPointer?
    /// Whether it is out because it has failed too often.
    let isDisabled = Atomic<Bool>(false)
    /// Whether its calls run on the plugin's pool: as declared, or since one has overrun.
    let isPooled: Atomic<Bool>
    var owner: Unmanaged<RegisteredHook>?
    /// What leads to its functions where they are in another process.
    let remote: Unmanaged<RemoteHook>?

    /// Counts a call; on the reactor's thread.
    @inline(__always)
    func countCall(_ reactor: Int) {
        guard let cells = unsafe cells else { return }
        let cell = unsafe (cells + reactor &* HookCell.strideBytes).assumingMemoryBound(
            to: HookCell.self)
        unsafe ReactorSlot.add(1, to: cell.pointee.calls)
    }
}

/// What one reactor counts for one hook; only its thread writes.
struct HookCell: ~Copyable {
    static let strideBytes = 64

    let calls = Atomic<Int>(0)
}
