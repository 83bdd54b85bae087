#if !hasFeature(Embedded)
    import CPluginABI
    import Synchronization

    // What the host tells, on a loop's thread.
    extension WebSocket {
        func opened(_ subprotocol: String) { state.withLock { $0.subprotocol = subprotocol } }

        func arrived(_ message: Message) -> ph_status {
            let (reader, pauses) = state.withLock { state in
                state.inbox.append(message)
                state.inboxBytes += message.byteCount + Self.messageBytes
                state.isPaused = state.inboxBytes >= Self.inboxBytesMax
                defer { state.reader = nil }
                return (state.reader, state.isPaused)
            }
            reader?.resume()
            return ph_status(pauses ? PH_PAUSE : PH_OK)
        }

        func becameWritable() {
            let writers = state.withLock { state in
                state.isWritable = true
                defer { state.writers = [] }
                return state.writers
            }
            for writer in writers { writer.resume() }
        }

        func ended(_ end: End) {
            let waiters = state.withLock { state in
                state.end = end
                defer { state.closer = nil }
                return state.takeWaiters() + [state.closer].compactMap(\.self)
            }
            for waiter in waiters { waiter.resume() }
        }
    }

    // The life of the conversation.
    extension WebSocket {
        /// Notes what the host has made.
        func begin(_ socket: OpaquePointer) {
            handle.withLock { $0.bits = UInt(bitPattern: socket) }
        }

        /// Books the task that talks, which may have ended already.
        func adopt(_ task: Task<Void, Never>) { state.adopt(task) }

        /// Ends the conversation because the plugin stops.
        func cancel() { state.cancel() }

        /// Talks, closes, and gives the socket back once the host has let go of it.
        func run(_ conversation: @Sendable (WebSocket) async throws -> Void, _ log: Log) async {
            do {
                try await conversation(self)
                close()
            } catch is CancellationError {
                close(1012)
            } catch WebSocketError.closed {
                close()
            } catch {
                log.error("a WebSocket's handler failed: \(describe(error))")
                close(1011)
            }
            await state.wait { state, closer in
                guard state.end == nil else { return false }
                state.closer = closer
                return true
            }
            release(
                handle.withLock { handle in
                    handle.isOver = true
                    return handle.takeIfUnused()
                })
        }
    }
#endif
