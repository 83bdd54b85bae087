#if !hasFeature(Embedded)
    import CPluginABI

    extension Runtime {
        /// Accepts a WebSocket and begins the task that talks over it.
        ///
        /// - Returns: what `handle` returns to the host.
        func begin(
            _ responder: Responder, unsafe functions: UnsafePointer<ph_websocket>,
            _ options: WebSocketOptions, log: Log,
            _ conversation: @escaping @Sendable (WebSocket) async throws -> Void
        ) -> ph_status {
            let socket = tasks.addSocket { number in
                unsafe WebSocket(number: number, unsafe: functions)
            }
            guard let socket else { return responder.complete(.problem(stopping)) }
            var observer = unsafe ph_socket_observer()
            unsafe observer.size = UInt32(MemoryLayout<ph_socket_observer>.size)
            unsafe observer.context = UnsafeMutableRawPointer(bitPattern: socket.number)
            unsafe observer.on_open = { context, subprotocol in
                unsafe findSocket(context)?.opened(String(BorrowedText(unsafe: subprotocol)))
            }
            unsafe observer.on_message = { context, kind, message, _ in
                guard let socket = unsafe findSocket(context) else { return done }
                return unsafe socket.arrived(WebSocket.Message(unsafe: kind, message))
            }
            unsafe observer.on_writable = { context in unsafe findSocket(context)?.becameWritable()
            }
            unsafe observer.on_closed = { context, code, reason in
                unsafe findSocket(context)?.ended(
                    WebSocket.End(
                        code: UInt16(truncatingIfNeeded: code),
                        reason: String(BorrowedText(unsafe: reason))))
            }
            var made: OpaquePointer?
            let status = unsafe options.withHostOptions { wishes in
                unsafe functions.pointee.accept?(responder.response, wishes, &observer, &made)
                    ?? failed
            }
            guard status >= done, let made = unsafe made else {
                tasks.removeSocket(socket.number)
                return status
            }
            unsafe socket.begin(made)
            socket.adopt(
                Task.detached { [tasks] in
                    await socket.run(conversation, log)
                    tasks.removeSocket(socket.number)
                })
            return done
        }
    }

    private func findSocket(_ context: UnsafeMutableRawPointer?) -> WebSocket? {
        unsafe Runtime.current?.tasks.findSocket(UInt(bitPattern: context))
    }

    extension WebSocketOptions {
        /// Lends the options as the host wants them.
        fileprivate func withHostOptions(
            _ body: (UnsafePointer<ph_socket_options>) -> ph_status
        ) -> ph_status {
            var wishes = unsafe ph_socket_options()
            unsafe wishes.size = UInt32(MemoryLayout<ph_socket_options>.size)
            let flags =
                switch compression {
                case .off: 0
                case .eachMessage: PH_SOCKET_COMPRESS
                case .acrossMessages: PH_SOCKET_COMPRESS | PH_SOCKET_KEEP_CONTEXT
                }
            unsafe wishes.flags = UInt32(flags | (allowsForeignOrigins ? PH_SOCKET_ANY_ORIGIN : 0))
            unsafe wishes.message_bytes_max = messageBytesMax
            unsafe wishes.ping_seconds = pingSeconds
            let names = unsafe subprotocols.map { unsafe ph_text($0) }
            return unsafe names.withUnsafeBufferPointer { names in
                unsafe wishes.protocols = names.baseAddress
                unsafe wishes.protocol_count = names.count
                return unsafe withUnsafePointer(to: wishes) { unsafe body($0) }
            }
        }
    }
#endif
