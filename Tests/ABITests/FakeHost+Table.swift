import CPluginABI

extension FakeHost {
    /// The functions that a plugin answers requests with.
    static let table = ph_http(
        size: 0,
        respond: { response, status, headers, count, body in
            of(response).respond(status, list(headers, count), body)
        },
        begin: { response, status, headers, count, length in
            of(response).begin(status, list(headers, count), length)
        },
        write: { response, piece in of(response).write(piece) },
        finish: { response in of(response).finish() },
        abort: { response in of(response).abort() },
        observe: { response, observer in
            observer.map { of(response).observe($0.pointee) } ?? .invalid
        },
        resume_body: { response in of(response).resumeBody() },
        request_trailers: { response, count in
            count?.pointee = 0
            return nil
        },
        finish_with_trailers: { response, trailers, count in
            of(response).finish(trailers: list(trailers, count))
        },
        request_id: { response in of(response).requestID },
        trace_parent: { response in of(response).traceParent },
        observe_draining: { response, onDraining in
            of(response).observeDraining(onDraining)
        })

    private static func of(_ response: OpaquePointer?) -> FakeResponse {
        guard let response else { preconditionFailure("the plugin gave no response") }
        return Unmanaged<FakeResponse>.fromOpaque(UnsafeRawPointer(response)).takeUnretainedValue()
    }

    private static func list(_ headers: UnsafePointer<ph_header>?, _ count: Int) -> [ph_header] {
        Array(UnsafeBufferPointer(start: headers, count: count))
    }
}
