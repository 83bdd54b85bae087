internal import CPluginABI
internal import HTTPServer
internal import HTTPWire
internal import Synchronization

/// What the host keeps for one WebSocket of a plugin.
///
/// A `ph_socket` is its `SerialHandle`. Records are never freed, only used again with the next
/// serial number.
///
/// Two hold it: the host until `on_closed` has returned, the plugin until `release`.
@unsafe
struct SocketRecord: ~Copyable {
    /// How far a socket has come.
    enum Phase: UInt64 {
        case free = 0
        case open = 1
        /// `on_closed` is being called, or has been.
        case closed = 2
        /// The plugin has released it.
        case released = 3
    }

    static let phaseMask: UInt64 = 0xFF

    /// The serial number and the phase.
    let word = Atomic<UInt64>(0)
    let holders = Atomic<Int>(0)
    var socket: Unmanaged<WebSocket>?
    var serving: UnsafeMutablePointer<ServingRecord>?
    /// The route that it was accepted on.
    var route = 0
    var subprotocol = ByteSlice()
    var context: UnsafeMutableRawPointer?
    var onOpen: (@convention(c) (UnsafeMutableRawPointer?, ph_text) -> Void)?
    var onMessage:
        (@convention(c) (UnsafeMutableRawPointer?, UInt32, ph_bytes, UInt32) -> ph_status)?
    var onWritable: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?
    var onClosed: (@convention(c) (UnsafeMutableRawPointer?, UInt32, ph_text) -> Void)?
    var next: SocketPointer?
}

/// The address of a record.
@unsafe
struct SocketPointer: @unchecked Sendable {  // because it is only an address
    let address: UnsafeMutablePointer<SocketRecord>

    /// The records that are not in use.
    private static let free = unsafe Mutex<SocketPointer?>(nil)
    private static let slabCount = 32

    /// Takes a record, with a new serial number.
    static func take() -> SocketPointer {
        unsafe free.withLock { free in
            if unsafe free == nil {
                let slab = unsafe UnsafeMutablePointer<SocketRecord>.allocate(capacity: slabCount)
                for index in unsafe 0..<slabCount {
                    let one = unsafe SocketPointer(address: slab + index)
                    unsafe one.address.initialize(to: SocketRecord())
                    unsafe one.address.pointee.next = free
                    unsafe free = one
                }
            }
            guard let taken = unsafe free else { preconditionFailure("a slab is empty") }
            unsafe free = taken.address.pointee.next
            let word = unsafe taken.address.pointee.word.load(ordering: .relaxed)
            unsafe taken.address.pointee.word.store(
                SerialHandle.next(after: word, SocketRecord.Phase.open.rawValue),
                ordering: .releasing)
            unsafe taken.address.pointee.holders.store(2, ordering: .relaxed)
            return unsafe taken
        }
    }

    /// Notes whom the socket is of and what the plugin wants to be told.
    func fill(
        _ observer: UnsafePointer<ph_socket_observer>, _ request: RecordPointer,
        _ subprotocol: ByteSlice
    ) {
        unsafe address.pointee.serving = request.record.pointee.serving
        unsafe address.pointee.route = Int(request.record.pointee.route)
        unsafe address.pointee.context = unsafe observer.pointee.context
        unsafe address.pointee.onOpen = unsafe observer.pointee.on_open
        unsafe address.pointee.onMessage = unsafe observer.pointee.on_message
        unsafe address.pointee.onWritable = unsafe observer.pointee.on_writable
        unsafe address.pointee.onClosed = unsafe observer.pointee.on_closed
        let copy = UnsafeMutableRawBufferPointer.allocate(
            byteCount: subprotocol.count, alignment: 1)
        unsafe copy.copyMemory(from: subprotocol.buffer)
        unsafe address.pointee.subprotocol = ByteSlice(UnsafeRawBufferPointer(copy))
    }

    /// Gives the record back; nobody holds it.
    func giveBack() {
        let word = unsafe address.pointee.word.load(ordering: .relaxed)
        unsafe address.pointee.word.store(
            word & ~SocketRecord.phaseMask, ordering: .releasing)
        unsafe Self.free.withLock { free in
            unsafe address.pointee.next = free
            unsafe free = self
        }
    }

    /// What the plugin is handed.
    var handle: OpaquePointer? {
        unsafe SerialHandle.make(
            UnsafeMutableRawPointer(address), word: address.pointee.word.load(ordering: .relaxed))
    }

    /// The record of a handle; nil when it has been released.
    static func of(_ handle: OpaquePointer?) -> SocketPointer? {
        let alignment = unsafe UInt(MemoryLayout<SocketRecord>.alignment)
        guard let place = unsafe SerialHandle.address(of: handle, alignment: alignment) else {
            return nil
        }
        let address = unsafe place.assumingMemoryBound(to: SocketRecord.self)
        let pointer = unsafe SocketPointer(address: address)
        let word = unsafe address.pointee.word.load(ordering: .acquiring)
        guard unsafe SerialHandle.isCurrent(handle, word: word) else { return nil }
        let phase = unsafe word & SocketRecord.phaseMask
        guard
            phase == SocketRecord.Phase.open.rawValue
                || phase == SocketRecord.Phase.closed.rawValue
        else { return nil }
        return unsafe pointer
    }

    /// Moves from one phase to the next; false when it is not in that phase.
    func move(_ from: SocketRecord.Phase, to: SocketRecord.Phase) -> Bool {
        let word =
            unsafe address.pointee.word.load(ordering: .relaxed) & ~SocketRecord.phaseMask
        return unsafe address.pointee.word.compareExchange(
            expected: word | from.rawValue, desired: word | to.rawValue,
            ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// One of the two holders lets go; with the last, the record is free and the generation may
    /// leave.
    func letGo() {
        let left = unsafe address.pointee.holders.subtract(1, ordering: .acquiringAndReleasing)
        guard left.newValue == 0, let socket = unsafe address.pointee.socket else { return }
        unsafe address.pointee.socket = nil
        let owner = unsafe socket.takeRetainedValue()
        owner.onLoop {
            let serving = unsafe address.pointee.serving
            unsafe address.pointee.subprotocol.buffer.deallocate()
            unsafe address.pointee.subprotocol = ByteSlice()
            unsafe giveBack()
            unsafe serving?.pointee.socketEnded(owner.reactorIndex)
        }
    }
}
