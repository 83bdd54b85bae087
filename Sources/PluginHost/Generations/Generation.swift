package import CPluginABI
internal import DynamicLibrary
internal import HTTPServer
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
    package let limits: WorkLimits
    /// The threads for calls that may take their time.
    let pool: BlockingPool
    let calls = CallBook()
    let figures = CallFigures()
    let serving: UnsafeMutablePointer<ServingRecord>
    /// Answers on the loop's thread, where the host and no plugin does; set before it serves.
    var hostAnswers: ((Exchange) -> Void)?
    /// Whether requests go on to a process that answers them.
    let isRelayed: Bool
    /// Set in one that only lets requests wait: its `handle` is never called.
    let hold: RequestHold?
    let reactorCount: Int
    private let texts: GenerationTexts

    package var routes: [RouteDeclaration] { tree.routes }

    /// - Parameters:
    ///   - handle: answers a request; called with `state`.
    ///   - state: what the plugin's `init` made.
    ///   - reactors: how many reactors will count requests.
    ///   - image: the number of its image in the ledger's books; 0 books its calls to the host.
    ///   - limits: what it may take up.
    ///   - overrides: what its manifest says about routes, by method and pattern.
    package convenience init(
        name: PluginName, number: UInt64, version: SemanticVersion, tree: RouteTree,
        reactors: Int, handle: @escaping Handle, state: UnsafeMutableRawPointer?,
        image: UInt32 = 0, limits: WorkLimits = WorkLimits(), overrides: [Manifest.Route] = []
    ) {
        unsafe self.init(
            name: name, number: number, version: version, tree: tree, reactors: reactors,
            handle: handle, state: state, image: image, limits: limits, overrides: overrides,
            hold: nil)
    }

    /// Makes one whose requests are answered by a process that the host relays them to; bodies are
    /// streamed there, and it watches the time itself.
    ///
    /// - Parameter relay: called on the loop's thread with each request whose head is there.
    convenience init(
        name: PluginName, number: UInt64, version: SemanticVersion, tree: RouteTree,
        reactors: Int, limits: WorkLimits, relay: @escaping (Exchange) -> Void
    ) {
        var limits = limits
        limits.requestSeconds = 0
        unsafe self.init(
            name: name, number: number, version: version, tree: tree, reactors: reactors,
            handle: { _, _, _ in ph_status(PH_WRONG_STATE) }, state: nil, image: 0, limits: limits,
            overrides: [], hold: nil, isRelayed: true)
        hostAnswers = relay
    }

    /// Makes one that lets requests wait which another one would answer, with their bodies as that
    /// one takes them.
    convenience init(holding other: Generation, overrides: [Manifest.Route]) {
        unsafe self.init(
            name: other.name, number: other.number, version: other.version, tree: other.tree,
            reactors: other.reactorCount, handle: { _, _, _ in ph_status(PH_WRONG_STATE) },
            state: nil, image: 0, limits: other.limits, overrides: overrides, hold: RequestHold(),
            isRelayed: other.isRelayed)
    }

    private init(
        name: PluginName, number: UInt64, version: SemanticVersion, tree: RouteTree,
        reactors: Int, handle: @escaping Handle, state: UnsafeMutableRawPointer?,
        image: UInt32, limits: WorkLimits, overrides: [Manifest.Route], hold: RequestHold?,
        isRelayed: Bool = false
    ) {
        self.isRelayed = isRelayed
        self.name = name
        self.number = number
        self.version = version
        self.tree = tree
        self.limits = limits
        self.hold = hold
        pool = BlockingPool(
            name: name.text, threadsMax: limits.poolThreadsMax, queueMax: limits.poolQueueMax
        ) {
            ImageContext.settle(image)
        }
        reactorCount = reactors
        let slots = UnsafeMutableRawPointer.allocate(
            byteCount: max(1, reactors) * ReactorSlot.strideBytes,
            alignment: ReactorSlot.strideBytes)
        let routeLimits = UnsafeMutablePointer<RouteLimits>.allocate(
            capacity: tree.routes.count + 1)
        for (index, route) in tree.routes.enumerated() {
            let override = overrides.first { $0.description == route.description }
            let blocks = route.flags & UInt32(PH_ROUTE_BLOCKING) != 0
            unsafe (routeLimits + index).initialize(
                to: RouteLimits(
                    bodyBytesMax: isRelayed ? 0 : route.bodyBytesMax,
                    requestSeconds: UInt32(override?.requestSeconds ?? limits.requestSeconds),
                    streamsBody: isRelayed || route.flags & UInt32(PH_ROUTE_STREAM_BODY) != 0,
                    parameterCount: UInt8(tree.parameterCounts[index]),
                    runsOnPool: Atomic(
                        blocks || override?.isBlocking == true || hold != nil || isRelayed)))
        }
        texts = GenerationTexts(name, tree.routes)
        unsafe serving = .allocate(capacity: 1)
        unsafe serving.initialize(
            to: ServingRecord(
                handle: handle, state: state, image: image, tree: tree.view, limits: routeLimits,
                slots: slots, isBounded: limits.concurrencyMax > 0, number: number,
                name: texts.name, routes: texts.routes, trafficBounds: TrafficCells.bounds))
        for reactor in 0..<reactors {
            unsafe serving.pointee.slot(reactor).initialize(to: ReactorSlot())
            unsafe TrafficCells.initialize(
                slots + reactor * ReactorSlot.strideBytes + ReactorSlot.trafficOffset)
        }
        unsafe serving.pointee.owner = Unmanaged.passUnretained(self)
        unsafe BlackBox.count(
            image, slots + ReactorSlot.inFlightOffset, count: reactors,
            stride: ReactorSlot.strideBytes)
    }

    deinit {
        unsafe BlackBox.count(serving.pointee.image, nil, count: 0, stride: 0)
        for reactor in 0..<reactorCount {
            unsafe serving.pointee.slot(reactor).deinitialize(count: 1)
        }
        unsafe serving.pointee.slots.deallocate()
        unsafe serving.pointee.limits.deinitialize(count: tree.routes.count)
        unsafe serving.pointee.limits.deallocate()
        unsafe serving.deallocate()
    }

    /// Counts a request in where the number is limited; false when there are enough.
    func admit() -> Bool {
        let count = figures.concurrent.add(1, ordering: .relaxed).newValue
        if count <= limits.concurrencyMax { return true }
        figures.concurrent.subtract(1, ordering: .relaxed)
        figures.rejected.add(1, ordering: .relaxed)
        return false
    }

    /// The routes whose calls run on the pool.
    package var pooledRoutes: [RouteDeclaration] {
        isRelayed
            ? []
            : routes.indices.filter {
                unsafe serving.pointee.limits[$0].runsOnPool.load(ordering: .relaxed)
            }.map { routes[$0] }
    }

    /// Who has been inside the plugin for longer than that, a line each, such as `thread "pool-a"
    /// (123) has been in GET /slow for 7 s`.
    package func holders(longerThan duration: Duration) -> [String] {
        calls.running(longerThan: duration).map { entry in
            let seconds = entry.since.duration(to: .now) / .seconds(1)
            let place = entry.route.map { routes[$0].description } ?? "a hook of it"
            return "thread \"\(entry.threadName)\" (\(entry.thread)) has been in "
                + "\(place) for \(Int(seconds.rounded())) s"
        }
    }

    /// The sum over all reactors, as far as this thread can see them.
    package var inFlight: Int { unsafe sum { unsafe $0.pointee.inFlight.load(ordering: .relaxed) } }
    package var requests: Int { unsafe sum { unsafe $0.pointee.requests.load(ordering: .relaxed) } }
    package var faults: Int { unsafe sum { unsafe $0.pointee.faults.load(ordering: .relaxed) } }

    /// Requests that its hooks may still be called for.
    package var hooked: Int { unsafe sum { unsafe $0.pointee.hooked.load(ordering: .relaxed) } }

    package var sockets: Int { unsafe sum { unsafe $0.pointee.sockets.load(ordering: .relaxed) } }

    /// What became of its requests, over all reactors.
    var traffic: Traffic {
        (0..<reactorCount).reduce(into: Traffic()) { sum, reactor in
            unsafe sum += serving.pointee.cells(reactor).traffic
        }
    }

    private func sum(_ figure: (UnsafeMutablePointer<ReactorSlot>) -> Int) -> Int {
        (0..<reactorCount).reduce(0) { sum, reactor in
            unsafe sum + figure(serving.pointee.slot(reactor))
        }
    }

    /// Asks to be told once this reactor has released its last request of this generation, which
    /// may be now; on the reactor's thread, after it has been given a table without the generation.
    ///
    /// - Parameter mayHaveSockets: whether WebSockets are not waited for.
    package func beginDraining(
        reactor: Int, mayHaveSockets: Bool = false, _ drained: @escaping @Sendable () -> Void
    ) {
        let slot = unsafe serving.pointee.slot(reactor)
        unsafe slot.pointee.drainsRequestsOnly = mayHaveSockets
        if unsafe slot.pointee.isDrained { return drained() }
        unsafe slot.pointee.onDrained = drained
    }

    /// Takes back what `beginDraining` asked; on the reactor's thread.
    package func endDraining(reactor: Int) {
        unsafe serving.pointee.slot(reactor).pointee.onDrained = nil
    }
}

/// What a request needs to know of its route.
struct RouteLimits: ~Copyable {
    /// 0: the host's own.
    let bodyBytesMax: UInt32
    /// How long the response may take to begin; 0: as long as it likes.
    let requestSeconds: UInt32
    let streamsBody: Bool
    let parameterCount: UInt8
    /// Whether its calls run on the plugin's pool: as declared, or since one has overrun.
    let runsOnPool: Atomic<Bool>
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
    /// Whether the number of requests in flight is limited.
    let isBounded: Bool
    let number: UInt64
    let name: ph_text
    /// The methods and patterns, by the route's index.
    let routes: UnsafePointer<RouteText>
    let trafficBounds: UnsafePointer<UInt64>
    var owner: Unmanaged<Generation>?

    @inline(__always)
    func slot(_ reactor: Int) -> UnsafeMutablePointer<ReactorSlot> {
        unsafe (slots + reactor &* ReactorSlot.strideBytes).assumingMemoryBound(
            to: ReactorSlot.self)
    }

    @inline(__always)
    func cells(_ reactor: Int) -> TrafficCells {
        unsafe TrafficCells(
            slots + (reactor &* ReactorSlot.strideBytes &+ ReactorSlot.trafficOffset))
    }

    /// Counts what became of a request; on the reactor's thread.
    @inline(__always)
    func requestAnswered(_ reactor: Int, status: UInt16, ticks: UInt64) {
        unsafe cells(reactor).count(status: status, ticks: ticks, trafficBounds)
    }

    /// Counts how long a call has kept the reactor; on its thread.
    @inline(__always)
    func wasBusy(_ reactor: Int, ticks: UInt64) {
        unsafe cells(reactor).addBusy(ticks)
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

    /// Counts a hook's request in; on the reactor's thread.
    @inline(__always)
    func hookBegan(_ reactor: Int) {
        unsafe ReactorSlot.add(1, to: slot(reactor).pointee.hooked)
    }

    /// Counts a hook's request out; on the reactor's thread. The generation may be gone when this
    /// returns.
    @inline(__always)
    func hookEnded(_ reactor: Int) {
        let slot = unsafe slot(reactor)
        unsafe ReactorSlot.add(-1, to: slot.pointee.hooked)
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
        guard unsafe slot.pointee.isDrained else { return }
        let drained = unsafe slot.pointee.onDrained
        unsafe slot.pointee.onDrained = nil
        drained?()
    }
}
