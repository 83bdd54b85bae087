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

    /// Finds the handler, and answers at once if that is how it answers; whatever takes longer is
    /// kept out of here, with the room that it needs on the stack.
    private func handle(
        _ request: UnsafePointer<ph_request>, _ response: OpaquePointer
    ) -> ph_status {
        let index = unsafe Int(request.pointee.route)
        guard let references = unsafe bound?.references, unsafe index < references.count else {
            return invalid
        }
        return unsafe references[index]._withUnsafeGuaranteedRef { handler in
            unsafe handle(request, response, handler)
        }
    }

    @inline(__always)
    private func handle(
        _ request: UnsafePointer<ph_request>, _ response: OpaquePointer, _ handler: BoundHandler
    ) -> ph_status {
        guard case .inline(let answer) = handler.answer else {
            return unsafe handleLater(request, response, handler)
        }
        let responder = unsafe Responder(unsafe: http, response)
        do {
            let answered = try answer(
                unsafe Request(unsafe: request, pattern: handler.pattern, responder: responder))
            #if hasFeature(Embedded)
                if case .events(let opened) = answered.body {
                    let verdict = EventStream.begin(responder, answered, opened)
                    return verdict >= done ? verdict : settle(verdict, responder)
                }
            #else
                if case .stream = answered.body {
                    return unsafe stream(request, responder, handler.pattern, answered)
                }
            #endif
            return settle(responder.complete(answered), responder)
        } catch {
            return refuse(error, responder)
        }
    }

    @inline(never)
    private func refuse(_ error: HandlerError, _ responder: Responder) -> ph_status {
        settle(responder.complete(.problem(problem(error, log.about(responder)))), responder)
    }

    #if hasFeature(Embedded)
        private func handleLater(
            _ request: UnsafePointer<ph_request>, _ response: OpaquePointer,
            _ handler: BoundHandler
        ) -> ph_status { invalid }
    #else
        /// Begins the task of a body that is written later.
        @inline(never)
        private func stream(
            _ request: UnsafePointer<ph_request>, _ responder: Responder,
            _ pattern: StaticString, _ answered: Response
        ) -> ph_status {
            unsafe runtime.begin(
                responder, request: request, pattern: pattern, streamsBody: false, log: log
            ) { _ in answered }
        }

        /// Begins the task of a handler that may wait, or of a conversation.
        @inline(never)
        private func handleLater(
            _ request: UnsafePointer<ph_request>, _ response: OpaquePointer,
            _ handler: BoundHandler
        ) -> ph_status {
            let pattern = handler.pattern
            let responder = unsafe Responder(unsafe: http, response)
            switch handler.answer {
            case .inline: return invalid
            case .waiting(let answer):
                return unsafe runtime.begin(
                    responder, request: request, pattern: pattern,
                    streamsBody: handler.streamsBody, log: log, answer)
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
                    return refuse(error, responder)
                }
            }
        }
    #endif

    /// A response that the host would not take is replaced by a 500.
    @inline(__always)
    private func settle(_ verdict: ph_status, _ responder: Responder) -> ph_status {
        verdict >= done || verdict == closed ? done : replace(responder)
    }

    @inline(never)
    private func replace(_ responder: Responder) -> ph_status {
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
