import CPluginABI
import DynamicLibrary
import HTTPServer
import HTTPWire
import HostModel
import Synchronization

/// Responses whose head hooks look at before it is written.
extension PluginHTTP {
    /// `respond`, for a response that is not owed or has hooks.
    @inline(never)
    static func respondUncommonly(
        _ pointer: RecordPointer, _ word: UInt64, _ status: UInt32,
        _ headers: UnsafePointer<ph_header>?, _ headerCount: Int, _ body: ph_bytes
    ) -> ph_status {
        guard unsafe RecordPointer.phase(word) == .owed else { return code(PH_WRONG_STATE) }
        guard let status = finalStatus(status),
            let fields = unsafe fields(headers, headerCount),
            let bytes = unsafe buffer(body)
        else { return code(PH_INVALID) }
        guard let head = unsafe headThroughHooks(pointer, status, fields) else {
            return unsafe refuse(pointer, word)
        }
        return unsafe head.fields.withUnsafeBufferPointer {
            unsafe deliver(pointer, word, status, $0, bytes)
        }
    }

    /// `begin`, for a response that is not owed or has hooks.
    @inline(never)
    static func beginUncommonly(
        _ pointer: RecordPointer, _ word: UInt64, _ status: UInt32,
        _ headers: UnsafePointer<ph_header>?, _ headerCount: Int, _ contentLength: UInt64
    ) -> ph_status {
        guard unsafe RecordPointer.phase(word) == .owed else { return code(PH_WRONG_STATE) }
        guard let status = finalStatus(status),
            let fields = unsafe fields(headers, headerCount)
        else { return code(PH_INVALID) }
        guard let head = unsafe headThroughHooks(pointer, status, fields) else {
            _ = unsafe refuse(pointer, word)
            return code(PH_CLOSED)
        }
        return unsafe head.fields.withUnsafeBufferPointer {
            unsafe deliverHead(pointer, word, status, $0, contentLength)
        }
    }

    /// Shows the head to the hooks of the response; nil if one has failed that must not.
    ///
    /// A hook that calls the same function in turn finds that its response is in use.
    private static func headThroughHooks(
        _ pointer: RecordPointer, _ status: UInt16, _ fields: UnsafeBufferPointer<HeaderField>
    ) -> ResponseHead? {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        let head = unsafe ResponseHead(status, fields)
        guard let follower = unsafe pointer.record.pointee.exchange.follower else { return head }
        return unsafe show(head, follower.assumingMemoryBound(to: HookFrame.self)) ? head : nil
    }

    /// Calls the hooks of the response one after the other; false if one has failed that must not.
    static func show(
        _ head: ResponseHead, _ frame: UnsafeMutablePointer<HookFrame>
    ) -> Bool {
        guard unsafe !frame.pointee.isResponding else { return false }
        unsafe frame.pointee.isResponding = true
        let caller = unsafe frame.pointee.calledIndex
        defer {
            unsafe frame.pointee.calledIndex = caller
            unsafe frame.pointee.isResponding = false
        }
        var call = unsafe frame.pointee.call
        let first = unsafe frame.pointee.requestCount
        for index in unsafe first..<first + frame.pointee.respondCount {
            let entry = unsafe HookFrame.entry(frame, index)
            let record = unsafe entry.pointee.record
            guard let respond = unsafe record.pointee.respond,
                let hook = unsafe record.pointee.owner?.takeUnretainedValue(), !hook.isDisabled
            else { continue }
            hook.countCall()
            unsafe frame.pointee.calledIndex = index
            unsafe call.word = withUnsafeMutablePointer(to: &entry.pointee.word) { unsafe $0 }
            let host = unsafe ImageContext.enter(record.pointee.image)
            let result = unsafe respond(record.pointee.context, &call, head.pointer)
            ImageContext.leave(host)
            if result < 0, hook.fail("it returned \(result)") { return false }
        }
        return true
    }

    static let refusedDetail = "A hook refused the response; the host's log says which."

    /// Answers 500 in the stead of whoever would have answered.
    private static func refuse(_ pointer: RecordPointer, _ word: UInt64) -> ph_status {
        let document = HostPages.document(
            500, refusedDetail, unsafe pointer.record.pointee.exchange)
        return unsafe OwnedFields.with([("Content-Type", "application/problem+json")]) { fields in
            var text = document
            return text.withUTF8 {
                unsafe deliver(pointer, word, 500, fields, UnsafeRawBufferPointer($0))
            }
        }
    }
}
