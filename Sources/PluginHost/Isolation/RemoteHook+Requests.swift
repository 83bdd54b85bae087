import CPluginABI
import DynamicLibrary
import HTTPServer
import HTTPWire
import HostModel

/// Hooks of isolated plugins at requests: the request is held, as one that another thread runs code
/// for, and no thread waits.
extension RemoteHook {
    /// Puts a request that comes to a process; on the loop's thread, with the exchange held.
    func enter(
        _ exchange: Exchange, _ frame: UnsafeMutablePointer<HookFrame>,
        _ entry: UnsafeMutablePointer<HookFrame.Entry>
    ) {
        guard let taker = next() else {
            return exchange.endRemoteCall(.enter, result: ph_status(PH_GONE))
        }
        unsafe entry.pointee.place = Int32(truncatingIfNeeded: taker.worker.serial)
        var parcel = Parcel()
        let names = unsafe (exchange.quietID.text, exchange.traceparent.text)
        unsafe parcel.put(&frame.pointee.call, names: names)
        let bytes = parcel.bytes
        let json: JSONObject = ["hook": .number64(taker.number)]
        let channel = taker.worker.channel
        // Kept alive for the way back, whatever becomes of the server.
        let reactor = exchange.reactor
        let hear: @Sendable (ControlChannel.Answer) -> Void = { answer in
            withExtendedLifetime(reactor) {
                if case .success(let content) = answer {
                    unsafe HookFrame.hand(HookAnswer(content), to: exchange)
                }
                exchange.endRemoteCall(.enter, result: Self.status(of: answer))
            }
        }
        // One that answers later has the time that the request has.
        guard options.kind != .replace else {
            return channel.request(RemoteTopic.enterHook, json, bytes, then: hear)
        }
        let owesLeave = options.kind.leaves
        channel.request(
            RemoteTopic.enterHook, json, bytes, within: Self.patience,
            late: { answer in
                // What has entered leaves, even when the request has gone on without it.
                guard owesLeave, case .success(let content) = answer, content.status == PH_OK else {
                    return
                }
                var json = json
                json["word"] = content.json["word"]
                json["status"] = .number(JSONNumber(499))
                json["flags"] = .number(JSONNumber(PH_OUTCOME_CUT))
                channel.request(RemoteTopic.leaveHook, json, bytes) { _ in }
            }, then: hear)
    }

    /// Tells the process that has entered what a request came to; on the loop's thread, with the
    /// exchange held.
    func leave(
        _ exchange: Exchange, _ frame: UnsafeMutablePointer<HookFrame>,
        _ entry: UnsafeMutablePointer<HookFrame.Entry>
    ) {
        guard let taker = unsafe taker(serial: entry.pointee.place) else {
            return exchange.endRemoteCall(.leave, result: ph_status(PH_GONE))
        }
        var parcel = Parcel()
        unsafe parcel.put(&frame.pointee.call, names: (ph_text(), ph_text()))
        let outcome = unsafe frame.pointee.outcome
        let reactor = exchange.reactor
        taker.worker.channel.request(
            RemoteTopic.leaveHook,
            [
                "hook": .number64(taker.number),
                "word": .number64(unsafe UInt64(UInt(bitPattern: entry.pointee.word))),
                "status": .number(JSONNumber(outcome.status)),
                "body_bytes": .number64(outcome.body_bytes),
                "nanoseconds": .number64(outcome.nanoseconds),
                "flags": .number(JSONNumber(outcome.flags)),
            ], parcel.bytes, within: Self.patience
        ) { answer in
            withExtendedLifetime(reactor) {
                exchange.endRemoteCall(.leave, result: Self.status(of: answer))
            }
        }
    }

    /// Shows a process the head of a response, and waits: that is the time of whoever answers.
    func respond(_ call: UnsafePointer<ph_request_call>?, _ head: OpaquePointer?) -> ph_status {
        guard let call = unsafe call, let pointer = unsafe head,
            let (owed, _) = unsafe RecordPointer.of(call.pointee.response), let taker = next()
        else { return ph_status(PH_GONE) }
        let exchange = unsafe owed.record.pointee.exchange
        let head = unsafe ResponseHead.of(pointer)
        var parcel = Parcel()
        let names = unsafe (exchange.quietID.text, exchange.traceparent.text)
        unsafe parcel.put(call, names: names)
        parcel.put(UInt64(head.fields.count))
        for field in head.fields {
            unsafe parcel.put(field.name.text)
            unsafe parcel.put(field.value.text)
        }
        let answer = taker.worker.channel.wait(
            RemoteTopic.respondHook,
            ["hook": .number64(taker.number), "status": .number(JSONNumber(head.status))],
            parcel.bytes, within: Self.patience)
        guard case .success(let content) = answer else { return Self.status(of: answer) }
        if content.json["named"]?.bool == true { _ = exchange.requestID }
        var reader = ParcelReader(content.bytes)
        for _ in 0..<reader.count(of: 24) {
            let kind = ResponseHead.Edit.Kind(rawValue: reader.number())
            let name = unsafe ByteSlice(reader.text())
            let value = unsafe ByteSlice(reader.text())
            switch kind {
            case .set: _ = head.add(name, value, replaces: true)
            case .add: _ = head.add(name, value, replaces: false)
            case .remove: _ = head.remove(name)
            case nil: break
            }
        }
        return content.status
    }
}

/// What a process has made of a request that it was shown: a word, and the response if it has one.
///
/// `@unchecked Sendable` because nothing in it changes after init.
@safe
final class HookAnswer: @unchecked Sendable {
    let word: UnsafeMutableRawPointer?
    /// Whether the hook has asked for the request's name.
    let isNamed: Bool
    /// Whether there is a response.
    let hasResponse: Bool
    private let result: ph_status
    private let status: UInt32
    private let headers: UnsafeMutableBufferPointer<ph_header>
    private let body: ph_bytes
    private let octets: OwnedBytes?

    init(_ content: ControlChannel.Content) {
        result = content.status
        let bits = UInt(truncatingIfNeeded: content.json["word"]?.number64 ?? 0)
        unsafe word = UnsafeMutableRawPointer(bitPattern: bits)
        isNamed = content.json["named"]?.bool == true
        guard let status = content.json["answer"]?.integer.flatMap({ UInt32(exactly: $0) }) else {
            status = 0
            hasResponse = false
            unsafe headers = UnsafeMutableBufferPointer(start: nil, count: 0)
            unsafe body = ph_bytes()
            octets = nil
            return
        }
        var reader = ParcelReader(content.bytes)
        let fields = unsafe reader.headers()
        unsafe headers = .allocate(capacity: fields.count)
        _ = unsafe headers.initialize(fromContentsOf: fields)
        unsafe body = reader.data()
        octets = reader.octets
        self.status = status
        hasResponse = true
    }

    deinit { unsafe headers.deallocate() }

    /// Gives the response, through the hooks that are to see its head; returns what the hook has
    /// returned, or why its response was not taken.
    func respond(to response: OpaquePointer?) -> ph_status {
        guard status != 0 else {
            unsafe PluginHTTP.abort(response)
            return result
        }
        let given = unsafe PluginHTTP.respond(
            response, status, headers.baseAddress, headers.count, body)
        return given < 0 ? given : result
    }
}

extension Parcel {
    /// Puts in all that a hook is shown of a request; after it what else the call has need of.
    mutating func put(_ call: UnsafePointer<ph_request_call>, names: (ph_text, ph_text)) {
        unsafe put(call.pointee.plugin)
        unsafe put(call.pointee.method)
        unsafe put(call.pointee.pattern)
        unsafe put(call.pointee.generation)
        unsafe put(names.0)
        unsafe put(names.1)
        guard let request = unsafe call.pointee.request else { return }
        unsafe put(UInt64(request.pointee.route))
        unsafe put(request.pointee.content_length)
        unsafe put(request.pointee.method)
        unsafe put(request.pointee.path)
        unsafe put(request.pointee.query)
        unsafe put(request.pointee.remote_address)
        unsafe put(UInt64(request.pointee.parameter_count))
        for index in unsafe 0..<request.pointee.parameter_count {
            unsafe put(request.pointee.parameters[index])
        }
        unsafe put(request.pointee.headers, request.pointee.header_count)
        unsafe put(request.pointee.body)
    }
}
