import CPluginABI
import HTTPServer
import HTTPWire
import HostModel

/// Hands requests on to the processes of a plugin that is a program.
///
/// The program sees the path below the plugin's mount, and what it should know of the client in the
/// fields that gateways are used to: `X-Forwarded-For`, `-Host`, `-Proto`, `-Prefix`,
/// `X-Request-ID` and `traceparent`. What a client says in these is never passed on, nor in names
/// that a program may take for them (`X_Forwarded_For`).
final class ProcessRelay: RequestRelay {
    let upstream: Upstream

    init(_ name: PluginName, limits: WorkLimits) {
        var options = UpstreamOptions()
        if limits.requestSeconds > 0 {
            options.firstByteTimeoutSeconds = Double(limits.requestSeconds)
        }
        upstream = Upstream(name: "plugin \"\(name)\"", options: options)
    }

    deinit { upstream.close() }

    private static let fieldsMax = 6

    func forward(_ exchange: Exchange) {
        let rest = unsafe RecordPointer(exchange).record.pointee.request.path
        let path = unsafe ByteSlice(
            UnsafeRawBufferPointer(start: rest.data, count: rest.length))
        let whole = exchange.path
        // A mount that was asked for without its slash ends where the path does.
        let isPart = whole.count > path.count
        let prefix = whole[0..<(isPart ? whole.count - path.count : whole.count)]
        unsafe withUnsafeTemporaryAllocation(of: HeaderField.self, capacity: Self.fieldsMax) {
            room in
            let fields: [(StaticString, ByteSlice)] = [
                ("X-Forwarded-For", exchange.remoteAddress),
                ("X-Forwarded-Host", exchange.head.host),
                ("X-Forwarded-Proto", ByteSlice(exchange.isSecure ? "https" : "http")),
                ("X-Forwarded-Prefix", prefix), ("X-Request-ID", exchange.requestID),
                ("traceparent", exchange.traceparent),
            ]
            for (index, field) in fields.enumerated() {
                unsafe (room.baseAddress.unsafelyUnwrapped + index).initialize(
                    to: HeaderField(name: ByteSlice(field.0), value: field.1))
            }
            var request = unsafe ForwardedRequest(path: path, fields: UnsafeBufferPointer(room))
            request.readsUnderscoresAsHyphens = true
            exchange.forward(request, to: upstream)
        }
    }
}
