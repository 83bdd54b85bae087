import CPluginABI

extension Instance {
    /// Answers one request, on the loop's thread: at once, or by starting a task.
    static func handle(
        _ state: UnsafeMutableRawPointer?, _ request: UnsafePointer<ph_request>?,
        _ response: OpaquePointer?
    ) -> ph_status {
        guard let state = unsafe state, let request = unsafe request,
            let response = unsafe response
        else { return invalid }
        return unsafe Unmanaged<Instance>.fromOpaque(state)._withUnsafeGuaranteedRef { instance in
            unsafe instance.handle(request, response)
        }
    }

    private func handle(
        _ request: UnsafePointer<ph_request>, _ response: OpaquePointer
    ) -> ph_status {
        let index = unsafe Int(request.pointee.route)
        guard let handlers = bound?.handlers, index < handlers.count else { return invalid }
        let pattern = handlers[index].pattern
        let responder = unsafe Responder(unsafe: http, response)
        switch handlers[index].answer {
        case .inline(let answer):
            do {
                let answered = try answer(
                    unsafe Request(unsafe: request, pattern: pattern, responder: responder))
                #if hasFeature(Embedded)
                    if case .events(let opened) = answered.body {
                        let verdict = EventStream.begin(responder, answered, opened)
                        return verdict >= done ? verdict : settle(verdict, responder)
                    }
                #else
                    if case .stream = answered.body {
                        return unsafe runtime.begin(
                            responder, request: request, pattern: pattern,
                            streamsBody: false, log: log
                        ) { _ in answered }
                    }
                #endif
                return settle(responder.complete(answered), responder)
            } catch {
                return settle(
                    responder.complete(.problem(problem(error, log.about(responder)))), responder)
            }
        #if !hasFeature(Embedded)
            case .waiting(let answer):
                return unsafe runtime.begin(
                    responder, request: request, pattern: pattern,
                    streamsBody: handlers[index].streamsBody, log: log, answer)
            case .socket(let options, let opening):
                guard let functions = unsafe webSockets else {
                    log.error("the manifest does not ask for .webSocket, or it was not granted")
                    return responder.complete(.problem(internalError))
                }
                do {
                    let conversation = try opening(
                        unsafe Request(unsafe: request, pattern: pattern, responder: responder))
                    return unsafe runtime.begin(
                        responder, unsafe: functions, options, log: log, conversation)
                } catch {
                    return settle(
                        responder.complete(.problem(problem(error, log.about(responder)))),
                        responder)
                }
        #endif
        }
    }

    /// A response that the host would not take is replaced by a 500.
    private func settle(_ verdict: ph_status, _ responder: Responder) -> ph_status {
        if verdict >= done || verdict == closed { return done }
        log.about(responder).error(
            "the host refused a response: a status or a header field is not valid")
        return responder.complete(.problem(internalError))
    }
}

/// What a client may know of a failure that is not its own.
var internalError: HTTPError {
    HTTPError(.internalServerError, "the plugin could not answer this request")
}

#if hasFeature(Embedded)
    func problem(_ error: HTTPError, _ log: Log) -> HTTPError { error }
#else
    /// What to answer when a handler has thrown: its own words if it meant them for the client,
    /// else a text that gives nothing away and a line in the log.
    func problem(_ error: any Error, _ log: Log) -> HTTPError {
        if let error = error as? HTTPError { return error }
        log.error("a handler failed: \(describe(error))")
        return internalError
    }
#endif
