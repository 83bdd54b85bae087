#if hasFeature(Embedded)
    import CPluginABI
    import CPluginKit
    import Synchronization

    /// A stream of events to one client, for a plugin without tasks: keep it, and send from any
    /// thread whenever there is something to say, such as in the handler of another request.
    ///
    /// It is Sendable because only one thread at a time gets through `use` to the host.
    @safe
    public final class EventStream: @unchecked Sendable {
        /// What became of an event.
        public enum Delivery: Sendable {
            /// It is on its way.
            case sent
            /// The client has not taken yet what came before; this was not sent.
            case slow
            /// The client has gone, or the stream has ended; let go of it.
            case gone
        }

        /// Whether a thread uses the response, and whether it is completed.
        private enum Use { static let free = 0, taken = 1, over = 2 }

        private let responder: Responder
        private let use = Atomic<Int>(Use.free)
        private let isSlow = Atomic<Bool>(false)

        private init(_ responder: Responder) {
            self.responder = responder
        }

        /// Whether the client may still be listening.
        public var isOpen: Bool { use.load(ordering: .acquiring) != Use.over }

        /// Sends an event.
        public func send(_ event: ServerEvent) -> Delivery { send(event.bytes) }

        /// Sends a line that clients skip, which finds out whether this one is still there.
        public func comment(_ text: String) -> Delivery { send(ServerEvent.comment(text)) }

        /// Ends the stream; the browser comes back for another one.
        public func finish() {
            complete { responder in _ = unsafe responder.http.pointee.finish?(responder.response) }
        }

        private func send(_ bytes: [UInt8]) -> Delivery {
            guard take(Use.taken) else { return .gone }
            defer { use.store(Use.free, ordering: .releasing) }
            guard !isSlow.load(ordering: .acquiring) else { return .slow }
            // Before the call: the host may say that there is room before it has returned.
            isSlow.store(true, ordering: .releasing)
            let status = unsafe bytes.withUnsafeBufferPointer { bytes in
                let piece = unsafe ph_bytes(data: bytes.baseAddress, length: bytes.count)
                return unsafe responder.http.pointee.write?(responder.response, piece) ?? failed
            }
            if status == ph_status(PH_FULL) { return .sent }
            isSlow.store(false, ordering: .releasing)
            return status >= done ? .sent : .gone
        }

        private func complete(_ body: (Responder) -> Void) {
            guard take(Use.over) else { return }
            body(responder)
            Self.forget(self)
        }

        /// Waits for the thread that uses the response; false when that is over.
        private func take(_ wanted: Int) -> Bool {
            while true {
                let (isTaken, seen) = use.compareExchange(
                    expected: Use.free, desired: wanted, ordering: .acquiringAndReleasing)
                if isTaken { return true }
                if seen == Use.over { return false }
                ph_kit_yield()
            }
        }
    }

    // How a stream begins, and how the host reaches it.
    extension EventStream {
        /// The streams that are open: the host's calls bring the address of one of them, and those
        /// that are left are ended when the plugin stops.
        private static let all = SharedList<EventStream>()

        static func begin(
            _ responder: Responder, _ answer: borrowing Response,
            _ opened: @Sendable (EventStream) -> Void
        ) -> ph_status {
            guard let begin = unsafe responder.http.pointee.begin else { return failed }
            let status = UInt32(answer.status.code)
            let begun = unsafe responder.withFields(answer) { fields, count in
                unsafe begin(responder.response, status, fields, count, UInt64.max)
            }
            guard begun >= done || begun == closed else { return begun }
            let stream = EventStream(responder)
            all.add(stream)
            var observer = unsafe ph_observer()
            unsafe observer.size = UInt32(MemoryLayout<ph_observer>.size)
            unsafe observer.context = Unmanaged.passUnretained(stream).toOpaque()
            unsafe observer.on_writable = { context in
                unsafe EventStream.at(context)?.isSlow.store(false, ordering: .releasing)
            }
            unsafe observer.on_closed = { context, _ in
                unsafe EventStream.at(context)?.complete { responder in
                    unsafe responder.http.pointee.abort?(responder.response)
                }
            }
            let watched =
                unsafe responder.http.pointee.observe?(responder.response, &observer) ?? failed
            guard watched >= done else {
                stream.complete { unsafe $0.http.pointee.abort?($0.response) }
                return done
            }
            unsafe responder.observeDraining { context in unsafe EventStream.at(context)?.finish() }
            opened(stream)
            return pending
        }

        /// Ends the streams that are open when the plugin stops.
        static func finishAll() {
            for stream in all.elements { stream.finish() }
        }

        private static func forget(_ stream: EventStream) {
            all.remove { $0 === stream }
        }

        private static func at(_ context: UnsafeMutableRawPointer?) -> EventStream? {
            guard let context = unsafe context else { return nil }
            return unsafe Unmanaged<EventStream>.fromOpaque(context).takeUnretainedValue()
        }
    }
#endif
