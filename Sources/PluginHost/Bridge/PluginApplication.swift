internal import CLinux
internal import CPluginABI
internal import DynamicLibrary
package import HTTPServer
package import HTTPWire
package import HostModel
internal import Synchronization

/// Answers HTTP with plugins: `/plugin/<name>/api/...` by their code, `/plugin/<name>/...` by their
/// files, the same below whatever else an operator has mounted them at, and the rest by the host's
/// own pages.
///
/// Each reactor has its own snapshot of the mount table, so that a request takes no lock and
/// touches no reference count.
///
/// `@unchecked Sendable` because it is immutable once the server has started.
package final class PluginApplication: Application, @unchecked Sendable {
    /// A request that the host had to answer in a plugin's stead, or a call that took too long.
    package struct Fault: Sendable {
        package let name: PluginName
        package let version: SemanticVersion
        package let generation: UInt64
        /// The route's method and pattern.
        package let route: String
        /// What the plugin did.
        package let what: String
        package let level: HostLog.Level
    }

    /// The largest body, in bytes, of a route that names no smaller limit.
    private let bodyBytesMax: Int
    private let accessLog: AccessLog?
    private let onFault: @Sendable (Fault) -> Void
    /// The places beside those of plugins at which the host answers; set before the server starts.
    var hostMounts: [HostMount] = []
    /// What `/readyz` tells; set before the server starts.
    var readiness: ReadinessBoard?

    /// - Parameters:
    ///   - bodyBytesMax: the largest body that is collected for a plugin.
    ///   - accessLog: where each request is entered, if the server reports exchanges.
    ///   - onFault: told of each request that a plugin failed to answer, on the reactor's thread.
    package init(
        bodyBytesMax: Int = 1 << 20, accessLog: AccessLog? = nil,
        onFault: @escaping @Sendable (Fault) -> Void
    ) {
        self.bodyBytesMax = bodyBytesMax
        self.accessLog = accessLog
        self.onFault = onFault
    }

    // MARK: - Tables

    /// Makes the reactor use the table; on the reactor's thread, or before the server starts.
    package static func install(_ table: MountTable, on reactor: Reactor) {
        let former = unsafe reactor.applicationState
        unsafe reactor.applicationState = Unmanaged.passRetained(table).toOpaque()
        unsafe reactor.attention = table.hooks?.attention
        if let former = unsafe former { unsafe Unmanaged<MountTable>.fromOpaque(former).release() }
    }

    /// Takes the reactor's table away, so that it can be freed; it answers 503 from then on.
    package static func uninstall(from reactor: Reactor) {
        guard let former = unsafe reactor.applicationState else { return }
        unsafe reactor.applicationState = nil
        unsafe reactor.attention = nil
        unsafe Unmanaged<MountTable>.fromOpaque(former).release()
    }

    // MARK: - Routing

    private static let prefix: StaticString = "/plugin/"
    private static let api: StaticString = "/api"
    /// "/", with enough before it for `PathSegment`.
    private static var apiRoot: ByteSlice {
        let text: StaticString = "/plugin/NAME/api/"
        let count = text.utf8CodeUnitCount
        return ByteSlice(text)[(count - 1)..<count]
    }

    override package func route(_ exchange: Exchange) -> Disposition {
        guard let state = unsafe exchange.applicationState else {
            HostPages.starting(exchange)
            return .responded
        }
        let table = unsafe Unmanaged<MountTable>.fromOpaque(state)
        let path = exchange.path
        let prefixCount = Self.prefix.utf8CodeUnitCount
        guard path.count > prefixCount, let base = unsafe path.base,
            unsafe Self.isPrefix(base)
        else { return unsafe table._withUnsafeGuaranteedRef { elsewhere(exchange, $0) } }
        let end = unsafe base + path.count
        let name = unsafe PathSegment(base + prefixCount, pathEnd: end)
        // Only addresses leave the closure, so that nothing of what follows has to be in one.
        let view = unsafe table._withUnsafeGuaranteedRef { unsafe $0.view }
        guard let found = unsafe view.find(name) else {
            HostPages.noSuchPlugin(exchange)
            return .responded
        }
        let rest = unsafe ByteSlice(name.end, count: end - name.end)
        guard Self.isAPI(rest) else {
            return unsafe found.mount._withUnsafeGuaranteedRef { files(exchange, $0, rest) }
        }
        guard let serving = unsafe found.serving else {
            return unsafe found.mount._withUnsafeGuaranteedRef { look(exchange, $0, rest) }
        }
        return unsafe call(exchange, serving, apiPath(rest))
    }

    /// Answers where two generations share the connections, requests come one at a time, or no
    /// generation serves.
    @inline(never)
    private func look(_ exchange: Exchange, _ mount: Mount, _ rest: ByteSlice) -> Disposition {
        guard mount.availability == .active,
            let generation = mount.canary?.generation(for: exchange) ?? mount.generation
        else {
            HostPages.unavailable(exchange, mount)
            return .responded
        }
        if mount.isThrottled, generation.inFlight > 0 {
            generation.figures.rejected.add(1, ordering: .relaxed)
            HostPages.busy(exchange, mount.name)
            return .responded
        }
        return unsafe call(exchange, generation.serving, apiPath(rest))
    }

    /// Whether the path begins with `/plugin/`; it has at least nine bytes.
    @inline(__always)
    private static func isPrefix(_ base: UnsafePointer<UInt8>) -> Bool {
        let word = unsafe UnsafeRawPointer(base).loadUnaligned(as: UInt64.self)
        return unsafe word
            == UnsafeRawPointer(prefix.utf8Start).loadUnaligned(as: UInt64.self)
    }

    /// Whether what follows the name is `/api` or begins with `/api/`.
    @inline(__always)
    private static func isAPI(_ rest: ByteSlice) -> Bool {
        guard rest.count >= 4, let base = unsafe rest.base else { return false }
        let word = unsafe UnsafeRawPointer(base).loadUnaligned(as: UInt32.self)
        guard unsafe word == UnsafeRawPointer(api.utf8Start).loadUnaligned(as: UInt32.self) else {
            return false
        }
        return unsafe rest.count == 4 || base[4] == UInt8(ascii: "/")
    }

    /// The path that a plugin's patterns are matched with.
    @inline(__always)
    private func apiPath(_ rest: ByteSlice) -> ByteSlice {
        guard rest.count > 5, let base = unsafe rest.base else { return Self.apiRoot }
        return unsafe ByteSlice(base + 4, count: rest.count - 4)
    }

    /// Finds the route and prepares the record for `handle`.
    @inline(__always)
    private func call(
        _ exchange: Exchange, _ serving: UnsafeMutablePointer<ServingRecord>, _ path: ByteSlice
    ) -> Disposition {
        let pointer = unsafe RecordPointer(exchange)
        let match = unsafe serving.pointee.tree.match(
            exchange.head.method, name: exchange.head.methodName, path: path,
            parameters: pointer.parameters)
        guard case .route(let route) = match else {
            unsafe HostPages.noRoute(exchange, serving.pointee.tree, path)
            return .responded
        }
        let limits = unsafe serving.pointee.limits + route
        let ownMax = unsafe limits.pointee.bodyBytesMax
        let streamsBody = unsafe limits.pointee.streamsBody
        if streamsBody, ownMax != 0,
            case .length(let count) = exchange.head.framing, count > UInt64(ownMax)
        {
            HostPages.bodyTooLong(exchange, bytesMax: Int(ownMax))
            return .responded
        }
        if unsafe serving.pointee.isBounded, unsafe !admit(exchange, serving) {
            return .responded
        }
        unsafe pointer.renew()
        let record = unsafe pointer.record
        unsafe record.pointee.exchange = exchange
        unsafe record.pointee.serving = serving
        unsafe record.pointee.route = UInt32(truncatingIfNeeded: route)
        unsafe record.pointee.beganTicks = linux_ticks()
        unsafe record.pointee.answeredTicks = 0
        unsafe record.pointee.request.path = path.text
        unsafe record.pointee.request.parameter_count =
            unsafe Int(limits.pointee.parameterCount)
        unsafe serving.pointee.requestBegan(exchange.reactorIndex)
        guard streamsBody else {
            return .buffered(
                bodyBytesMax: ownMax == 0 ? bodyBytesMax : min(bodyBytesMax, Int(ownMax)))
        }
        unsafe record.pointee.bodyBytesLeft = ownMax == 0 ? .max : UInt64(ownMax)
        return .streamed
    }

    /// Counts a request in where their number is limited; false when it has been refused.
    @inline(never)
    private func admit(
        _ exchange: Exchange, _ serving: UnsafeMutablePointer<ServingRecord>
    ) -> Bool {
        guard let owner = unsafe serving.pointee.owner else { return true }
        return unsafe owner._withUnsafeGuaranteedRef { generation in
            if generation.admit() { return true }
            HostPages.busy(exchange, generation.name)
            return false
        }
    }

    /// Serves a file of the plugin.
    @inline(never)
    private func files(_ exchange: Exchange, _ mount: Mount, _ rest: ByteSlice) -> Disposition {
        if rest.isEmpty {
            HostPages.addSlash(exchange)
        } else if let files = mount.staticFiles {
            files.respond(to: exchange, path: rest)
        } else if mount.availability != .active {
            HostPages.unavailable(exchange, mount)
        } else {
            HostPages.notFound(exchange)
        }
        return .responded
    }

    /// Answers a path that does not begin with `/plugin/`: by what an operator has mounted there,
    /// or by a page of the host.
    @inline(never)
    private func elsewhere(_ exchange: Exchange, _ table: MountTable) -> Disposition {
        let path = exchange.path
        for mount in hostMounts where mount.isAt(path) {
            return unsafe call(exchange, mount.generation.serving, Self.apiRoot)
        }
        if path == HostPages.readinessPath {
            HostPages.readiness(exchange, readiness)
            return .responded
        }
        guard table.operators != nil, !HostPages.isReserved(path), let base = unsafe path.base,
            let (found, prefixCount) = unsafe table.find(
                authority: exchange.head.host, path: path)
        else {
            HostPages.respond(to: exchange, table)
            return .responded
        }
        let rest = unsafe ByteSlice(base + prefixCount, count: path.count - prefixCount)
        guard Self.isAPI(rest) else {
            return unsafe found.mount._withUnsafeGuaranteedRef { files(exchange, $0, rest) }
        }
        guard let serving = unsafe found.serving else {
            return unsafe found.mount._withUnsafeGuaranteedRef { look(exchange, $0, rest) }
        }
        return unsafe call(exchange, serving, apiPath(rest))
    }

    // MARK: - Calling

    override package func handle(_ exchange: Exchange) {
        let pointer = unsafe RecordPointer(exchange)
        let record = unsafe pointer.record
        unsafe fill(&record.pointee.request, pointer, exchange)
        unsafe record.pointee.hasObserver = false
        unsafe record.pointee.isInHandle = true
        let free = unsafe record.pointee.word.load(ordering: .relaxed)
        unsafe pointer.set(.owed, from: free)
        assert(exchange.isOnLoopThread, "handle is called on the exchange's loop")
        if let attention = unsafe exchange.attention {
            return unsafe beginHooks(exchange, pointer, attention)
        }
        // A request without a body has been routed just now, and reading the counter takes as long
        // as 40 instructions.
        let isNew = exchange.head.framing == .none
        unsafe call(exchange, pointer, at: isNew ? record.pointee.beganTicks : linux_ticks())
    }

    /// Hands a request to its plugin after the hooks have entered.
    @inline(never)
    func callPlugin(_ exchange: Exchange, _ pointer: RecordPointer) {
        unsafe pointer.record.pointee.isInHandle = true
        unsafe call(exchange, pointer, at: linux_ticks())
    }

    /// - Parameter began: when the call begins, by the processor's counter.
    @inline(__always)
    private func call(_ exchange: Exchange, _ pointer: RecordPointer, at began: UInt64) {
        let record = unsafe pointer.record
        let serving = unsafe record.pointee.serving
        if unsafe serving.pointee.limits[Int(record.pointee.route)].runsOnPool.load(
            ordering: .relaxed)
        {
            return unsafe handleOnPool(exchange, pointer)
        }
        let image = unsafe serving.pointee.image
        let call = exchange.beginCall(.handle, at: began)
        let host = ImageContext.enter(image)
        let status = unsafe serving.pointee.handle(
            serving.pointee.state, &record.pointee.request, pointer.response)
        let ended = linux_ticks()
        ImageContext.leave(host)
        guard exchange.endCall(call) else {
            Self.surrender(exchange, .handle, image: image, status)
        }
        unsafe serving.pointee.wasBusy(exchange.reactorIndex, ticks: ended &- began)
        unsafe record.pointee.answeredTicks = status == ph_status(PH_PENDING) ? 0 : ended
        unsafe conclude(exchange, pointer, status)
    }

    /// Ends a thread that lost its loop in a call, which has returned now.
    @inline(never)
    static func surrender(
        _ exchange: Exchange, _ kind: CallKind, image: UInt32, _ status: ph_status
    ) -> Never {
        ImageContext.settle(image)
        exchange.surrender(kind, result: status)
    }

    /// Looks at what came of a call of `handle`; on the loop's thread.
    @inline(__always)
    func conclude(_ exchange: Exchange, _ pointer: RecordPointer, _ status: ph_status) {
        unsafe pointer.record.pointee.isInHandle = false
        if status == ph_status(PH_PENDING) { return }
        let word = unsafe pointer.record.pointee.word.load(ordering: .acquiring)
        let isAnswer = status == ph_status(PH_OK) || status == ph_status(PH_CLOSED)
        if isAnswer, unsafe RecordPointer.phase(word) == .complete { return }
        unsafe judge(exchange, pointer, status)
    }

    /// Writes what the plugin is shown of the request.
    @inline(__always)
    private func fill(
        _ request: inout ph_request, _ pointer: RecordPointer, _ exchange: Exchange
    ) {
        unsafe request.size = UInt32(MemoryLayout<ph_request>.size)
        unsafe request.route = pointer.record.pointee.route
        unsafe request.method = exchange.head.methodName.text
        unsafe request.query = exchange.head.hasQuery ? exchange.head.query.text : ph_text()
        unsafe request.parameters = UnsafeRawPointer(pointer.parameters)
            .assumingMemoryBound(to: ph_text.self)
        unsafe request.headers = UnsafeRawPointer(exchange.fields.baseAddress)?
            .assumingMemoryBound(to: ph_header.self)
        unsafe request.header_count = exchange.head.fieldCount
        let body = unsafe exchange.body
        unsafe request.body = ph_bytes(
            data: body.baseAddress?.assumingMemoryBound(to: UInt8.self), length: body.count)
        unsafe request.content_length =
            switch exchange.head.framing {
            case .none: 0
            case .length(let count): count
            case .chunked: .max
            }
        let endpoint = unsafe pointer.address + RequestRecord.addressOffset
        unsafe request.remote_address = ph_text(
            data: endpoint.assumingMemoryBound(to: CChar.self),
            length: exchange.copyRemoteEndpoint(to: endpoint))
    }

    /// Completes what the plugin has not, and tells of it.
    @inline(never)
    private func judge(_ exchange: Exchange, _ pointer: RecordPointer, _ status: ph_status) {
        let word = unsafe pointer.record.pointee.word.load(ordering: .acquiring)
        let phase = unsafe RecordPointer.phase(word)
        let what =
            switch status {
            case ..<0: "handle returned \(status)"
            case ph_status(PH_OK): "handle returned PH_OK without having completed the response"
            default: "handle returned \(status), which is no answer"
            }
        if phase == .owed || phase == .begun, unsafe pointer.exchangePhase(.complete, from: word) {
            if phase == .begun {
                exchange.abort()
            } else {
                HostPages.pluginFailed(exchange)
            }
        }
        let serving = unsafe pointer.record.pointee.serving
        let slot = unsafe serving.pointee.slot(exchange.reactorIndex)
        unsafe ReactorSlot.add(1, to: slot.pointee.faults)
        unsafe tell(exchange, pointer, what)
    }

    /// Tells of a request that a plugin did not treat well.
    private func tell(_ exchange: Exchange, _ pointer: RecordPointer, _ what: String) {
        let serving = unsafe pointer.record.pointee.serving
        guard let owner = unsafe serving.pointee.owner else { return }
        let route = unsafe Int(pointer.record.pointee.route)
        unsafe owner._withUnsafeGuaranteedRef { tell($0, route, what, .error) }
    }

    func tell(
        _ generation: Generation, _ route: Int, _ what: String,
        _ level: HostLog.Level = .warning
    ) {
        onFault(
            Fault(
                name: generation.name, version: generation.version,
                generation: generation.number, route: generation.routes[route].description,
                what: what, level: level))
    }

    override package func overran(_ exchange: Exchange, _ kind: CallKind, thread: Int32) {
        if noteHookOverrun(exchange, kind, thread: thread) { return }
        noteOverrun(exchange, kind, thread: thread)
    }

    override package func returned(_ exchange: Exchange, _ kind: CallKind, result: Int32) {
        if noteHookReturn(exchange, kind, result: result) { return }
        if goOn(exchange) { return }
        noteReturn(exchange, kind, result: result)
    }

    override package func overran(_ socket: WebSocket, _ kind: SocketCallKind, thread: Int32) {
        guard let pointer = unsafe PluginSocketObserver.record(socket.context) else { return }
        let route = unsafe pointer.address.pointee.route
        unsafe pointer.address.pointee.serving?.pointee.owner?._withUnsafeGuaranteedRef {
            let count = $0.figures.overruns.add(1, ordering: .relaxed).newValue
            guard count & (count - 1) == 0 else { return }
            tell(
                $0, route,
                "on_\(kind) of a WebSocket overran its time on thread \(thread) "
                    + "(overruns so far: \(count))")
        }
    }

    override package func returned(_ socket: WebSocket, _ kind: SocketCallKind, result: Int32) {
        PluginSocketObserver.comeBack(socket, kind, result)
    }

    override package func answerSeconds(_ exchange: Exchange) -> Int {
        requestSeconds(of: exchange)
    }

    override package func gaveNoAnswer(_ exchange: Exchange) -> String { noteTimeout(exchange) }

    override package func resumed(_ exchange: Exchange) { goOnWithHooks(exchange) }

    override package func over(_ exchange: Exchange, _ account: ExchangeAccount) -> Bool {
        leaveHooks(exchange, account)
    }

    override package func takesHead(
        _ exchange: Exchange, status: UInt16, fields: UnsafeBufferPointer<HeaderField>
    ) -> Bool {
        unsafe showHead(exchange, status, fields)
    }

    override package func ended(_ exchange: Exchange) {
        let pointer = unsafe RecordPointer(exchange)
        let serving = unsafe pointer.record.pointee.serving
        let answered = unsafe pointer.record.pointee.answeredTicks
        let now = answered == 0 ? linux_ticks() : answered
        let began = unsafe pointer.record.pointee.beganTicks
        unsafe serving.pointee.requestAnswered(
            exchange.reactorIndex, status: exchange.status, ticks: now > began ? now &- began : 0)
        unsafe pointer.renew()
        unsafe leave(serving, exchange)
    }

    /// Counts a request out; the generation may be gone when this returns.
    @inline(__always)
    func leave(_ serving: UnsafeMutablePointer<ServingRecord>, _ exchange: Exchange) {
        if unsafe serving.pointee.isBounded {
            unsafe serving.pointee.owner?._withUnsafeGuaranteedRef {
                _ = $0.figures.concurrent.subtract(1, ordering: .relaxed)
            }
        }
        unsafe serving.pointee.requestEnded(exchange.reactorIndex)
    }

    override package func report(_ report: ExchangeReport) {
        accessLog?.take(report)
    }
}

extension ByteSlice {
    /// What the plugin header has as a text.
    init(_ text: ph_text) {
        unsafe self.init(UnsafeRawBufferPointer(start: text.data, count: text.length))
    }

    /// The slice as the plugin header has it.
    @inline(__always)
    var text: ph_text {
        unsafe ph_text(
            data: UnsafeRawPointer(base)?.assumingMemoryBound(to: CChar.self), length: count)
    }
}
