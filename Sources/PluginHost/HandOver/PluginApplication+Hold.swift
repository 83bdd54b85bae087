internal import CPluginABI
internal import HTTPServer
internal import HTTPWire
internal import HostModel
internal import Synchronization

/// Requests that wait while the state of their plugin is handed over.
extension PluginApplication {
    /// Lets a request wait whose plugin hands its state over; one that comes too late for that goes
    /// to what serves. On the loop's thread, within `handle`.
    func keepWaiting(_ exchange: Exchange, _ pointer: RecordPointer, _ hold: RequestHold) {
        if hold.keep(exchange) { return }
        unsafe pointer.record.pointee.isInHandle = false
        guard unsafe move(exchange, pointer) else { return }
        if unsafe exchange.follower == nil {
            handle(exchange)
        } else {
            unsafe callPlugin(exchange, pointer)
        }
    }

    /// Goes on with a request that waited; false when the exchange did not. On the loop's thread.
    func goOn(_ exchange: Exchange) -> Bool {
        let pointer = unsafe RecordPointer(exchange)
        let serving = unsafe pointer.record.pointee.serving
        guard let owner = unsafe serving.pointee.owner,
            unsafe owner._withUnsafeGuaranteedRef({ $0.hold != nil })
        else { return false }
        if exchange.isClosed {
            unsafe complete(pointer)
            exchange.abort()
        } else if unsafe move(exchange, pointer) {
            unsafe handleOnPool(exchange, pointer, waited: true)
        }
        return true
    }

    /// Counts a request on the generation that serves now; false when none does that would answer
    /// it, and it has been answered.
    private func move(_ exchange: Exchange, _ pointer: RecordPointer) -> Bool {
        let record = unsafe pointer.record
        let former = unsafe record.pointee.serving
        guard let state = unsafe exchange.applicationState,
            let owner = unsafe former.pointee.owner
        else { return false }
        let name = unsafe owner._withUnsafeGuaranteedRef { $0.name }
        let mount = unsafe Unmanaged<MountTable>.fromOpaque(state)
            ._withUnsafeGuaranteedRef { $0.mounts[name] }
        guard let mount, mount.availability == .active,
            let serving = unsafe mount.generation?.serving
        else {
            unsafe complete(pointer)
            HostPages.unavailable(exchange, mount ?? Mount(name: name, generation: nil))
            return false
        }
        let path = unsafe ByteSlice(record.pointee.request.path)
        let match = unsafe serving.pointee.tree.match(
            exchange.head.method, name: exchange.head.methodName, path: path,
            parameters: pointer.parameters)
        guard case .route(let route) = match else {
            unsafe complete(pointer)
            unsafe HostPages.noRoute(exchange, serving.pointee.tree, path)
            return false
        }
        let limits = unsafe serving.pointee.limits + route
        let formerLimits = unsafe former.pointee.limits + Int(record.pointee.route)
        guard unsafe limits.pointee.streamsBody == formerLimits.pointee.streamsBody else {
            unsafe complete(pointer)
            HostPages.unavailable(exchange, Mount(name: name, generation: nil))
            return false
        }
        if unsafe serving.pointee.isBounded {
            unsafe serving.pointee.owner?._withUnsafeGuaranteedRef {
                _ = $0.figures.concurrent.add(1, ordering: .relaxed)
            }
        }
        unsafe serving.pointee.requestBegan(exchange.reactorIndex)
        unsafe record.pointee.serving = serving
        unsafe record.pointee.route = UInt32(truncatingIfNeeded: route)
        unsafe record.pointee.request.route = record.pointee.route
        unsafe record.pointee.request.parameter_count = Int(limits.pointee.parameterCount)
        unsafe HookFrame.renew(exchange, pointer)
        unsafe leave(former, exchange)
        return true
    }

    /// Marks the response as given, by the host.
    private func complete(_ pointer: RecordPointer) {
        unsafe pointer.record.pointee.isInHandle = false
        let word = unsafe pointer.record.pointee.word.load(ordering: .relaxed)
        unsafe pointer.set(.complete, from: word)
    }
}
