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
    /// Copies the plugin's observer into the record and has the server call it.
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
        unsafe record.pointee.hasObserver = true
        unsafe record.pointee.exchange.observe(
            ExchangeObserver(
                context: pointer.address,
                onBody: observer.pointee.on_body == nil
                    ? nil
                    : { unsafe PluginObserver.body($0, $1, $2, $3) },
                onWritable: { unsafe PluginObserver.writable($0) },
                onClosed: { unsafe PluginObserver.closed($0, $1) }))
        return ph_status(PH_OK)
    }

    /// Calls the plugin unless the response is complete.
    @inline(__always)
    private static func call(
        _ context: UnsafeMutableRawPointer?,
        _ body: (UnsafeMutablePointer<RequestRecord>) -> Void
    ) {
        guard let context = unsafe context else { return }
        let pointer = unsafe RecordPointer(context)
        let record = unsafe pointer.record
        var word = unsafe record.pointee.word.load(ordering: .acquiring)
        while true {
            let phase = unsafe RecordPointer.phase(word)
            guard phase == .owed || phase == .begun else { return }
            let (exchanged, original) = unsafe record.pointee.word.compareExchange(
                expected: word, desired: word | RequestRecord.observing,
                ordering: .acquiringAndReleasing)
            if exchanged { break }
            word = original
        }
        assert(unsafe record.pointee.exchange.isOnLoopThread, "an observer runs on its loop")
        let host = unsafe ImageContext.enter(record.pointee.serving.pointee.image)
        unsafe body(record)
        ImageContext.leave(host)
        unsafe _ = record.pointee.word.bitwiseAnd(
            ~RequestRecord.observing, ordering: .acquiringAndReleasing)
    }

    private static func body(
        _ context: UnsafeMutableRawPointer?, _ bytes: UnsafeRawPointer?, _ count: Int,
        _ isLast: Bool
    ) -> Bool {
        var goesOn = true
        unsafe call(context) { record in
            guard let onBody = unsafe record.pointee.onBody else { return }
            let left = unsafe record.pointee.bodyBytesLeft
            guard UInt64(count) <= left else {
                unsafe record.pointee.exchange.cut()
                goesOn = false
                return
            }
            unsafe record.pointee.bodyBytesLeft = left - UInt64(count)
            let piece = unsafe ph_bytes(
                data: bytes?.assumingMemoryBound(to: UInt8.self), length: count)
            let status = unsafe onBody(record.pointee.context, piece, isLast ? 1 : 0)
            switch status {
            case ph_status(PH_OK): break
            case ph_status(PH_PAUSE): goesOn = false
            default:
                unsafe record.pointee.exchange.cut()
                goesOn = false
            }
        }
        return goesOn
    }

    private static func writable(_ context: UnsafeMutableRawPointer?) {
        unsafe call(context) { record in
            unsafe record.pointee.onWritable?(record.pointee.context)
        }
    }

    private static func closed(_ context: UnsafeMutableRawPointer?, _ reason: UInt8) {
        unsafe call(context) { record in
            let status =
                switch CloseReason(rawValue: reason) {
                case .bodyTimeout, .writeTimeout, .bodyRefused: PH_LIMIT
                case .peerClosed, .peerReset, .shutdown, nil: PH_CLOSED
                }
            unsafe record.pointee.onClosed?(
                record.pointee.context, ph_status(truncatingIfNeeded: status))
        }
    }
}
