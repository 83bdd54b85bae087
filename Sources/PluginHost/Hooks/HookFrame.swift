import CPluginABI
import HTTPServer
import Synchronization

/// What the host keeps for one request that hooks see: who is called for it, how far it has come,
/// and what the hooks are shown.
///
/// It has its own copy of the chain, so that a request goes on with the hooks with which it began;
/// each of their generations is counted in until its hook has no more part in the request.
///
/// - Shape: the fields below, then an `Entry` for each hook.
@unsafe
struct HookFrame: ~Copyable {
    /// One hook of the chain.
    @unsafe
    struct Entry {
        let record: UnsafeMutablePointer<HookRecord>
        var word: UnsafeMutableRawPointer?
        /// Whether it is to be asked to leave.
        var owesLeave: Bool
        /// Whether its generation is counted in.
        var isCounted: Bool
        /// Which process of its plugin has entered, where that has some; 0: none.
        var place: Int32
    }

    /// What is called next.
    enum Stage: UInt8 {
        /// Hooks enter, from `position` on.
        case entering
        /// The plugin, or a hook in its place, has the request.
        case handed
        /// Hooks leave, down from `position`.
        case leaving
    }

    /// Frames for chains of up to this length are kept.
    private static let entriesKept: Int32 = 16
    private static let nobody: Int32 = -1

    fileprivate(set) var next: UnsafeMutablePointer<HookFrame>?
    private let desk: UnsafeMutablePointer<HookDesk>
    private let capacity: Int32
    private(set) var outerCount: Int32
    private(set) var replaceCount: Int32
    private(set) var respondCount: Int32
    var position: Int32
    var stage: Stage
    /// Whether hooks of the response are being called.
    var isResponding: Bool
    /// What the call that returned on another thread came to.
    var result: ph_status
    var call: ph_request_call
    var outcome: ph_request_outcome
    /// What a hook in another process has made of the request, until the next one has.
    private var answer: Unmanaged<HookAnswer>?
    private var hasAnswer: Bool
    /// The head of a response that a process has given, while hooks look at it.
    private var head: Unmanaged<ResponseHead>?
    /// The entry that is being called, or `nobody`.
    private let current: Atomic<Int32>

    /// How many take part before the response: those that enter or leave, and those that replace.
    var requestCount: Int32 { unsafe outerCount + replaceCount }

    /// The index of the entry that is being called.
    var calledIndex: Int32? {
        get {
            let index = unsafe current.load(ordering: .relaxed)
            return unsafe index == Self.nobody ? nil : index
        }
        nonmutating set {
            unsafe current.store(newValue ?? Self.nobody, ordering: .relaxed)
        }
    }

    /// Makes a frame for a request that is about to be handed to a plugin; on the loop's thread.
    static func make(
        _ links: UnsafePointer<RequestChain.Links>, _ exchange: Exchange, _ pointer: RecordPointer
    ) -> UnsafeMutablePointer<HookFrame> {
        let reactor = exchange.reactorIndex
        let count = unsafe links.pointee.count
        let desk = unsafe (links.pointee.desks + reactor * HookDesk.strideBytes)
            .assumingMemoryBound(to: HookDesk.self)
        let frame: UnsafeMutablePointer<HookFrame>
        var capacity = count
        if unsafe count <= entriesKept {
            capacity = unsafe entriesKept
            if let spare = unsafe desk.pointee.spare {
                unsafe desk.pointee.spare = spare.pointee.next
                unsafe frame = spare
            } else {
                unsafe frame = allocate(capacity)
            }
        } else {
            unsafe frame = allocate(capacity)
        }
        var call = unsafe ph_request_call()
        unsafe call.size = UInt32(MemoryLayout<ph_request_call>.size)
        unsafe call.request = UnsafePointer(pointer.request)
        unsafe call.response = pointer.response
        unsafe tell(&call, pointer)
        unsafe frame.initialize(
            to: HookFrame(
                next: nil, desk: desk, capacity: capacity, outerCount: links.pointee.outerCount,
                replaceCount: links.pointee.replaceCount,
                respondCount: links.pointee.respondCount, position: 0, stage: .entering,
                isResponding: false, result: 0, call: call, outcome: ph_request_outcome(),
                answer: nil, hasAnswer: false, head: nil, current: Atomic(nobody)))
        for index in 0..<count {
            let record = unsafe links.pointee.records[Int(index)]
            unsafe record.pointee.serving?.pointee.hookBegan(reactor)
            let isAfter = unsafe record.pointee.enter == nil && record.pointee.leave != nil
            unsafe entry(frame, index).initialize(
                to: Entry(
                    record: record, word: nil, owesLeave: isAfter, isCounted: true, place: 0))
        }
        return unsafe frame
    }

    /// Tells the hooks of an exchange which generation has its request now, and by which route.
    static func renew(_ exchange: Exchange, _ pointer: RecordPointer) {
        guard let follower = unsafe exchange.follower else { return }
        let frame = unsafe follower.assumingMemoryBound(to: HookFrame.self)
        unsafe tell(&frame.pointee.call, pointer)
    }

    private static func tell(_ call: inout ph_request_call, _ pointer: RecordPointer) {
        let serving = unsafe pointer.record.pointee.serving
        let route = unsafe serving.pointee.routes[Int(pointer.record.pointee.route)]
        unsafe call.plugin = serving.pointee.name
        unsafe call.method = route.method
        unsafe call.pattern = route.pattern
        unsafe call.generation = serving.pointee.number
    }

    /// Keeps the answer of another process for the loop; on any thread, while the exchange is held.
    static func hand(_ answer: HookAnswer, to exchange: Exchange) {
        guard let follower = unsafe exchange.follower else { return }
        let frame = unsafe follower.assumingMemoryBound(to: HookFrame.self)
        unsafe frame.pointee.answer?.release()
        unsafe frame.pointee.answer = .passRetained(answer)
        unsafe frame.pointee.hasAnswer = true
    }

    /// The answer that has come and has not been looked at; the frame keeps it.
    static func takeAnswer(
        _ frame: UnsafeMutablePointer<HookFrame>
    ) -> Unmanaged<HookAnswer>? {
        guard unsafe frame.pointee.hasAnswer else { return nil }
        unsafe frame.pointee.hasAnswer = false
        return unsafe frame.pointee.answer
    }

    /// Keeps a head for the hooks of the response.
    static func keep(_ head: ResponseHead, _ frame: UnsafeMutablePointer<HookFrame>) {
        unsafe frame.pointee.head?.release()
        unsafe frame.pointee.head = .passRetained(head)
    }

    /// The head that is kept for them.
    static func head(_ frame: UnsafeMutablePointer<HookFrame>) -> ResponseHead? {
        unsafe frame.pointee.head?.takeUnretainedValue()
    }

    /// Counts out whoever still is in, and gives the frame back; on the loop's thread.
    static func end(_ frame: UnsafeMutablePointer<HookFrame>, _ reactor: Int) {
        let count = unsafe frame.pointee.requestCount + frame.pointee.respondCount
        for index in 0..<count { unsafe letGo(entry(frame, index), reactor) }
        unsafe frame.pointee.answer?.release()
        unsafe frame.pointee.answer = nil
        unsafe frame.pointee.head?.release()
        unsafe frame.pointee.head = nil
        let desk = unsafe frame.pointee.desk
        guard unsafe frame.pointee.capacity == entriesKept else { return unsafe free(frame) }
        unsafe frame.pointee.next = desk.pointee.spare
        unsafe desk.pointee.spare = frame
    }

    /// Counts a hook out; its generation may be gone when this returns.
    static func letGo(_ entry: UnsafeMutablePointer<Entry>, _ reactor: Int) {
        guard unsafe entry.pointee.isCounted else { return }
        unsafe entry.pointee.isCounted = false
        unsafe entry.pointee.record.pointee.serving?.pointee.hookEnded(reactor)
    }

    /// The entry with an index; it stays where it is.
    @inline(__always)
    static func entry(
        _ frame: UnsafeMutablePointer<HookFrame>, _ index: Int32
    ) -> UnsafeMutablePointer<Entry> {
        unsafe (UnsafeMutableRawPointer(frame) + MemoryLayout<HookFrame>.stride)
            .assumingMemoryBound(to: Entry.self) + Int(index)
    }

    private static func allocate(_ capacity: Int32) -> UnsafeMutablePointer<HookFrame> {
        unsafe UnsafeMutableRawPointer.allocate(
            byteCount: MemoryLayout<HookFrame>.stride
                + Int(capacity) * MemoryLayout<Entry>.stride,
            alignment: 16
        ).assumingMemoryBound(to: HookFrame.self)
    }

    static func free(_ frame: UnsafeMutablePointer<HookFrame>) {
        unsafe UnsafeMutableRawPointer(frame).deallocate()
    }
}
