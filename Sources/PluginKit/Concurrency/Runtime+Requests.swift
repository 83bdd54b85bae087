#if !hasFeature(Embedded)
    import CPluginABI

    extension Runtime {
        /// Begins a task that answers a request.
        ///
        /// - Returns: what `handle` returns to the host.
        func begin(
            _ responder: Responder, request: UnsafePointer<ph_request>, pattern: StaticString,
            streamsBody: Bool, log: Log,
            _ answer: @escaping @Sendable (Request) async throws -> Response
        ) -> ph_status {
            let exchange = tasks.add { number in
                unsafe Exchange(
                    number: number, responder: responder, request: request,
                    streamsBody: streamsBody)
            }
            guard let exchange else { return responder.complete(.problem(stopping)) }
            let watched = observe(exchange)
            guard watched >= done else {
                tasks.remove(exchange.number)
                return watched
            }
            exchange.adopt(
                Task.detached { [tasks] in
                    await exchange.answer(pattern: pattern, log: log, answer)
                    tasks.remove(exchange.number)
                })
            return pending
        }

        private func observe(_ exchange: Exchange) -> ph_status {
            var observer = unsafe ph_observer()
            unsafe observer.size = UInt32(MemoryLayout<ph_observer>.size)
            unsafe observer.context = UnsafeMutableRawPointer(bitPattern: exchange.number)
            if exchange.streamsBody {
                unsafe observer.on_body = { context, piece, last in
                    guard let exchange = unsafe findExchange(context) else { return done }
                    let bytes = unsafe UnsafeBufferPointer(start: piece.data, count: piece.length)
                    if last != 0 { exchange.trailersArrived(exchange.responder.requestTrailers) }
                    return unsafe exchange.bodyArrived(Array(bytes), last: last != 0)
                }
            }
            unsafe observer.on_writable = { context in
                unsafe findExchange(context)?.becameWritable()
            }
            unsafe observer.on_closed = { context, _ in
                unsafe findExchange(context)?.clientLeft()
            }
            let responder = exchange.responder
            let status =
                unsafe responder.http.pointee.observe?(responder.response, &observer) ?? failed
            if status >= done {
                unsafe responder.observeDraining { unsafe findExchange($0)?.drainBegan() }
            }
            return status
        }
    }

    private func findExchange(_ context: UnsafeMutableRawPointer?) -> Exchange? {
        unsafe Runtime.current?.tasks.find(UInt(bitPattern: context))
    }

    /// What a client is told whose request comes too late.
    var stopping: HTTPError {
        HTTPError(
            .serviceUnavailable, "the plugin is stopping", headers: [Header("Retry-After", "1")])
    }

    extension Exchange {
        /// Runs the handler and sends what it answers; when this returns, nothing is owed.
        func answer(
            pattern: StaticString, log: Log,
            _ answer: @Sendable (Request) async throws -> Response
        ) async {
            do {
                let request = unsafe Request(
                    unsafe: request, pattern: pattern, responder: responder,
                    exchange: Unmanaged.passUnretained(self))
                try await send(try await answer(request), log)
            } catch is CancellationError {
                if isClosed || !respond(.problem(stopping)) { abort() }
            } catch {
                if !respond(.problem(problem(error, log.about(responder)))) { abort() }
            }
        }

        private func send(_ answered: Response, _ log: Log) async throws {
            guard case .stream(let length, let write) = answered.body else {
                if respond(answered) { return }
                log.about(responder).error(
                    "the host refused a response: a status or a header field is not valid")
                throw internalError
            }
            guard begin(answered, length: length) >= done else {
                if isClosed { return abort() }
                log.about(responder).error(
                    "the host refused to begin a response: a header field is not valid")
                throw internalError
            }
            do {
                try await write(ResponseWriter(exchange: self))
                if !finish() { log.error("the host refused a trailer, and sent none") }
            } catch {
                abort()
                if !(error is CancellationError) {
                    log.error("a streamed response failed: \(describe(error))")
                }
            }
        }
    }
#endif
