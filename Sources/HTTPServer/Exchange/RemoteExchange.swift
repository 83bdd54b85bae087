public import HTTPWire
import Synchronization

/// An exchange as other threads may use it: each call is copied into the reactor's mailbox and done
/// on its thread.
///
/// Calls of one thread are done in their order. A call with bytes waits while the loop has much to
/// take from others, unless the calling thread runs a loop itself. What comes after the exchange
/// has ended is dropped; the handle itself stays harmless as long as the server lives.
public struct RemoteExchange: Sendable {
    /// The exchange that is meant.
    public let exchange: Exchange
    private let generation: UInt32
    private let mailbox: Mailbox
    private let highWaterBytes: Int
    private let bytesMax: Int

    init(_ exchange: Exchange) {
        unsafe exchange.state.remote.pointee.isInUse.store(true, ordering: .relaxed)
        self.exchange = exchange
        generation = exchange.state.generation
        mailbox = exchange.reactor.mailbox
        highWaterBytes = exchange.state.loop.state.limits.outputHighWaterBytes
        bytesMax = exchange.state.loop.state.limits.outputBytesMax
    }

    /// Gives the whole response; see `Exchange.respond`.
    ///
    /// The fields are judged here, so that the result is true; `closed` says that the client is
    /// known to be gone.
    @discardableResult
    public func respond(
        status: UInt16, fields: UnsafeBufferPointer<HeaderField>, body: UnsafeRawBufferPointer
    ) -> ResponseResult {
        guard unsafe ResponseRules.allow(status: status, fields: fields) else {
            return .fieldRefused
        }
        return unsafe put(.respond(status: status, parcel(fields, body)))
    }

    /// Gives status and fields; see `Exchange.begin`.
    @discardableResult
    public func begin(
        status: UInt16, fields: UnsafeBufferPointer<HeaderField>, contentLength: UInt64?
    ) -> ResponseResult {
        guard unsafe ResponseRules.allow(status: status, fields: fields) else {
            return .fieldRefused
        }
        let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        return unsafe put(
            .begin(
                status: status, parcel(fields, nothing),
                contentLength: contentLength))
    }

    /// Sends a piece of the body; after `full`, `onWritable` is called on the reactor's thread when
    /// there is room.
    @discardableResult
    public func write(_ bytes: UnsafeRawBufferPointer) -> ResponseResult {
        let counters = unsafe exchange.state.remote
        if unsafe counters.pointee.isClosed.load(ordering: .acquiring) { return .closed }
        guard unsafe counters.pointee.bytes.load(ordering: .relaxed) + bytes.count <= bytesMax
        else { return .tooLong }
        let waiting = unsafe counters.pointee.bytes.add(bytes.count, ordering: .relaxed).newValue
        let isFull = waiting > highWaterBytes
        // Set before the message is put: the loop looks at it after it has obeyed the message, so
        // no wake-up is lost.
        if isFull { unsafe counters.pointee.waits.store(true, ordering: .releasing) }
        let nothing = unsafe UnsafeBufferPointer<HeaderField>(start: nil, count: 0)
        let result = unsafe put(.write(parcel(nothing, bytes)))
        if result == .closed {
            unsafe _ = counters.pointee.bytes.subtract(bytes.count, ordering: .relaxed)
            return .closed
        }
        return isFull ? .full : .accepted
    }

    /// Ends the body.
    public func finish() { _ = put(.finish) }

    /// Ends the body with fields behind it; see `Exchange.finish(trailers:)`.
    public func finish(trailers: UnsafeBufferPointer<HeaderField>) -> ResponseResult {
        guard unsafe ResponseRules.allow(trailers: trailers) else { return .fieldRefused }
        let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        return unsafe put(.finishWithTrailers(parcel(trailers, nothing)))
    }

    /// Cuts the connection.
    public func abort() { _ = put(.abort) }

    /// Lets the body go on after `onBody` has returned false.
    public func resumeBody() { _ = put(.resumeBody) }

    /// Puts what belongs to a handshake; false when the loop has ended for good.
    func putHandshake(_ act: RemoteAct) -> Bool {
        mailbox.put(.exchange(exchange, generation: generation, act))
    }

    private func parcel(
        _ fields: UnsafeBufferPointer<HeaderField>, _ bytes: UnsafeRawBufferPointer
    ) -> RemoteParcel {
        unsafe RemoteParcel(fields: fields, bytes: bytes, in: mailbox.room)
    }

    private func put(_ act: RemoteAct) -> ResponseResult {
        // Asked first: once the message is there, the exchange may end and be used again.
        let isClosed = unsafe exchange.state.remote.pointee.isClosed.load(ordering: .acquiring)
        let isPut = mailbox.put(.exchange(exchange, generation: generation, act))
        return isPut && !isClosed ? .accepted : .closed
    }
}

extension Exchange {
    /// The exchange for use on other threads; ask for it on the reactor's thread, or while the
    /// response is owed.
    public var remote: RemoteExchange { RemoteExchange(self) }

    /// Does what another thread asked for, unless the exchange has ended since.
    func obey(_ act: RemoteAct, generation: UInt32) {
        let isCurrent = state.isInUse && state.generation == generation
        if case .write(let parcel) = act {
            let result: ResponseResult = isCurrent ? unsafe write(parcel.bytes) : .closed
            if isCurrent, result == .accepted || result == .full, state.connection != nil {
                unsafe state.remoteBytesHeld += parcel.bytes.count
                schedule()
            } else {
                unsafe _ = state.remote.pointee.bytes.subtract(
                    parcel.bytes.count, ordering: .relaxed)
                // A body that lost a piece must not look whole.
                if result == .tooLong { abort() }
            }
            return
        }
        if case .upgrade(let socket) = act {
            socket.waitingActs.subtract(1, ordering: .acquiringAndReleasing)
            if isCurrent { return upgrade(to: socket) }
            state.loop.state.orphans.append(socket)
            return
        }
        guard isCurrent else { return }
        if isNamed { carryID() }
        switch act {
        case .respond(let status, let parcel):
            if unsafe respond(status: status, fields: parcel.fields, body: parcel.bytes)
                == .outOfOrder
            {
                abort()
            }
        case .begin(let status, let parcel, let contentLength):
            if unsafe begin(status: status, fields: parcel.fields, contentLength: contentLength)
                == .outOfOrder
            {
                abort()
            }
        case .refuse(let refusal): _ = refuse(refusal)
        case .write, .upgrade: break
        case .finish: finish()
        case .finishWithTrailers(let parcel):
            if unsafe finish(trailers: parcel.fields) == .outOfOrder { abort() }
        case .abort: abort()
        case .resumeBody: resumeBody()
        }
    }

    /// Takes off the books what the connection has sent of other threads' bytes, and learns whether
    /// a writer waits.
    func settleRemoteBytes() {
        guard state.remoteBytesHeld > 0 else { return }
        unsafe _ = state.remote.pointee.bytes.subtract(state.remoteBytesHeld, ordering: .relaxed)
        state.remoteBytesHeld = 0
        if unsafe state.remote.pointee.waits.exchange(false, ordering: .acquiringAndReleasing) {
            state.waitsForWritable = true
        }
    }

    /// Ends the accounts of other threads' bytes.
    @inline(__always)
    func releaseRemote() {
        if unsafe state.remote.pointee.isInUse.load(ordering: .relaxed) { closeRemoteAccounts() }
    }

    @inline(never)
    private func closeRemoteAccounts() {
        unsafe _ = state.remote.pointee.bytes.subtract(state.remoteBytesHeld, ordering: .relaxed)
        state.remoteBytesHeld = 0
        unsafe state.remote.pointee.waits.store(false, ordering: .relaxed)
        unsafe state.remote.pointee.isClosed.store(false, ordering: .relaxed)
        unsafe state.remote.pointee.isInUse.store(false, ordering: .relaxed)
    }
}

extension Exchange {
    /// Says whether a response may have this field.
    public static func allows(_ field: HeaderField) -> Bool {
        var field = field
        return unsafe withUnsafePointer(to: &field) {
            unsafe ResponseRules.allow(
                status: 200, fields: UnsafeBufferPointer(start: $0, count: 1))
        }
    }
}

extension ResponseRules {
    /// Says whether a response may have this status and these fields.
    static func allow(status: UInt16, fields: UnsafeBufferPointer<HeaderField>) -> Bool {
        guard status >= 200, status <= 599 else { return false }
        var room = 0
        for index in 0..<fields.count {
            let field = unsafe fields[index]
            if isReserved(field.name) { return false }
            room = max(room, field.name.count + field.value.count + 4)
        }
        return unsafe withUnsafeTemporaryAllocation(byteCount: room, alignment: 1) { scratch in
            for index in 0..<fields.count {
                var writer = unsafe ResponseWriter(scratch)
                let field = unsafe fields[index]
                guard writer.field(field.name, field.value) else { return false }
            }
            return true
        }
    }
}
