import CPluginABI

/// The way from a `Response` to the host's functions.
@safe
struct Responder {
    let http: UnsafePointer<ph_http>
    let response: OpaquePointer

    init(unsafe http: UnsafePointer<ph_http>, _ response: OpaquePointer) {
        unsafe self.http = http
        unsafe self.response = response
    }

    /// Whether the host has what came with ABI 1.1.
    private var hasLaterFunctions: Bool {
        unsafe Int(http.pointee.size) >= MemoryLayout<ph_http>.size
    }

    /// What the request is called; empty when the host does not name requests.
    var requestID: String {
        guard hasLaterFunctions, let ask = unsafe http.pointee.request_id else { return "" }
        return unsafe String(BorrowedText(unsafe: ask(response)))
    }

    /// The request's place in a trace; empty when the host knows of none.
    var traceparent: String {
        guard hasLaterFunctions, let ask = unsafe http.pointee.trace_parent else { return "" }
        return unsafe String(BorrowedText(unsafe: ask(response)))
    }

    /// Whether the request's place in a trace is what this text of the client says.
    func isTraceparent(_ text: borrowing BorrowedText) -> Bool {
        guard hasLaterFunctions, let ask = unsafe http.pointee.trace_parent else { return false }
        let place = unsafe BorrowedText(unsafe: ask(response))
        guard let start = unsafe place.start, place.count == text.count else { return false }
        return unsafe equalBytes(text.buffer, start, count: place.count)
    }

    /// What the client sent behind the body, once the body is there.
    var requestTrailers: [Header] {
        guard hasLaterFunctions, let ask = unsafe http.pointee.request_trailers else { return [] }
        var count = 0
        guard let fields = unsafe ask(response, &count) else { return [] }
        var trailers: [Header] = []
        for index in 0..<count { unsafe trailers.append(Header(fields[index])) }
        return trailers
    }

    /// Asks to be told that the host waits for this response, where the host can tell.
    func observeDraining(_ onDraining: @convention(c) (UnsafeMutableRawPointer?) -> Void) {
        guard hasLaterFunctions else { return }
        _ = unsafe http.pointee.observe_draining?(response, onDraining)
    }

    /// Ends a body with fields behind it; without them where the host cannot send them.
    func finish(trailers: [Header]) -> ph_status {
        guard hasLaterFunctions, let finish = unsafe http.pointee.finish_with_trailers else {
            return unsafe http.pointee.finish?(response) ?? failed
        }
        let carrier = Response(
            status: .ok, contentType: "", body: .none, headers: trailers)
        return unsafe withFields(carrier) { fields, count in
            unsafe finish(response, fields, count)
        }
    }

    /// Completes the response with a body that is there already.
    ///
    /// - Returns: the host's verdict: below zero, the response is still owed, unless it is
    ///   `PH_CLOSED`.
    func complete(_ answer: borrowing Response) -> ph_status {
        guard let respond = unsafe http.pointee.respond else { return failed }
        let status = UInt32(answer.status.code)
        switch answer.body {
        case .literal(let text):
            let body = unsafe ph_bytes(data: text.utf8Start, length: text.utf8CodeUnitCount)
            return unsafe withFields(answer) { fields, count in
                unsafe respond(response, status, fields, count, body)
            }
        case .text(var text):
            return text.withUTF8 { bytes in
                let body = unsafe ph_bytes(data: bytes.baseAddress, length: bytes.count)
                return unsafe withFields(answer) { fields, count in
                    unsafe respond(response, status, fields, count, body)
                }
            }
        case .bytes(let bytes):
            return unsafe bytes.withUnsafeBufferPointer { bytes in
                let body = unsafe ph_bytes(data: bytes.baseAddress, length: bytes.count)
                return unsafe withFields(answer) { fields, count in
                    unsafe respond(response, status, fields, count, body)
                }
            }
        default:
            return unsafe withFields(answer) { fields, count in
                unsafe respond(response, status, fields, count, ph_bytes())
            }
        }
    }

    /// Hands over the header fields as C reads them; they are valid for the call only.
    func withFields(
        _ answer: borrowing Response, _ body: (UnsafePointer<ph_header>?, Int) -> ph_status
    ) -> ph_status {
        if answer.headers.isEmpty {
            guard answer.contentType.utf8CodeUnitCount > 0 else { return body(nil, 0) }
            var field = unsafe ph_header(contentType: answer.contentType)
            return unsafe withUnsafePointer(to: &field) { unsafe body($0, 1) }
        }
        return unsafe withManyFields(answer, body)
    }

    @inline(never)
    private func withManyFields(
        _ answer: borrowing Response, _ body: (UnsafePointer<ph_header>?, Int) -> ph_status
    ) -> ph_status {
        let headers = answer.headers
        var byteCount = 0
        for header in headers { byteCount += header.name.utf8.count + header.value.utf8.count }
        let contentType = answer.contentType
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: byteCount) { bytes in
            unsafe withUnsafeTemporaryAllocation(
                of: ph_header.self, capacity: headers.count + 1
            ) { fields in
                var used = 0
                var count = 0
                if contentType.utf8CodeUnitCount > 0 {
                    unsafe fields.initializeElement(
                        at: 0, to: ph_header(contentType: contentType))
                    count = 1
                }
                for header in headers {
                    var field = unsafe ph_header()
                    unsafe field.name = copy(header.name, into: bytes, at: &used)
                    unsafe field.value = copy(header.value, into: bytes, at: &used)
                    unsafe fields.initializeElement(at: count, to: field)
                    count += 1
                }
                return unsafe body(fields.baseAddress, count)
            }
        }
    }

    private func copy(
        _ text: String, into bytes: UnsafeMutableBufferPointer<UInt8>, at used: inout Int
    ) -> ph_text {
        let start = used
        for byte in text.utf8 {
            unsafe bytes[used] = byte
            used += 1
        }
        var copied = unsafe ph_text()
        unsafe copied.length = used - start
        guard used > start, let base = bytes.baseAddress else { return unsafe copied }
        unsafe copied.data = UnsafeRawPointer(base + start).assumingMemoryBound(to: CChar.self)
        return unsafe copied
    }
}

extension ph_header {
    init(contentType: StaticString) {
        unsafe self.init()
        unsafe name = ph_text("Content-Type")
        unsafe value = ph_text(contentType)
    }
}

var done: ph_status { ph_status(PH_OK) }
var pending: ph_status { ph_status(PH_PENDING) }
var failed: ph_status { ph_status(PH_FAILED) }
var invalid: ph_status { ph_status(PH_INVALID) }
var wrongState: ph_status { ph_status(PH_WRONG_STATE) }
var closed: ph_status { ph_status(PH_CLOSED) }
