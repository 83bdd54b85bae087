internal import CPluginABI
internal import HTTPServer
internal import HTTPWire

/// What `ph_http` has since ABI 1.1.
extension PluginHTTP {
    static func requestTrailers(
        _ response: OpaquePointer?, _ count: UnsafeMutablePointer<Int>?
    ) -> UnsafePointer<ph_header>? {
        let trailers = unsafe owed(response)?.trailers
        unsafe count?.pointee = trailers?.count ?? 0
        return unsafe UnsafeRawPointer(trailers?.baseAddress)?
            .assumingMemoryBound(to: ph_header.self)
    }

    static func finish(
        _ response: OpaquePointer?, trailers: UnsafePointer<ph_header>?, _ count: Int
    ) -> ph_status {
        guard let (pointer, word) = unsafe RecordPointer.of(response) else {
            return unsafe response == nil ? code(PH_INVALID) : code(PH_WRONG_STATE)
        }
        guard unsafe RecordPointer.phase(word) == .begun else { return code(PH_WRONG_STATE) }
        guard let fields = unsafe fields(trailers, count) else { return code(PH_INVALID) }
        let exchange = unsafe pointer.record.pointee.exchange
        let entry = exchange.enterLoop()
        if entry.isOpen {
            let result = unsafe exchange.finish(trailers: fields)
            if result == .accepted || result == .closed {
                unsafe pointer.set(.complete, from: word)
            }
            exchange.leaveLoop(entry)
            return code(result)
        }
        return unsafe completeRemotely(pointer, word) { unsafe $0.finish(trailers: fields) }
    }

    static func observeDraining(
        _ response: OpaquePointer?,
        _ onDraining: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?
    ) -> ph_status {
        guard unsafe response != nil, unsafe onDraining != nil else { return code(PH_INVALID) }
        guard let (pointer, word) = unsafe RecordPointer.of(response),
            unsafe pointer.record.pointee.exchange.isCalledHere,
            unsafe pointer.record.pointee.isInHandle, unsafe pointer.record.pointee.hasObserver
        else { return code(PH_WRONG_STATE) }
        let phase = unsafe RecordPointer.phase(word)
        guard phase == .owed || phase == .begun else { return code(PH_WRONG_STATE) }
        unsafe pointer.record.pointee.onDraining = onDraining
        unsafe PluginObserver.bringIn(pointer)
        return code(PH_OK)
    }

    static func requestID(_ response: OpaquePointer?) -> ph_text {
        unsafe owed(response)?.requestID.text ?? ph_text()
    }

    static func traceParent(_ response: OpaquePointer?) -> ph_text {
        unsafe owed(response)?.traceparent.text ?? ph_text()
    }

    /// The exchange of a response that is still owed.
    private static func owed(_ response: OpaquePointer?) -> Exchange? {
        guard let (pointer, word) = unsafe RecordPointer.of(response) else { return nil }
        let phase = unsafe RecordPointer.phase(word)
        guard phase == .owed || phase == .begun else { return nil }
        return unsafe pointer.record.pointee.exchange
    }
}
