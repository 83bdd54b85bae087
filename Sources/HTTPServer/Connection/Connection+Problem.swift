import HTTPWire

extension Connection {
    /// Writes a response with a problem document, the last one of the connection.
    ///
    /// - Parameter exchange: the request that it answers; nil when that could not be read.
    /// - Source: RFC 9457.
    @inline(never)
    func appendProblem(
        _ status: UInt16, _ detail: String, about exchange: Exchange?, withoutBody: Bool
    ) {
        let requestID =
            exchange.map { String(decoding: $0.requestID) } ?? ExchangeIdentity.name()
        let path = exchange.map { String(decoding: $0.path) }
        var body = ProblemDocument.json(
            status: status, detail: detail, instance: path, requestID: requestID)
        var head = "HTTP/1.1 \(status) \(ProblemDocument.title(of: status))\r\n"
        head.withUTF8 { unsafe append(UnsafeRawBufferPointer($0)) }
        unsafe append(loop.commonLines.buffer)
        head = "Content-Type: application/problem+json\r\nContent-Length: \(body.utf8.count)\r\n"
        head += "X-Request-ID: \(requestID)\r\nConnection: close\r\n\r\n"
        head.withUTF8 { unsafe append(UnsafeRawBufferPointer($0)) }
        let bodyBytes = withoutBody ? 0 : body.utf8.count
        if !withoutBody {
            body.withUTF8 { unsafe append(UnsafeRawBufferPointer($0)) }
        }
        if let exchange {
            exchange.state.status = status
            exchange.state.bodyBytes = UInt64(bodyBytes)
        } else if loop.state.limits.reportsExchanges {
            reportUnread(status, bodyBytes: UInt64(bodyBytes), requestID: requestID)
        }
    }
}
