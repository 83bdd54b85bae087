import CPluginABI
import Synchronization

/// A call that is carried out on its caller's thread, as its provider sees it.
///
/// Its `ph_call` is the address of such a record, marked by bit 0, with a serial number in the
/// upper 16 bits, which no user-space address has. The record's word is the same number as long as
/// the call is to be completed, so one comparison tells a call of now from any of before. Records
/// belong to a thread and are never freed.
@unsafe
struct InlineCall: ~Copyable {
    typealias Receiver =
        @convention(c) (
            UnsafeMutableRawPointer?, ph_status, Int32, ph_bytes
        ) -> Void

    /// Tells such a call from one that runs on a pool.
    static let mark: UInt64 = 1
    /// From the word of a call that is complete to that of the next one.
    static let next = 1 << 48 | mark
    static let addressMask: UInt64 = 0xFFFF_FFFF_FFF8

    /// What the provider is handed; without the mark, once the call is complete.
    let word: Atomic<UInt64>
    var receive: Receiver?
    var context: UnsafeMutableRawPointer?
    /// Whom the receiver belongs to.
    var callerImage: UInt32 = 0
    /// What came of a call that is complete.
    var status: ph_status = 0
    /// Of which thread it is one.
    let owner: UnsafeMutablePointer<CallFrames>

    init(at address: UnsafeMutablePointer<InlineCall>, of owner: UnsafeMutablePointer<CallFrames>) {
        unsafe word = Atomic(UInt64(UInt(bitPattern: address)))
        unsafe self.owner = unsafe owner
    }

    /// The record of a call that is still to be completed; nil when it is over.
    @inline(__always)
    static func owed(_ handle: UInt64) -> UnsafeMutablePointer<InlineCall>? {
        guard
            let record = unsafe UnsafeMutablePointer<InlineCall>(
                bitPattern: UInt(truncatingIfNeeded: handle & addressMask)),
            unsafe record.pointee.word.load(ordering: .acquiring) == handle
        else { return nil }
        return unsafe record
    }
}
