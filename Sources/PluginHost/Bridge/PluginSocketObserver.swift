internal import CPluginABI
internal import DynamicLibrary
internal import HTTPServer
internal import HTTPWire

/// Takes what the server tells about a WebSocket to the plugin's observer.
enum PluginSocketObserver {
    /// What the server is to call for a record.
    static func observer(_ pointer: SocketPointer) -> WebSocketObserver {
        var observer = WebSocketObserver()
        unsafe observer.context = UnsafeMutableRawPointer(pointer.address)
        unsafe observer.onOpen = { unsafe PluginSocketObserver.open($0) }
        unsafe observer.onMessage = { unsafe PluginSocketObserver.message($0, $1, $2, $3, $4) }
        unsafe observer.onWritable = { unsafe PluginSocketObserver.writable($0) }
        unsafe observer.onClosed = { unsafe PluginSocketObserver.closed($0, $1, $2, $3) }
        return observer
    }

    /// The record behind an observer's context.
    static func record(_ context: UnsafeMutableRawPointer?) -> SocketPointer? {
        unsafe context.map {
            unsafe SocketPointer(address: $0.assumingMemoryBound(to: SocketRecord.self))
        }
    }

    /// Calls the plugin: the one place where its functions for sockets are entered.
    ///
    /// The thread does not come back from here if it has lost its loop meanwhile.
    private static func call(
        _ pointer: SocketPointer, _ kind: SocketCallKind,
        _ body: (UnsafeMutablePointer<SocketRecord>) -> ph_status
    ) -> ph_status {
        guard let serving = unsafe pointer.address.pointee.serving,
            let owner = unsafe pointer.address.pointee.socket
        else { return ph_status(PH_OK) }
        let image = unsafe serving.pointee.image
        return unsafe owner._withUnsafeGuaranteedRef { socket in
            let call = socket.beginCall(kind)
            let host = ImageContext.enter(image)
            let status = unsafe body(pointer.address)
            ImageContext.leave(host)
            if !socket.endCall(call) {
                ImageContext.settle(image)
                socket.surrender(kind, result: status)
            }
            return status
        }
    }

    /// Goes on with a socket whose call has returned on another thread.
    static func comeBack(_ socket: WebSocket, _ kind: SocketCallKind, _ status: ph_status) {
        guard let pointer = unsafe record(socket.context) else { return }
        switch kind {
        case .open, .writable: break
        case .message:
            switch status {
            case ph_status(PH_OK): socket.resume()
            case ph_status(PH_PAUSE): break
            default: socket.fail()
            }
        case .closed: unsafe pointer.letGo()
        }
    }

    private static func open(_ context: UnsafeMutableRawPointer?) {
        guard let pointer = unsafe record(context),
            let serving = unsafe pointer.address.pointee.serving,
            let socket = unsafe pointer.address.pointee.socket
        else { return }
        unsafe socket._withUnsafeGuaranteedRef { socket in
            if unsafe serving.pointee.slot(socket.reactorIndex).pointee.refusesSockets {
                return socket.restart()
            }
            unsafe _ = call(pointer, .open) { record in
                unsafe record.pointee.onOpen?(
                    record.pointee.context, record.pointee.subprotocol.text)
                return ph_status(PH_OK)
            }
        }
    }

    private static func message(
        _ context: UnsafeMutableRawPointer?, _ kind: UInt8, _ bytes: UnsafeRawPointer?,
        _ count: Int, _ isLast: Bool
    ) -> Bool {
        guard let pointer = unsafe record(context) else { return true }
        let status = unsafe call(pointer, .message) { record in
            unsafe record.pointee.onMessage?(
                record.pointee.context, UInt32(kind),
                ph_bytes(data: bytes?.assumingMemoryBound(to: UInt8.self), length: count),
                isLast ? 1 : 0) ?? ph_status(PH_OK)
        }
        switch status {
        case ph_status(PH_OK): return true
        case ph_status(PH_PAUSE): return false
        default:
            unsafe pointer.address.pointee.socket?._withUnsafeGuaranteedRef { $0.fail() }
            return true
        }
    }

    private static func writable(_ context: UnsafeMutableRawPointer?) {
        guard let pointer = unsafe record(context) else { return }
        unsafe _ = call(pointer, .writable) { record in
            unsafe record.pointee.onWritable?(record.pointee.context)
            return ph_status(PH_OK)
        }
    }

    private static func closed(
        _ context: UnsafeMutableRawPointer?, _ code: UInt16, _ reason: UnsafeRawPointer?,
        _ count: Int
    ) {
        guard let pointer = unsafe record(context), unsafe pointer.move(.open, to: .closed) else {
            return
        }
        unsafe _ = call(pointer, .closed) { record in
            unsafe record.pointee.onClosed?(
                record.pointee.context, UInt32(code),
                ph_text(data: reason?.assumingMemoryBound(to: CChar.self), length: count))
            return ph_status(PH_OK)
        }
        unsafe pointer.letGo()
    }
}

extension WebSocket {
    /// Closes because the plugin's code is about to leave.
    func restart() { end(WebSocketCloseCode.serviceRestart) }

    /// Closes because the plugin could not take a message.
    fileprivate func fail() { end(WebSocketCloseCode.internalError) }

    private func end(_ code: UInt16) {
        let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        _ = unsafe close(code: code, reason: nothing)
    }
}

extension Generation {
    /// Closes the sockets of this generation on one reactor with 1012, and those that are still to
    /// come; on the reactor's thread.
    func closeSockets(on reactor: Reactor) {
        unsafe serving.pointee.slot(reactor.index).pointee.refusesSockets = true
        let serving = unsafe serving
        unsafe reactor.closeWebSockets(
            code: WebSocketCloseCode.serviceRestart, reason: "the plugin is being replaced"
        ) { context in
            guard let pointer = unsafe PluginSocketObserver.record(context) else { return false }
            return unsafe pointer.address.pointee.serving == serving
        }
    }

    /// Takes that back, for sockets that are still to come; on the reactor's thread.
    func openSockets(on reactor: Reactor) {
        unsafe serving.pointee.slot(reactor.index).pointee.refusesSockets = false
    }
}
