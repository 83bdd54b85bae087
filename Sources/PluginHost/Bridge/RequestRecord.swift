internal import CPluginABI
internal import HTTPServer
internal import HTTPWire
internal import Synchronization

/// What the host keeps for one request to a plugin: lies in the exchange's application storage.
///
/// A `ph_response` is its `SerialHandle`.
///
/// - Shape: the fields below, then the parameters, then the text of the peer's address.
@unsafe
struct RequestRecord: ~Copyable {
    /// The most bytes of the storage that may be used.
    static let bytesMax = 576
    static let parametersOffset = 224
    static let addressOffset =
        parametersOffset + RoutePattern.parametersMax * MemoryLayout<ByteSlice>.stride
    static let addressBytesMax = Exchange.remoteEndpointBytesMax

    /// How far the plugin has come with its response.
    enum Phase: UInt64 {
        /// No plugin may use the record.
        case free = 0
        /// Nothing has been given.
        case owed = 1
        /// Status and headers have been given.
        case begun = 2
        /// The plugin has completed it.
        case complete = 3
    }

    static let phaseMask: UInt64 = 0xFF
    /// Set while a function of the plugin's observer runs.
    static let observing: UInt64 = 0x100
    /// Set while hooks are to see the head of the response.
    static let hooked: UInt64 = 0x200

    /// The serial number, `observing` and the phase.
    let word = Atomic<UInt64>(0)
    var exchange: Exchange
    var serving: UnsafeMutablePointer<ServingRecord>
    var route: UInt32
    var isInHandle: Bool
    var hasObserver: Bool
    /// Whether the server is to call the observer once `handle` has returned.
    var observerWaits: Bool
    /// The observer's functions and context, where there is one.
    var context: UnsafeMutableRawPointer?
    var onBody: (@convention(c) (UnsafeMutableRawPointer?, ph_bytes, UInt32) -> ph_status)?
    var onWritable: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?
    var onClosed: (@convention(c) (UnsafeMutableRawPointer?, ph_status) -> Void)?
    var onDraining: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?
    /// How much of a streamed body may still come.
    var bodyBytesLeft: UInt64
    /// When the request was routed, by the processor's counter.
    var beganTicks: UInt64
    /// When the call of `handle` returned that answered it; 0 where it is answered otherwise.
    var answeredTicks: UInt64
    var request: ph_request
}

/// The address of a record.
@unsafe
struct RecordPointer {
    let address: UnsafeMutableRawPointer

    /// The record in an exchange's storage.
    @inline(__always)
    init(_ exchange: Exchange) { unsafe address = exchange.applicationStorage }

    @inline(__always)
    init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

    @inline(__always)
    var record: UnsafeMutablePointer<RequestRecord> {
        unsafe address.assumingMemoryBound(to: RequestRecord.self)
    }

    /// What the plugin is shown of the request; it stays where it is.
    @inline(__always)
    var request: UnsafeMutablePointer<ph_request> {
        unsafe withUnsafeMutablePointer(to: &record.pointee.request) { unsafe $0 }
    }

    @inline(__always)
    var parameters: UnsafeMutablePointer<ByteSlice> {
        unsafe (address + RequestRecord.parametersOffset).assumingMemoryBound(to: ByteSlice.self)
    }

    /// What the plugin is handed as its response.
    @inline(__always)
    var response: OpaquePointer? {
        unsafe SerialHandle.make(address, word: record.pointee.word.load(ordering: .relaxed))
    }

    /// The record of a response, and its word; nil when the response was completed and released.
    @inline(__always)
    static func of(_ response: OpaquePointer?) -> (RecordPointer, word: UInt64)? {
        guard let address = unsafe SerialHandle.address(of: response, alignment: 16) else {
            return nil
        }
        let pointer = unsafe RecordPointer(address)
        let word = unsafe pointer.record.pointee.word.load(ordering: .acquiring)
        guard unsafe SerialHandle.isCurrent(response, word: word) else { return nil }
        return unsafe (pointer, word)
    }

    /// Starts a new use of the storage; nobody has a response of it yet.
    @inline(__always)
    func renew() {
        let word = unsafe record.pointee.word.load(ordering: .relaxed)
        unsafe record.pointee.word.store(
            SerialHandle.next(after: word, RequestRecord.Phase.free.rawValue), ordering: .relaxed)
    }

    /// Whether nothing has been given and no hook is to see what is.
    @inline(__always)
    static func isOwedWithoutHooks(_ word: UInt64) -> Bool {
        unsafe word & (RequestRecord.phaseMask | RequestRecord.hooked)
            == RequestRecord.Phase.owed.rawValue
    }

    @inline(__always)
    static func phase(_ word: UInt64) -> RequestRecord.Phase {
        unsafe RequestRecord.Phase(rawValue: word & RequestRecord.phaseMask) ?? .free
    }

    /// The same word with another phase.
    @inline(__always)
    static func word(_ word: UInt64, _ phase: RequestRecord.Phase) -> UInt64 {
        unsafe word & ~RequestRecord.phaseMask | phase.rawValue
    }

    /// Changes the phase on the loop's thread, where observers run as well.
    @inline(__always)
    func set(_ phase: RequestRecord.Phase, from word: UInt64) {
        unsafe record.pointee.word.store(Self.word(word, phase), ordering: .releasing)
    }

    /// Changes the phase on another thread; false when the word is not what the caller has seen,
    /// but for an observer that has begun or ended.
    func exchangePhase(_ phase: RequestRecord.Phase, from seen: UInt64) -> Bool {
        var expected = seen
        while true {
            let (exchanged, original) = unsafe record.pointee.word.compareExchange(
                expected: expected, desired: Self.word(expected, phase),
                ordering: .acquiringAndReleasing)
            if exchanged { return true }
            guard unsafe (original ^ seen) & ~RequestRecord.observing == 0 else { return false }
            expected = original
        }
    }
}
