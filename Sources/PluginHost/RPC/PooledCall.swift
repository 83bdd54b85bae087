import CLinux
import CPluginABI
import Dispatch
import DynamicLibrary
import HostModel
import Synchronization

/// A call of a method that may take its time, from being taken on until nothing of it is left.
///
/// Two things happen to it, in either order. It is settled, once: by the provider's reply, the
/// method's return, its deadline, its being called off, or the end of either plugin; then the
/// caller's receiver is called. And its provider is done with it: then the payload is given back
/// and the endpoint left.
///
/// `@unchecked Sendable` because its addresses are constant, and what changes is behind the lock.
@safe
final class PooledCall: @unchecked Sendable {
    /// What the caller has asked for.
    @unsafe
    struct Order {
        var method: EndpointPointer
        var name: String
        var payload: UnsafeRawBufferPointer
        /// Given when the payload is lent: what tells that it is not needed any more.
        var release: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?
        var releaseContext: UnsafeMutableRawPointer?
        var receive: InlineCall.Receiver?
        var context: UnsafeMutableRawPointer?
        /// Whether the calling thread waits.
        var isAwaited: Bool
        /// When it ends, in nanoseconds of the monotonic clock.
        var expires: UInt64
    }

    private struct State {
        var isSettled = false
        /// The method has returned without having completed the call.
        var isPending = false
        var status: ph_status = 0
        /// The kernel's id of the thread that the method runs on; 0: on none.
        var thread: Int32 = 0
        var deadline: Deadline?
        var calledOff: (@Sendable () -> Void)?
    }

    private static let lastTicket = Atomic<UInt64>(0)

    let ticket = lastTicket.add(1, ordering: .relaxed).newValue
    let began = ContinuousClock.now
    private let order: Order
    private let caller: Member
    private let callerImage: UInt32
    private let provider: Member
    /// Who waits for this call, the caller last, and how deep it is.
    private let images: [UInt32]
    private let depth: Int
    /// Whether somebody waits, here or in the process that the call comes from.
    let isAwaited: Bool
    /// Whether the caller goes on meanwhile and is told: then its code is needed until it has been.
    private let isHeard: Bool
    /// Whether the payload is lent: then the caller's code is needed until it has been given back.
    private let isLent: Bool
    private let record: CallPointer
    private let word: UInt64
    private let delivered: DispatchSemaphore?
    private let state = Mutex(State())

    /// - Parameter order: its method has been entered, and is left in the end.
    init(
        unsafe order: Order, caller: Member, callerImage: UInt32, provider: Member,
        frames: UnsafeMutablePointer<CallFrames>
    ) {
        var order = unsafe order
        if unsafe order.release == nil, unsafe !order.payload.isEmpty {
            let copy = unsafe UnsafeMutableRawBufferPointer.allocate(
                byteCount: order.payload.count, alignment: 16)
            unsafe copy.copyMemory(from: order.payload)
            unsafe order.payload = UnsafeRawBufferPointer(copy)
        }
        unsafe self.order = unsafe order
        self.caller = caller
        self.callerImage = callerImage
        self.provider = provider
        images = unsafe frames.pointee.images(with: callerImage)
        depth = unsafe frames.pointee.depth + 1
        isAwaited = unsafe order.isAwaited || frames.pointee.isAwaitedElsewhere
        isHeard = unsafe !order.isAwaited && order.receive != nil
        isLent = unsafe order.release != nil
        delivered = unsafe order.isAwaited ? DispatchSemaphore(value: 0) : nil
        unsafe record = CallPointer.take()
        unsafe record.record.pointee.pooled = nil
        word = unsafe record.begin()
    }

    /// Hands the call to the provider's pool.
    ///
    /// - Returns: why that was not possible; then nobody is told and nothing is left of the call.
    func begin() -> ph_status {
        unsafe record.record.pointee.pooled = .passRetained(self)
        if isHeard { caller.gate.pin() }
        if isLent { caller.gate.pin() }
        if isHeard, !caller.calls.begin(outgoing: self) {
            undo()
            return ph_status(PH_WRONG_STATE)
        }
        provider.calls.begin(incoming: self)
        let isCircular = isAwaited && images.contains(provider.party)
        guard let pool = provider.pool, pool.submit(mayWait: !isCircular, { self.run() }) else {
            guard unsafe record.claim(word) else {
                // Somebody has called it off in the meantime, and the caller has been told.
                providerIsDone()
                return ph_status(PH_OK)
            }
            unsafe record.complete(word)
            caller.calls.end(outgoing: self)
            provider.calls.end(incoming: self)
            undo()
            return ph_status(isCircular ? PH_CYCLE : PH_BUSY)
        }
        if isHeard {
            state.withLock { state in
                guard !state.isSettled else { return }
                let left = unsafe Int64(clamping: order.expires &- min(order.expires, Self.now))
                state.deadline = Deadline(after: .nanoseconds(left)) { [weak self] in
                    self?.expire()
                }
            }
        }
        return ph_status(PH_OK)
    }

    /// Waits until the call is settled, for which it sees itself when its time has passed.
    func wait() -> ph_status {
        guard let delivered else { return ph_status(PH_INVALID) }
        let time = unsafe DispatchTime(uptimeNanoseconds: order.expires)
        if delivered.wait(timeout: time) == .timedOut, !settle(ph_status(PH_TIMED_OUT)) {
            delivered.wait()
        }
        return state.withLock { $0.status }
    }

    static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }

    // MARK: - Settling

    /// Settles the call without a reply; false when it is settled, or about to be.
    @discardableResult
    func settle(_ status: ph_status) -> Bool {
        guard unsafe record.claim(word) else { return false }
        unsafe deliver(status, 0, unsafe CallWords.bytes(for: status), isCalledOff: true)
        return true
    }

    /// Has a closure called once nobody wants the reply any more, which may be now; never, if the
    /// provider settles the call.
    func whenCalledOff(_ body: @escaping @Sendable () -> Void) {
        let isOver = state.withLock { state in
            if !state.isSettled { state.calledOff = body }
            return state.isSettled
        }
        if isOver { body() }
    }

    /// Settles the call, which has been claimed.
    func deliver(
        _ status: ph_status, _ code: Int32, _ reply: ph_bytes, isCalledOff: Bool = false
    ) {
        if let receive = unsafe order.receive {
            let former = ImageContext.enter(callerImage)
            unsafe receive(order.context, status, code, reply)
            ImageContext.leave(former)
        }
        let (wasPending, deadline, calledOff) = state.withLock { state in
            state.isSettled = true
            state.status = status
            provider.calls.counts.noteEnd(status)
            defer {
                state.deadline = nil
                state.calledOff = nil
            }
            return (state.isPending, state.deadline, state.calledOff)
        }
        deadline?.cancel()
        if isCalledOff { calledOff?() }
        unsafe record.complete(word)
        let me = unsafe record.record.pointee.pooled?.takeRetainedValue()
        unsafe record.giveBack()
        if isHeard { caller.calls.end(outgoing: self) }
        delivered?.signal()
        if isHeard { caller.gate.leave() }
        if wasPending { me?.providerIsDone() }
    }

    /// The time has passed. The receiver is not called here, where all deadlines of the host wait
    /// for it.
    private func expire() {
        let settle: @Sendable () -> Void = { self.settle(ph_status(PH_TIMED_OUT)) }
        if caller.pool?.submit(settle) == true { return }
        if !OwnThread.start("late-call", settle) { settle() }
    }

    // MARK: - Providing

    /// Does what was asked, unless nobody wants it any more; on a thread of the provider's pool.
    private func run() {
        guard unsafe record.isOwed(word) else { return providerIsDone() }
        state.withLock { $0.thread = linux_thread_id() }
        let frames = unsafe CallFramesPointer.current
        unsafe frames.pointee.depth = depth
        unsafe frames.pointee.depthElsewhere = depth
        unsafe frames.pointee.imagesElsewhere = images
        unsafe frames.pointee.expires = order.expires
        unsafe frames.pointee.pooled = .passUnretained(self)
        let endpoint = unsafe order.method.endpoint
        let payload = unsafe ph_bytes(
            data: order.payload.baseAddress?.assumingMemoryBound(to: UInt8.self),
            length: order.payload.count)
        let host = unsafe ImageContext.enter(endpoint.pointee.image)
        let status = unsafe endpoint.pointee.function(
            endpoint.pointee.context, record.handle(word), payload)
        ImageContext.leave(host)
        unsafe frames.pointee.depth = 0
        unsafe frames.pointee.depthElsewhere = 0
        unsafe frames.pointee.imagesElsewhere = []
        unsafe frames.pointee.expires = 0
        unsafe frames.pointee.pooled = nil
        returned(status)
    }

    private func returned(_ status: ph_status) {
        if status == ph_status(PH_PENDING) {
            let isSettled = state.withLock { state in
                state.thread = 0
                state.isPending = true
                return state.isSettled
            }
            if isSettled { providerIsDone() }
            return
        }
        if unsafe record.claim(word) {
            if status < 0 {
                unsafe deliver(
                    ph_status(PH_REFUSED), status,
                    unsafe CallWords.bytes(for: ph_status(PH_REFUSED)))
            } else {
                unsafe deliver(
                    ph_status(PH_NO_REPLY), 0,
                    unsafe CallWords.bytes(for: ph_status(PH_NO_REPLY)))
            }
        }
        providerIsDone()
    }

    /// Gives back what the provider was lent; its generation may be gone when this returns.
    private func providerIsDone() {
        giveBackPayload()
        provider.calls.end(incoming: self)
        if isLent { caller.gate.leave() }
        unsafe order.method.leave()
    }

    private func giveBackPayload() {
        if let release = unsafe order.release {
            let former = ImageContext.enter(callerImage)
            unsafe release(order.releaseContext)
            ImageContext.leave(former)
        } else if unsafe !order.payload.isEmpty {
            unsafe order.payload.deallocate()
        }
    }

    /// Takes back what `begin` has done.
    private func undo() {
        if unsafe order.release == nil, unsafe !order.payload.isEmpty {
            unsafe order.payload.deallocate()
        }
        let me = unsafe record.record.pointee.pooled?.takeRetainedValue()
        unsafe record.record.pointee.word.store(word | 3, ordering: .releasing)
        unsafe record.giveBack()
        withExtendedLifetime(me) {}
        if isHeard { caller.gate.leave() }
        if isLent { caller.gate.leave() }
        unsafe order.method.leave()
    }

    // MARK: - Telling

    /// The call as the status of its provider tells of it.
    func asProvided(at now: ContinuousClock.Instant) -> String {
        let seconds = Int((began.duration(to: now) / .seconds(1)).rounded())
        let (thread, isPending) = state.withLock { ($0.thread, $0.isPending) }
        let place =
            thread != 0
            ? "runs on thread \(thread)"
            : isPending ? "is to be completed later" : "waits for a thread"
        return unsafe "\(caller.name)'s call of \(order.name) \(place) since \(seconds) s"
    }

    /// The call as the status of its caller tells of it.
    func asAsked(at now: ContinuousClock.Instant) -> String {
        let seconds = Int((began.duration(to: now) / .seconds(1)).rounded())
        return unsafe "it waits for \(order.name) of \(provider.name) since \(seconds) s"
    }
}
