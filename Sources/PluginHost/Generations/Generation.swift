package import CPluginABI
package import HostModel
internal import Synchronization

/// One loaded image of one plugin, as the request path sees it: what a mount points at.
///
/// Requests hold no reference to it; they are counted. Its owner keeps it, and the image, until no
/// request is in flight on any reactor.
@safe
package final class Generation: @unchecked Sendable {  // because each reactor has a slot of its own
    package typealias Handle =
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafePointer<ph_request>?, OpaquePointer?
        ) -> ph_status

    package let name: PluginName
    package let number: UInt64
    package let version: SemanticVersion
    package let tree: RouteTree
    let serving: UnsafeMutablePointer<ServingRecord>
    private let reactorCount: Int

    package var routes: [RouteDeclaration] { tree.routes }

    /// - Parameters:
    ///   - handle: answers a request; called with `state`.
    ///   - state: what the plugin's `init` made.
    ///   - reactors: how many reactors will count requests.
    ///   - image: the number of its image in the ledger's books; 0 books its calls to the host.
    package init(
        name: PluginName, number: UInt64, version: SemanticVersion, tree: RouteTree,
        reactors: Int, handle: @escaping Handle, state: UnsafeMutableRawPointer?,
        image: UInt32 = 0
    ) {
        self.name = name
        self.number = number
        self.version = version
        self.tree = tree
        reactorCount = reactors
        let slots = UnsafeMutableRawPointer.allocate(
            byteCount: max(1, reactors) * ReactorSlot.strideBytes,
            alignment: ReactorSlot.strideBytes)
        let limits = UnsafeMutablePointer<RouteLimits>.allocate(capacity: tree.routes.count + 1)
        for (index, route) in tree.routes.enumerated() {
            unsafe (limits + index).initialize(
                to: RouteLimits(
                    bodyBytesMax: route.bodyBytesMax,
                    streamsBody: route.flags & UInt32(PH_ROUTE_STREAM_BODY) != 0,
                    parameterCount: UInt8(tree.parameterCounts[index])))
        }
        unsafe serving = .allocate(capacity: 1)
        unsafe serving.initialize(
            to: ServingRecord(
                handle: handle, state: state, image: image, tree: tree.view, limits: limits,
                slots: slots))
        for reactor in 0..<reactors {
            unsafe serving.pointee.slot(reactor).initialize(to: ReactorSlot())
        }
        unsafe serving.pointee.owner = Unmanaged.passUnretained(self)
    }

    deinit {
        for reactor in 0..<reactorCount {
            unsafe serving.pointee.slot(reactor).deinitialize(count: 1)
        }
        unsafe serving.pointee.slots.deallocate()
        unsafe serving.pointee.limits.deallocate()
        unsafe serving.deallocate()
    }

    /// The sum over all reactors, as far as this thread can see them.
    package var inFlight: Int { unsafe sum { unsafe $0.pointee.inFlight.load(ordering: .relaxed) } }
    package var requests: Int { unsafe sum { unsafe $0.pointee.requests.load(ordering: .relaxed) } }
    package var faults: Int { unsafe sum { unsafe $0.pointee.faults.load(ordering: .relaxed) } }

    package var sockets: Int { unsafe sum { unsafe $0.pointee.sockets.load(ordering: .relaxed) } }

    private func sum(_ figure: (UnsafeMutablePointer<ReactorSlot>) -> Int) -> Int {
        (0..<reactorCount).reduce(0) { sum, reactor in
            unsafe sum + figure(serving.pointee.slot(reactor))
        }
    }

    /// Asks to be told once this reactor has released its last request of this generation, which
    /// may be now; on the reactor's thread, after it has been given a table without the generation.
    package func beginDraining(reactor: Int, _ drained: @escaping @Sendable () -> Void) {
        let slot = unsafe serving.pointee.slot(reactor)
        if unsafe slot.pointee.isIdle { return drained() }
        unsafe slot.pointee.onDrained = drained
    }

    /// Takes back what `beginDraining` asked; on the reactor's thread.
    package func endDraining(reactor: Int) {
        unsafe serving.pointee.slot(reactor).pointee.onDrained = nil
    }
}

/// What a request needs to know of its route.
struct RouteLimits {
    /// 0: the host's own.
    var bodyBytesMax: UInt32
    var streamsBody: Bool
    var parameterCount: UInt8
}

/// A generation without references, for the request path: lives as long as its `Generation`.
@unsafe
struct ServingRecord {
    let handle: Generation.Handle
    let state: UnsafeMutableRawPointer?
    let image: UInt32
    let tree: RouteTreeView
    let limits: UnsafeMutablePointer<RouteLimits>
    let slots: UnsafeMutableRawPointer
    var owner: Unmanaged<Generation>?

    @inline(__always)
    func slot(_ reactor: Int) -> UnsafeMutablePointer<ReactorSlot> {
        unsafe (slots + reactor &* ReactorSlot.strideBytes).assumingMemoryBound(
            to: ReactorSlot.self)
    }

    /// Counts a request in; on the reactor's thread.
    @inline(__always)
    func requestBegan(_ reactor: Int) {
        let slot = unsafe slot(reactor)
        unsafe ReactorSlot.add(1, to: slot.pointee.inFlight)
        unsafe ReactorSlot.add(1, to: slot.pointee.requests)
    }

    /// Counts a request out; on the reactor's thread. The generation may be gone when this returns.
    @inline(__always)
    func requestEnded(_ reactor: Int) {
        let slot = unsafe slot(reactor)
        unsafe ReactorSlot.add(-1, to: slot.pointee.inFlight)
        if unsafe slot.pointee.onDrained != nil { unsafe noticeDrained(slot) }
    }

    /// Counts a WebSocket in; on any thread, while the request that asked for it is counted.
    func socketBegan(_ reactor: Int) {
        unsafe slot(reactor).pointee.sockets.add(1, ordering: .relaxed)
    }

    /// Counts a WebSocket out; on the reactor's thread. The generation may be gone when this
    /// returns.
    func socketEnded(_ reactor: Int) {
        let slot = unsafe slot(reactor)
        unsafe slot.pointee.sockets.subtract(1, ordering: .relaxed)
        if unsafe slot.pointee.onDrained != nil { unsafe noticeDrained(slot) }
    }

    @inline(never)
    private func noticeDrained(_ slot: UnsafeMutablePointer<ReactorSlot>) {
        guard unsafe slot.pointee.isIdle else { return }
        let drained = unsafe slot.pointee.onDrained
        unsafe slot.pointee.onDrained = nil
        drained?()
    }
}
