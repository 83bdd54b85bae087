#if !hasFeature(Embedded)
    import CPluginABI
    import Synchronization

    /// One request that is answered by a task: what the host tells about it, and what is told to
    /// the host.
    ///
    /// It is Sendable because its mutable parts are behind locks and its pointers are never written
    /// through.
    @safe
    final class Exchange: @unchecked Sendable {
        /// How much of a body may wait for the handler before the host is asked to pause.
        static var bufferedBytesMax: Int { 64 * 1024 }

        private struct State: Conversation {
            var pieces = Ring<[UInt8]>()
            var bufferedBytes = 0
            var bodyHasEnded = false
            var isPaused = false
            /// How many times the host has said that there is room again.
            var writableCount = 0
            var isCancelled = false
            var isClosed = false
            /// Whether the host waits for the response, and who wants to know.
            var isDraining = false
            var drainer: CheckedContinuation<Void, Never>?
            var reader: CheckedContinuation<Void, Never>?
            var writers: [CheckedContinuation<Void, Never>] = []
            /// What came behind the request's body, and what goes behind the response's.
            var received: [Header] = []
            var trailers: [Header] = []
            var task: Task<Void, Never>?

            mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
                defer { (reader, drainer, writers) = (nil, nil, []) }
                return [reader, drainer].compactMap(\.self) + writers
            }

            mutating func takeDrainer() -> CheckedContinuation<Void, Never>? {
                defer { drainer = nil }
                return drainer
            }
        }

        let number: UInt
        let responder: Responder
        let request: UnsafePointer<ph_request>
        let streamsBody: Bool
        private let state = Mutex(State())
        /// Whether the response is completed; held while the host is called, since one response is
        /// used by one thread at a time.
        private let isCompleted = Mutex(false)

        init(
            number: UInt, responder: Responder, request: UnsafePointer<ph_request>,
            streamsBody: Bool
        ) {
            self.number = number
            self.responder = responder
            unsafe self.request = request
            self.streamsBody = streamsBody
        }

        /// Whether the client has gone.
        var isClosed: Bool { state.withLock(\.isClosed) }

        /// Books the task that answers, which may have ended already.
        func adopt(_ task: Task<Void, Never>) { state.adopt(task) }

        /// Cancels the task and wakes it where it waits for the client.
        func cancel() { state.cancel() }
    }

    // What the host tells, on a loop's thread.
    extension Exchange {
        func bodyArrived(_ piece: [UInt8], last: Bool) -> ph_status {
            let (reader, pauses) = state.withLock { state in
                if !piece.isEmpty {
                    state.pieces.append(piece)
                    state.bufferedBytes += piece.count
                }
                if last { state.bodyHasEnded = true }
                state.isPaused = !last && state.bufferedBytes >= Self.bufferedBytesMax
                defer { state.reader = nil }
                return (state.reader, state.isPaused)
            }
            reader?.resume()
            return ph_status(pauses ? PH_PAUSE : PH_OK)
        }

        func becameWritable() {
            let writers = state.withLock { state in
                state.writableCount += 1
                defer { state.writers = [] }
                return state.writers
            }
            for writer in writers { writer.resume() }
        }

        func trailersArrived(_ trailers: [Header]) {
            state.withLock { $0.received = trailers }
        }

        func drainBegan() {
            let drainer = state.withLock { state in
                state.isDraining = true
                return state.takeDrainer()
            }
            drainer?.resume()
        }

        func clientLeft() {
            state.withLock { $0.isClosed = true }
            cancel()
        }
    }

    // What the task asks for.
    extension Exchange {
        /// The next piece of the body; nil at its end.
        ///
        /// - Throws: `CancellationError` when the client has gone or the plugin stops.
        func nextPiece() async throws -> [UInt8]? {
            while true {
                let (piece, hasEnded, resumes) = state.withLock { state in
                    let piece = state.pieces.popFirst()
                    state.bufferedBytes -= piece?.count ?? 0
                    let resumes = state.isPaused && state.bufferedBytes < Self.bufferedBytesMax / 2
                    if resumes { state.isPaused = false }
                    return (piece, state.bodyHasEnded, resumes)
                }
                if resumes { resumeBody() }
                if let piece { return piece }
                if hasEnded { return nil }
                try checkAlive()
                await wait { state, waiter in
                    guard state.pieces.isEmpty, !state.bodyHasEnded else { return false }
                    state.reader = waiter
                    return true
                }
            }
        }

        /// Begins a response whose body follows in pieces.
        func begin(_ answer: borrowing Response, length: UInt64) -> ph_status {
            use { responder in
                guard let begin = unsafe responder.http.pointee.begin else { return failed }
                let status = UInt32(answer.status.code)
                return unsafe responder.withFields(answer) { fields, count in
                    unsafe begin(responder.response, status, fields, count, length)
                }
            }
        }

        /// What the client sent behind the body; empty before its end.
        var receivedTrailers: [Header] { state.withLock(\.received) }

        func addTrailer(_ trailer: Header) {
            state.withLock { $0.trailers.append(trailer) }
        }

        /// Appends to the body.
        ///
        /// - Returns: what to wait for before more is written; nil for nothing.
        /// - Throws: `CancellationError` when the client has gone or the plugin stops;
        ///   `StreamError` when there is more than was declared.
        func write(_ bytes: UnsafeBufferPointer<UInt8>) throws -> Int? {
            try checkAlive()
            let writableCount = state.withLock(\.writableCount)
            let status = use { responder in
                guard let write = unsafe responder.http.pointee.write else { return failed }
                let piece = unsafe ph_bytes(data: bytes.baseAddress, length: bytes.count)
                return unsafe write(responder.response, piece)
            }
            switch Int(status) {
            case Int(PH_OK): return nil
            case Int(PH_FULL): return writableCount
            case Int(PH_CLOSED):
                clientLeft()
                throw CancellationError()
            case Int(PH_LIMIT): throw StreamError.tooLong
            default: throw StreamError.refused
            }
        }

        /// Waits until the client has taken enough of what was written.
        ///
        /// - Parameter seen: what `write` has returned. Several tasks may wait.
        func waitUntilWritable(since seen: Int) async throws {
            await wait { state, waiter in
                guard state.writableCount == seen else { return false }
                state.writers.append(waiter)
                return true
            }
            try checkAlive()
        }

        /// Whether the host waits for this response so that it can unload the plugin.
        var isDraining: Bool { state.withLock(\.isDraining) }

        /// Waits until the host waits for this response, or the calling task is cancelled. One task
        /// may wait.
        func waitUntilDraining() async {
            await withTaskCancellationHandler {
                await wait { state, waiter in
                    guard !state.isDraining, !Task.isCancelled else { return false }
                    state.drainer = waiter
                    return true
                }
            } onCancel: {
                state.withLock { $0.takeDrainer() }?.resume()
            }
        }

        /// Ends the body, with the trailers that were added.
        ///
        /// - Returns: false when the host would not take the trailers; none were sent then.
        func finish() -> Bool {
            let trailers = state.withLock(\.trailers)
            var isTaken = true
            _ = complete { responder in
                if !trailers.isEmpty {
                    let status = responder.finish(trailers: trailers)
                    if status != invalid { return status }
                    isTaken = false
                }
                guard let finish = unsafe responder.http.pointee.finish else { return failed }
                return unsafe finish(responder.response)
            }
            return isTaken
        }

        /// Cuts the connection, unless the response is completed already.
        func abort() {
            _ = complete { responder in
                unsafe responder.http.pointee.abort?(responder.response)
                return done
            }
        }

        /// Completes the response with a body that is there already.
        ///
        /// - Returns: false when the host would not take it; then it is still owed.
        func respond(_ answer: borrowing Response) -> Bool {
            complete { responder in responder.complete(answer) } >= done
        }

        private func checkAlive() throws {
            if state.withLock({ $0.isClosed || $0.isCancelled }) { throw CancellationError() }
        }

        private func wait(
            _ enlist: (inout State, CheckedContinuation<Void, Never>) -> Bool
        ) async {
            await state.wait { state, waiter in
                guard !state.isClosed, !state.isCancelled else { return false }
                return enlist(&state, waiter)
            }
        }

        private func resumeBody() {
            _ = use { responder in
                unsafe responder.http.pointee.resume_body?(responder.response) ?? failed
            }
        }

        private func use(_ body: (Responder) -> ph_status) -> ph_status {
            isCompleted.withLock { $0 ? wrongState : body(responder) }
        }

        private func complete(_ body: (Responder) -> ph_status) -> ph_status {
            isCompleted.withLock { isCompleted in
                guard !isCompleted else { return done }
                let status = body(responder)
                isCompleted = status >= done || status == closed
                return status == closed ? done : status
            }
        }
    }
#endif
