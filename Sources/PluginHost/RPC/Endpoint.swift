import CPluginABI
import HostModel
import Synchronization

/// One method of one generation that serves: what a handle leads to.
///
/// Endpoints are never freed, only used again with the next stamp. So whoever follows a handle may
/// enter whatever it led to a moment ago, and learns from the same operation whether that is still
/// there: a call to another plugin costs two atomic operations and no lock.
///
/// Together the endpoints of a generation hold its gate: each is counted in it while it is open or
/// somebody is inside.
@unsafe
struct Endpoint: ~Copyable {
    typealias Function =
        @convention(c) (
            UnsafeMutableRawPointer?, OpaquePointer?, ph_bytes
        ) -> ph_status

    /// What the method is called.
    final class Label: Sendable {
        let key: OfferedMethod.Key
        /// As it is told to operators.
        let text: String

        init(_ key: OfferedMethod.Key) {
            self.key = key
            text = key.description
        }
    }

    /// Set in `flags`, beside those of the ABI, while hooks hang on the point of calls.
    static let isHooked: UInt32 = 1 << 31

    /// Set when no more callers are let in.
    static let closed: UInt64 = 1 << 32
    /// Set, with `closed`, while it is not in use.
    static let free: UInt64 = 1 << 33
    static let countMask: UInt64 = 0xFFFF_FFFF
    static let stampShift: UInt64 = 48

    /// The stamp in the upper 16 bits, `closed` and `free`, and in the lower half who is inside.
    let word = Atomic<UInt64>(closed | free)
    var function: Function = { _, _, _ in ph_status(PH_GONE) }
    var context: UnsafeMutableRawPointer?
    var image: UInt32 = 0
    let flags = Atomic<UInt32>(0)
    var member: Unmanaged<Member>?
    var label: Unmanaged<Label>?
    var next: EndpointPointer?
}

/// The address of an endpoint.
@unsafe
struct EndpointPointer: @unchecked Sendable {  // because it is only an address
    let endpoint: UnsafeMutablePointer<Endpoint>

    private static let unused = unsafe Mutex<EndpointPointer?>(nil)
    private static let slabCount = 64

    @inline(__always)
    private init(_ endpoint: UnsafeMutablePointer<Endpoint>) { unsafe self.endpoint = endpoint }

    /// The endpoint of a target, which need not be open any more.
    @inline(__always)
    init?(target: UInt) {
        guard
            let endpoint = unsafe UnsafeMutablePointer<Endpoint>(
                bitPattern: target & 0xFFFF_FFFF_FFFF)
        else { return nil }
        unsafe self.endpoint = endpoint
    }

    /// What handles are made to lead to: the address, and the stamp in the upper 16 bits.
    var target: UInt {
        let word = unsafe endpoint.pointee.word.load(ordering: .relaxed)
        return unsafe UInt(bitPattern: endpoint) | UInt(word >> Endpoint.stampShift) << 48
    }

    /// Opens an endpoint for a method of a generation that begins to serve.
    static func open(
        _ method: OfferedMethod, of member: Member, isHooked: Bool
    ) -> EndpointPointer {
        let pointer = unsafe take()
        let endpoint = unsafe pointer.endpoint
        unsafe endpoint.pointee.function = unsafe method.function
        unsafe endpoint.pointee.context = unsafe method.context
        unsafe endpoint.pointee.flags.store(
            method.flags | (isHooked ? Endpoint.isHooked : 0), ordering: .relaxed)
        unsafe endpoint.pointee.image = member.image
        unsafe endpoint.pointee.member = .passRetained(member)
        unsafe endpoint.pointee.label = .passRetained(Endpoint.Label(method.key))
        member.gate.pin()
        // Somebody who comes much too late may be counted just now: the count is left alone.
        unsafe endpoint.pointee.word.bitwiseXor(
            Endpoint.closed | Endpoint.free, ordering: .releasing)
        return unsafe pointer
    }

    private static func take() -> EndpointPointer {
        unsafe unused.withLock { unused in
            if unsafe unused == nil {
                let slab = unsafe UnsafeMutablePointer<Endpoint>.allocate(capacity: slabCount)
                for index in unsafe 0..<slabCount {
                    unsafe (slab + index).initialize(to: Endpoint())
                    unsafe (slab + index).pointee.next = unused
                    unsafe unused = EndpointPointer(slab + index)
                }
            }
            guard let taken = unsafe unused else { preconditionFailure("a slab is empty") }
            unsafe unused = taken.endpoint.pointee.next
            return unsafe taken
        }
    }

    /// Counts a caller in; false, and nothing to leave, when the target is not there any more.
    @inline(__always)
    func enter(_ target: UInt) -> Bool {
        let former = unsafe endpoint.pointee.word.wrappingAdd(1, ordering: .acquiring).oldValue
        if _fastPath(former >> 32 == UInt64(target >> 48) << 16) { return true }
        unsafe leave()
        return false
    }

    /// Counts a caller out; the generation may be gone when this returns.
    @inline(__always)
    func leave() {
        let word = unsafe endpoint.pointee.word.wrappingSubtract(
            1, ordering: .acquiringAndReleasing
        ).newValue
        if unsafe _slowPath(word & Endpoint.closed != 0) { unsafe hasLeft(word) }
    }

    /// Somebody has left who was inside when no more were let in.
    @inline(never)
    private func hasLeft(_ word: UInt64) {
        if unsafe word & (Endpoint.free | Endpoint.countMask) == 0 { unsafe giveBack(word) }
    }

    /// Has calls pass by the hooks of their point, or not any more.
    func hook(_ isHooked: Bool) {
        if isHooked {
            unsafe endpoint.pointee.flags.bitwiseOr(Endpoint.isHooked, ordering: .relaxed)
        } else {
            unsafe endpoint.pointee.flags.bitwiseAnd(~Endpoint.isHooked, ordering: .relaxed)
        }
    }

    /// How calls are made.
    var flags: UInt32 { unsafe endpoint.pointee.flags.load(ordering: .relaxed) }

    /// Lets nobody in any more; when the last one has left, the endpoint goes.
    func close() {
        let word = unsafe endpoint.pointee.word.bitwiseOr(
            Endpoint.closed, ordering: .acquiringAndReleasing
        ).newValue
        if unsafe word & Endpoint.countMask == 0 { unsafe giveBack(word) }
    }

    /// Who is inside, as far as this thread can see.
    var inFlight: Int {
        unsafe Int(endpoint.pointee.word.load(ordering: .relaxed) & Endpoint.countMask)
    }

    /// Ends this use of the endpoint, unless somebody else does or has come in between: then it is
    /// that one's turn.
    @inline(never)
    private func giveBack(_ word: UInt64) {
        let next = unsafe (word | Endpoint.free) &+ 1 << Endpoint.stampShift
        guard
            unsafe endpoint.pointee.word.compareExchange(
                expected: word, desired: next, ordering: .acquiringAndReleasing
            ).exchanged
        else { return }
        let member = unsafe endpoint.pointee.member?.takeRetainedValue()
        unsafe endpoint.pointee.member = nil
        unsafe endpoint.pointee.label?.release()
        unsafe endpoint.pointee.label = nil
        unsafe Self.unused.withLock { unused in
            unsafe endpoint.pointee.next = unused
            unsafe unused = self
        }
        member?.gate.leave()
    }
}
