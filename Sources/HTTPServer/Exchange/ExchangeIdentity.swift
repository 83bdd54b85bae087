import Glibc
public import HTTPWire
import Synchronization

/// Room for the names that the server gives an exchange when somebody asks for them.
struct ExchangeIdentity {
    fileprivate var request = InlineArray<32, UInt8>(repeating: 0)
    fileprivate var trace = InlineArray<55, UInt8>(repeating: 0)

    /// Which of the names have been made, for which use of the exchange's storage.
    struct Made: ~Copyable {
        fileprivate let request = Atomic<UInt64>(0)
        fileprivate let trace = Atomic<UInt64>(0)
    }

    /// What the names of one process have in common; unlike that of every other one.
    private static let process = UInt64.random(in: 1...UInt64.max)
    private static let key = UInt64.random(in: 0...UInt64.max)
    private static let count = Atomic<UInt64>(0)

    /// A number that no other request of this process has.
    ///
    /// The counter is scattered, which keeps it to itself how many requests there are.
    ///
    /// - Source: the last steps of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom
    ///   number generators), which lead from each number to another one.
    fileprivate static func nextNumber() -> (high: UInt64, low: UInt64) {
        var low = count.wrappingAdd(1, ordering: .relaxed).newValue &+ key
        low = (low ^ (low >> 30)) &* 0xBF58_476D_1CE4_E5B9
        low = (low ^ (low >> 27)) &* 0x94D0_49BB_1331_11EB
        return (process, low ^ (low >> 31))
    }

    /// Makes a name that belongs to no exchange.
    static func name() -> String {
        let number = nextNumber()
        return unsafe withUnsafeTemporaryAllocation(
            byteCount: RequestIdentifier.madeBytes, alignment: 1
        ) { room in
            unsafe RequestIdentifier.write(high: number.high, low: number.low, into: room)
            return unsafe String(decoding: room, as: UTF8.self)
        }
    }
}

extension Exchange {
    /// The request's name: the client's `X-Request-ID` if that is valid, else one that is made when
    /// it is first asked for, and that the response's head says if that is yet to come.
    ///
    /// May be read on every thread, as long as the response is owed.
    ///
    /// - Shape: see `RequestIdentifier`.
    public var requestID: ByteSlice {
        if state.head.hasRequestID, let given = givenID { return given }
        let entry = enterLoop()
        if entry.isOpen {
            if state.response == .none { carryID() }
            leaveLoop(entry)
        }
        return quietID
    }

    /// As `requestID`, but the response's head does not say it for that.
    public var quietID: ByteSlice {
        if state.head.hasRequestID, let given = givenID { return given }
        let made = unsafe make(
            state.remote.pointee.namesMade.request,
            withUnsafeMutableBytes(of: &state.identity.request) { unsafe $0 }
        ) {
            let number = ExchangeIdentity.nextNumber()
            unsafe RequestIdentifier.write(high: number.high, low: number.low, into: $0)
        }
        return unsafe ByteSlice(made)
    }

    /// Whether the request has a name by now.
    var isNamed: Bool {
        if state.head.hasRequestID { return true }
        let mark = unsafe state.remote.pointee.namesMade.request.load(ordering: .acquiring)
        return mark == self.mark(.made)
    }

    /// The client's `traceparent` if there is exactly one and it is valid, else one that is made
    /// when it is first asked for: a new trace, with a span of the server's as the caller.
    ///
    /// May be read on every thread, as long as the response is owed.
    ///
    /// - Source: W3C Trace Context, sections 3.2 and 4.3.
    public var traceparent: ByteSlice {
        if let given = givenTraceparent { return given }
        let made = unsafe make(
            state.remote.pointee.namesMade.trace,
            withUnsafeMutableBytes(of: &state.identity.trace) { unsafe $0 }
        ) {
            let trace = ExchangeIdentity.nextNumber()
            let span = ExchangeIdentity.nextNumber()
            unsafe TraceParent.write(
                traceHigh: trace.high, traceLow: trace.low, span: max(1, span.low), into: $0)
        }
        return unsafe ByteSlice(made)
    }

    /// Takes over the names that another server has made for the request; where they are empty, the
    /// client has given them.
    func adopt(requestID: ByteSlice, traceparent: ByteSlice) {
        if requestID.count == RequestIdentifier.madeBytes {
            _ = unsafe make(
                state.remote.pointee.namesMade.request,
                withUnsafeMutableBytes(of: &state.identity.request) { unsafe $0 }
            ) { unsafe $0.copyMemory(from: requestID.buffer) }
        }
        if traceparent.count == TraceParent.bytes {
            _ = unsafe make(
                state.remote.pointee.namesMade.trace,
                withUnsafeMutableBytes(of: &state.identity.trace) { unsafe $0 }
            ) { unsafe $0.copyMemory(from: traceparent.buffer) }
        }
    }

    /// Whether the client has given a `traceparent` that counts.
    var hasGivenTraceparent: Bool { givenTraceparent != nil }

    /// The first valid name that the client gave.
    private var givenID: ByteSlice? {
        for index in 0..<state.head.fieldCount {
            let field = unsafe state.fields[index]
            if field.name.equalsIgnoringCase("x-request-id"),
                RequestIdentifier.isValid(field.value)
            {
                return field.value
            }
        }
        return nil
    }

    /// The client's `traceparent`, nil if it is repeated or not valid.
    private var givenTraceparent: ByteSlice? {
        var given: ByteSlice?
        for index in 0..<state.head.fieldCount {
            let field = unsafe state.fields[index]
            guard field.name.equalsIgnoringCase("traceparent") else { continue }
            guard given == nil, TraceParent.isValid(field.value) else { return nil }
            given = field.value
        }
        return given
    }

    private enum Phase: UInt64 {
        case making = 1
        case made = 2
    }

    /// What says that a name has come so far in this use of the storage, so that no name has to be
    /// forgotten when the next one begins.
    private func mark(_ phase: Phase) -> UInt64 { UInt64(state.generation) << 2 | phase.rawValue }

    /// Has one thread write a name, and the others wait for the moment that this takes.
    private func make(
        _ made: borrowing Atomic<UInt64>, _ room: UnsafeMutableRawBufferPointer,
        _ write: (UnsafeMutableRawBufferPointer) -> Void
    ) -> UnsafeRawBufferPointer {
        while true {
            let seen = made.load(ordering: .acquiring)
            if seen == mark(.made) { return UnsafeRawBufferPointer(room) }
            guard seen != mark(.making) else {
                sched_yield()
                continue
            }
            let (isMine, _) = made.compareExchange(
                expected: seen, desired: mark(.making), ordering: .acquiring)
            guard isMine else { continue }
            unsafe write(room)
            made.store(mark(.made), ordering: .releasing)
        }
    }
}
