internal import CPluginABI
internal import DynamicLibrary
internal import HTTPServer
internal import Synchronization

/// Takes what the server tells about an exchange to the plugin's observer.
///
/// A completion on another thread and a call of the observer may meet: the loop marks the record
/// while it calls, and does not call once the response is complete; the other thread waits for the
/// mark.
enum PluginObserver {
    /// Copies the plugin's observer into the record and has the server call it; from a thread that
    /// does not run the loop, once `handle` has returned.
    static func install(
        _ observer: UnsafePointer<ph_observer>, on pointer: RecordPointer
    ) -> ph_status {
        let size = unsafe Int(observer.pointee.size)
        guard unsafe size >= MemoryLayout<ph_observer>.size else { return ph_status(PH_INVALID) }
        let record = unsafe pointer.record
        unsafe record.pointee.context = observer.pointee.context
        unsafe record.pointee.onBody = observer.pointee.on_body
        unsafe record.pointee.onWritable = observer.pointee.on_writable
        unsafe record.pointee.onClosed = observer.pointee.on_closed
        unsafe record.pointee.onDraining = nil
        unsafe record.pointee.hasObserver = true
        unsafe bringIn(pointer)
        return ph_status(PH_OK)
    }

    /// Has the server call the observer that is in the record, now or once `handle` has returned.
    static func bringIn(_ pointer: RecordPointer) {
        let record = unsafe pointer.record
        let entry = unsafe record.pointee.exchange.enterLoop()
        unsafe record.pointee.observerWaits = !entry.isOpen
        if entry.isOpen {
            unsafe activate(pointer)
            unsafe record.pointee.exchange.leaveLoop(entry)
        }
    }

    /// Has the server call the observer that is in the record; on the loop's thread.
    static func activate(_ pointer: RecordPointer) {
        unsafe pointer.record.pointee.observerWaits = false
        unsafe pointer.record.pointee.exchange.observe(
            ExchangeObserver(
                context: pointer.address,
                onBody: pointer.record.pointee.onBody == nil
                    ? nil
                    : { unsafe PluginObserver.body($0, $1, $2, $3) },
                onWritable: { unsafe PluginObserver.writable($0) },
                onClosed: { unsafe PluginObserver.closed($0, $1) },
                onDraining: pointer.record.pointee.onDraining == nil
                    ? nil
                    : { unsafe PluginObserver.draining($0) }))
    }

    /// Calls the plugin unless the response is complete; nil when it is.
    @inline(__always)
    private static func call(
        _ context: UnsafeMutableRawPointer?, _ kind: CallKind,
        _ body: (UnsafeMutablePointer<RequestRecord>) -> ph_status
    ) -> ph_status? {
        guard let context = unsafe context else { return nil }
        let pointer = unsafe RecordPointer(context)
        let record = unsafe pointer.record
        var word = unsafe record.pointee.word.load(ordering: .acquiring)
        while true {
            let phase = unsafe RecordPointer.phase(word)
            guard phase == .owed || phase == .begun else { return nil }
            let (exchanged, original) = unsafe record.pointee.word.compareExchange(
                expected: word, desired: word | RequestRecord.observing,
                ordering: .acquiringAndReleasing)
            if exchanged { break }
            word = original
        }
        let exchange = unsafe record.pointee.exchange
        let image = unsafe record.pointee.serving.pointee.image
        assert(exchange.isOnLoopThread, "an observer runs on its loop")
        let call = exchange.beginCall(kind)
        let host = ImageContext.enter(image)
        let status = unsafe body(record)
        ImageContext.leave(host)
        let hasLoop = exchange.endCall(call)
        unsafe _ = record.pointee.word.bitwiseAnd(
            ~RequestRecord.observing, ordering: .acquiringAndReleasing)
        if !hasLoop { PluginApplication.surrender(exchange, kind, image: image, status) }
        return status
    }

    private static func body(
        _ context: UnsafeMutableRawPointer?, _ bytes: UnsafeRawPointer?, _ count: Int,
        _ isLast: Bool
    ) -> Bool {
        guard let context = unsafe context else { return false }
        let record = unsafe RecordPointer(context).record
        let left = unsafe record.pointee.bodyBytesLeft
        guard UInt64(count) <= left else {
            unsafe record.pointee.exchange.cut()
            return false
        }
        unsafe record.pointee.bodyBytesLeft = left - UInt64(count)
        let status = unsafe call(context, .body) { record in
            guard let onBody = unsafe record.pointee.onBody else { return ph_status(PH_OK) }
            let piece = unsafe ph_bytes(
                data: bytes?.assumingMemoryBound(to: UInt8.self), length: count)
            return unsafe onBody(record.pointee.context, piece, isLast ? 1 : 0)
        }
        switch status {
        case nil, ph_status(PH_OK): return true
        case ph_status(PH_PAUSE): return false
        default:
            unsafe record.pointee.exchange.cut()
            return false
        }
    }

    private static func writable(_ context: UnsafeMutableRawPointer?) {
        unsafe _ = call(context, .writable) { record in
            unsafe record.pointee.onWritable?(record.pointee.context)
            return ph_status(PH_OK)
        }
    }

    private static func closed(_ context: UnsafeMutableRawPointer?, _ reason: UInt8) {
        unsafe _ = call(context, .closed) { record in
            let status =
                switch CloseReason(rawValue: reason) {
                case .bodyTimeout, .writeTimeout, .bodyRefused, .answerTimeout: PH_LIMIT
                case .peerClosed, .peerReset, .shutdown, nil: PH_CLOSED
                }
            unsafe record.pointee.onClosed?(
                record.pointee.context, ph_status(truncatingIfNeeded: status))
            return ph_status(PH_OK)
        }
    }

    private static func draining(_ context: UnsafeMutableRawPointer?) {
        unsafe _ = call(context, .draining) { record in
            unsafe record.pointee.onDraining?(record.pointee.context)
            return ph_status(PH_OK)
        }
    }
}

extension Generation {
    /// Tells the plugin of each exchange on one reactor that its response is waited for; on the
    /// reactor's thread.
    func announceDraining(on reactor: Reactor) {
        let serving = unsafe serving
        reactor.announceDraining { exchange in
            unsafe RecordPointer(exchange).record.pointee.serving == serving
        }
    }
}
