internal import CPluginABI
internal import Glibc
internal import HTTPServer
internal import HTTPWire
internal import Synchronization

/// The functions by which plugins answer: the `ph_http` of every plugin in this process.
///
/// On the loop that handed the request over, a call goes straight into the connection's output
/// buffer; on another thread, or on one that has lost its loop, it is copied and sent to the loop.
enum PluginHTTP {
    /// The table; never freed. Unsafe, but sound because it is not written to again.
    nonisolated(unsafe) static let table: UnsafePointer<ph_http> = {
        let table = UnsafeMutablePointer<ph_http>.allocate(capacity: 1)
        unsafe table.initialize(
            to: ph_http(
                size: UInt32(MemoryLayout<ph_http>.size),
                respond: { unsafe respond($0, $1, $2, $3, $4) },
                begin: { unsafe begin($0, $1, $2, $3, $4) },
                write: { unsafe write($0, $1) },
                finish: { unsafe finish($0) },
                abort: { unsafe abort($0) },
                observe: { unsafe observe($0, $1) },
                resume_body: { unsafe resumeBody($0) },
                request_trailers: { unsafe requestTrailers($0, $1) },
                finish_with_trailers: { unsafe finish($0, trailers: $1, $2) },
                request_id: { unsafe requestID($0) },
                trace_parent: { unsafe traceParent($0) },
                observe_draining: { unsafe observeDraining($0, $1) }))
        return unsafe UnsafePointer(table)
    }()

    /// The most headers of one response.
    static let headersMax = 256

    // MARK: - Functions of the table

    @inline(__always)
    static func respond(
        _ response: OpaquePointer?, _ status: UInt32, _ headers: UnsafePointer<ph_header>?,
        _ headerCount: Int, _ body: ph_bytes
    ) -> ph_status {
        guard let (pointer, word) = unsafe RecordPointer.of(response) else {
            return unsafe response == nil ? code(PH_INVALID) : code(PH_WRONG_STATE)
        }
        guard unsafe RecordPointer.isOwedWithoutHooks(word) else {
            return unsafe respondUncommonly(pointer, word, status, headers, headerCount, body)
        }
        guard let status = finalStatus(status),
            let fields = unsafe fields(headers, headerCount),
            let bytes = unsafe buffer(body)
        else { return code(PH_INVALID) }
        return unsafe deliver(pointer, word, status, fields, bytes)
    }

    /// Completes a response whose head and body are good.
    @inline(__always)
    static func deliver(
        _ pointer: RecordPointer, _ word: UInt64, _ status: UInt16,
        _ fields: UnsafeBufferPointer<HeaderField>, _ bytes: UnsafeRawBufferPointer
    ) -> ph_status {
        let exchange = unsafe pointer.record.pointee.exchange
        let entry = exchange.enterLoop()
        if entry.isOpen {
            let result = unsafe exchange.respond(status: status, fields: fields, body: bytes)
            if result == .accepted || result == .full || result == .closed {
                unsafe pointer.set(.complete, from: word)
            }
            exchange.leaveLoop(entry)
            return code(result == .full ? .accepted : result)
        }
        return unsafe completeRemotely(pointer, word) {
            unsafe $0.respond(status: status, fields: fields, body: bytes)
        }
    }

    static func begin(
        _ response: OpaquePointer?, _ status: UInt32, _ headers: UnsafePointer<ph_header>?,
        _ headerCount: Int, _ contentLength: UInt64
    ) -> ph_status {
        guard let (pointer, word) = unsafe RecordPointer.of(response) else {
            return unsafe response == nil ? code(PH_INVALID) : code(PH_WRONG_STATE)
        }
        guard unsafe RecordPointer.isOwedWithoutHooks(word) else {
            return unsafe beginUncommonly(
                pointer, word, status, headers, headerCount, contentLength)
        }
        guard let status = finalStatus(status),
            let fields = unsafe fields(headers, headerCount)
        else { return code(PH_INVALID) }
        return unsafe deliverHead(pointer, word, status, fields, contentLength)
    }

    /// Begins a response whose head is good.
    static func deliverHead(
        _ pointer: RecordPointer, _ word: UInt64, _ status: UInt16,
        _ fields: UnsafeBufferPointer<HeaderField>, _ contentLength: UInt64
    ) -> ph_status {
        let length = contentLength == .max ? nil : contentLength
        let exchange = unsafe pointer.record.pointee.exchange
        let result: ResponseResult
        let entry = exchange.enterLoop()
        if entry.isOpen {
            result = unsafe exchange.begin(status: status, fields: fields, contentLength: length)
            if result == .accepted || result == .closed { unsafe pointer.set(.begun, from: word) }
            exchange.leaveLoop(entry)
        } else {
            result = unsafe exchange.remote.begin(
                status: status, fields: fields, contentLength: length)
            if result == .accepted || result == .closed {
                guard unsafe pointer.exchangePhase(.begun, from: word) else {
                    return code(PH_WRONG_STATE)
                }
            }
        }
        return code(result)
    }

    static func write(_ response: OpaquePointer?, _ piece: ph_bytes) -> ph_status {
        guard let (pointer, word) = unsafe RecordPointer.of(response) else {
            return unsafe response == nil ? code(PH_INVALID) : code(PH_WRONG_STATE)
        }
        guard unsafe RecordPointer.phase(word) == .begun else { return code(PH_WRONG_STATE) }
        guard let bytes = unsafe buffer(piece) else { return code(PH_INVALID) }
        let exchange = unsafe pointer.record.pointee.exchange
        let entry = exchange.enterLoop()
        guard entry.isOpen else { return unsafe code(exchange.remote.write(bytes)) }
        let result = unsafe exchange.write(bytes)
        exchange.leaveLoop(entry)
        return code(result)
    }

    static func finish(_ response: OpaquePointer?) -> ph_status {
        guard let (pointer, word) = unsafe RecordPointer.of(response) else {
            return unsafe response == nil ? code(PH_INVALID) : code(PH_WRONG_STATE)
        }
        guard unsafe RecordPointer.phase(word) == .begun else { return code(PH_WRONG_STATE) }
        let exchange = unsafe pointer.record.pointee.exchange
        let entry = exchange.enterLoop()
        if entry.isOpen {
            let isClosed = exchange.isClosed
            unsafe pointer.set(.complete, from: word)
            exchange.finish()
            exchange.leaveLoop(entry)
            return isClosed ? code(PH_CLOSED) : code(PH_OK)
        }
        return unsafe completeRemotely(pointer, word) { remote in
            remote.finish()
            return .accepted
        }
    }

    static func abort(_ response: OpaquePointer?) {
        guard let (pointer, word) = unsafe RecordPointer.of(response) else { return }
        let phase = unsafe RecordPointer.phase(word)
        guard phase == .owed || phase == .begun else { return }
        let exchange = unsafe pointer.record.pointee.exchange
        let entry = exchange.enterLoop()
        if entry.isOpen {
            unsafe pointer.set(.complete, from: word)
            exchange.abort()
            exchange.leaveLoop(entry)
        } else {
            _ = unsafe completeRemotely(pointer, word) { remote in
                remote.abort()
                return .accepted
            }
        }
    }

    static func observe(
        _ response: OpaquePointer?, _ observer: UnsafePointer<ph_observer>?
    ) -> ph_status {
        guard let observer = unsafe observer, unsafe response != nil else {
            return code(PH_INVALID)
        }
        guard let (pointer, word) = unsafe RecordPointer.of(response),
            unsafe pointer.record.pointee.exchange.isCalledHere,
            unsafe pointer.record.pointee.isInHandle, unsafe !pointer.record.pointee.hasObserver
        else { return code(PH_WRONG_STATE) }
        let phase = unsafe RecordPointer.phase(word)
        guard phase == .owed || phase == .begun else { return code(PH_WRONG_STATE) }
        return unsafe PluginObserver.install(observer, on: pointer)
    }

    static func resumeBody(_ response: OpaquePointer?) -> ph_status {
        guard let (pointer, word) = unsafe RecordPointer.of(response) else {
            return unsafe response == nil ? code(PH_INVALID) : code(PH_WRONG_STATE)
        }
        let phase = unsafe RecordPointer.phase(word)
        guard phase == .owed || phase == .begun else { return code(PH_WRONG_STATE) }
        let exchange = unsafe pointer.record.pointee.exchange
        let entry = exchange.enterLoop()
        if entry.isOpen {
            exchange.resumeBody()
            exchange.leaveLoop(entry)
        } else {
            exchange.remote.resumeBody()
        }
        return code(PH_OK)
    }

    // MARK: - Completion

    /// Completes a response in one step, on any thread.
    static func complete(
        _ pointer: RecordPointer, _ word: UInt64, _ send: () -> ResponseResult
    ) -> ph_status {
        let exchange = unsafe pointer.record.pointee.exchange
        let entry = exchange.enterLoop()
        guard entry.isOpen else {
            return unsafe completeRemotely(pointer, word) { _ in send() }
        }
        let result = send()
        if result == .accepted || result == .closed {
            unsafe pointer.set(.complete, from: word)
        }
        exchange.leaveLoop(entry)
        return code(result)
    }

    /// Completes a response from another thread: marks it, waits until no function of its observer
    /// runs, and sends the completion to the loop.
    ///
    /// After this the plugin may free what the observer's context points at, so a function that has
    /// begun must have ended and none may begin.
    static func completeRemotely(
        _ pointer: RecordPointer, _ word: UInt64, _ send: (RemoteExchange) -> ResponseResult
    ) -> ph_status {
        let remote = unsafe pointer.record.pointee.exchange.remote
        guard unsafe pointer.exchangePhase(.complete, from: word) else {
            return code(PH_WRONG_STATE)
        }
        unsafe waitForObserver(pointer)
        let result = send(remote)
        if result == .fieldRefused {
            let complete = unsafe RecordPointer.word(word, .complete)
            unsafe _ = pointer.exchangePhase(RecordPointer.phase(word), from: complete)
        }
        return code(result == .full ? .accepted : result)
    }

    /// Waits until no function of the observer runs, unless it is that function which asks.
    private static func waitForObserver(_ pointer: RecordPointer) {
        if unsafe pointer.record.pointee.exchange.isCalledHere { return }
        var turns = 0
        while unsafe pointer.record.pointee.word.load(ordering: .acquiring)
            & RequestRecord.observing != 0
        {
            turns += 1
            if turns < 64 {
                sched_yield()
            } else {
                var pause = timespec(tv_sec: 0, tv_nsec: 200_000)
                unsafe nanosleep(&pause, nil)
            }
        }
    }

    // MARK: - Reading arguments

    @inline(__always)
    static func finalStatus(_ status: UInt32) -> UInt16? {
        status >= 200 && status <= 599 ? UInt16(truncatingIfNeeded: status) : nil
    }

    /// The headers as the server's fields, which have the same layout; nil when they are malformed.
    @inline(__always)
    static func fields(
        _ headers: UnsafePointer<ph_header>?, _ count: Int
    ) -> UnsafeBufferPointer<HeaderField>? {
        guard count >= 0, count <= headersMax else { return nil }
        guard let headers = unsafe headers else {
            return unsafe count == 0 ? UnsafeBufferPointer(start: nil, count: 0) : nil
        }
        for index in 0..<count {
            let header = unsafe headers + index
            if unsafe header.pointee.name.data == nil
                || (header.pointee.value.data == nil && header.pointee.value.length != 0)
                || header.pointee.name.length > Int(Int32.max)
                || header.pointee.value.length > Int(Int32.max)
            {
                return nil
            }
        }
        let fields = unsafe UnsafeRawPointer(headers).assumingMemoryBound(to: HeaderField.self)
        return unsafe UnsafeBufferPointer(start: fields, count: count)
    }

    @inline(__always)
    static func buffer(_ bytes: ph_bytes) -> UnsafeRawBufferPointer? {
        guard unsafe bytes.length >= 0, unsafe bytes.data != nil || bytes.length == 0 else {
            return nil
        }
        return unsafe UnsafeRawBufferPointer(start: bytes.data, count: bytes.length)
    }

    // MARK: - Results

    @inline(__always)
    static func code(_ status: Int) -> ph_status { ph_status(truncatingIfNeeded: status) }

    @inline(__always)
    static func code(_ result: ResponseResult) -> ph_status {
        switch result {
        case .accepted: code(PH_OK)
        case .full: code(PH_FULL)
        case .closed: code(PH_CLOSED)
        case .fieldRefused: code(PH_INVALID)
        case .outOfOrder: code(PH_WRONG_STATE)
        case .tooLong: code(PH_LIMIT)
        }
    }
}
