#if !hasFeature(Embedded)
    import CPluginABI
    import Synchronization

    extension WebSocket {
        /// Sends a text, and waits as long as the client is slow.
        ///
        /// - Throws: `WebSocketError`; `CancellationError` when the plugin stops.
        public func send(_ text: String) async throws { try await send(.text(text)) }

        /// Sends bytes, and waits as long as the client is slow.
        ///
        /// - Throws: `WebSocketError`; `CancellationError` when the plugin stops.
        public func send(_ bytes: [UInt8]) async throws { try await send(.binary(bytes)) }

        /// Sends a message, and waits as long as the client is slow.
        ///
        /// - Throws: `WebSocketError`; `CancellationError` when the plugin stops.
        public func send(_ message: Message) async throws {
            switch post(message) {
            case .sent: return
            case .slow: try await waitUntilWritable()
            case .dropped: throw WebSocketError.tooMuchWaits
            case .closed: throw WebSocketError.closed
            }
        }

        /// Sends a message without waiting for anything.
        @discardableResult
        public func post(_ message: Message) -> Delivery {
            state.withLock { $0.isWritable = false }
            let delivery = unsafe delivery(
                message.withBytes { kind, bytes in
                    unsafe use { functions, socket in
                        unsafe functions.pointee.send?(socket, kind, bytes) ?? failed
                    }
                })
            if case .sent = delivery { state.withLock { $0.isWritable = true } }
            return delivery
        }

        /// Sends one message to many sockets without waiting for anything; it is copied once and
        /// compressed once.
        ///
        /// - Returns: what became of it, in the order of the sockets.
        @discardableResult
        public static func post(_ message: Message, to sockets: [WebSocket]) -> [Delivery] {
            guard let functions = unsafe sockets.first?.functions else { return [] }
            let handles = unsafe sockets.map { unsafe $0.borrow() }
            var results = [ph_status](repeating: closed, count: sockets.count)
            let status = unsafe message.withBytes { kind, bytes in
                unsafe handles.withUnsafeBufferPointer { handles in
                    unsafe results.withUnsafeMutableBufferPointer { results in
                        unsafe functions.pointee.broadcast?(
                            handles.baseAddress, handles.count, kind, bytes,
                            results.baseAddress) ?? failed
                    }
                }
            }
            return sockets.indices.map { index in
                guard unsafe handles[index] != nil else { return .closed }
                sockets[index].giveBack()
                return sockets[index].delivery(status < done ? status : results[index])
            }
        }

        /// Begins to close; the sequence of messages ends when the client has answered.
        ///
        /// - Parameters:
        ///   - code: 1000 to 1003, 1007 to 1014 or 3000 to 4999; see RFC 6455, section 7.4.
        ///   - reason: at most 123 bytes.
        public func close(_ code: UInt16 = 1000, _ reason: String = "") {
            var reason = reason
            reason.withUTF8 { bytes in
                var text = unsafe ph_text()
                unsafe text.data = UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(
                    to: CChar.self)
                unsafe text.length = bytes.count
                _ = unsafe use { functions, socket in
                    unsafe functions.pointee.close?(socket, UInt32(code), text) ?? failed
                }
            }
        }

        private func delivery(_ status: ph_status) -> Delivery {
            switch Int(status) {
            case Int(PH_OK): .sent
            case Int(PH_FULL): .slow
            case Int(PH_LIMIT): .dropped
            default: .closed
            }
        }

        func use(
            _ body: (UnsafePointer<ph_websocket>, OpaquePointer) -> ph_status
        ) -> ph_status {
            guard let socket = unsafe borrow() else { return closed }
            defer { giveBack() }
            return unsafe body(functions, socket)
        }

        /// The host's handle, which stays valid until `giveBack`; nil when it has been released.
        func borrow() -> OpaquePointer? {
            unsafe handle.withLock { handle in
                guard handle.bits != 0, !handle.isOver else { return nil }
                handle.users += 1
                return unsafe OpaquePointer(bitPattern: handle.bits)
            }
        }

        func giveBack() {
            release(
                handle.withLock { handle in
                    handle.users -= 1
                    return handle.takeIfUnused()
                })
        }

        func release(_ bits: UInt) {
            guard let socket = unsafe OpaquePointer(bitPattern: bits) else { return }
            _ = unsafe functions.pointee.release?(socket)
        }

        private func waitUntilWritable() async throws {
            await state.wait { state, writer in
                guard !state.isWritable, state.end == nil, !state.isCancelled else { return false }
                state.writers.append(writer)
                return true
            }
            if state.withLock(\.isCancelled) { throw CancellationError() }
        }
    }

    /// Why a message was not sent.
    public enum WebSocketError: Error, Sendable {
        /// The socket is closed, or being closed.
        case closed
        /// More waits for the client than the host keeps.
        case tooMuchWaits
    }

    extension WebSocket.Message {
        var byteCount: Int {
            switch self {
            case .text(let text): text.utf8.count
            case .binary(let bytes): bytes.count
            }
        }

        /// Lends the message as the host wants it.
        func withBytes(_ body: (UInt32, ph_bytes) -> ph_status) -> ph_status {
            switch self {
            case .text(var text):
                return text.withUTF8 { bytes in
                    unsafe body(
                        UInt32(PH_SOCKET_TEXT),
                        ph_bytes(data: bytes.baseAddress, length: bytes.count))
                }
            case .binary(let bytes):
                return unsafe bytes.withUnsafeBufferPointer { bytes in
                    unsafe body(
                        UInt32(PH_SOCKET_BINARY),
                        ph_bytes(data: bytes.baseAddress, length: bytes.count))
                }
            }
        }

        /// Copies a message that the host hands over.
        init(unsafe kind: UInt32, _ message: ph_bytes) {
            let bytes = unsafe UnsafeBufferPointer(start: message.data, count: message.length)
            self =
                kind == UInt32(PH_SOCKET_TEXT)
                ? .text(unsafe String(decoding: bytes, as: UTF8.self))
                : .binary(unsafe Array(bytes))
        }
    }
#endif
