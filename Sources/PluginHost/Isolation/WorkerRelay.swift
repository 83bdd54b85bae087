import CPluginABI
import HTTPServer
import HTTPWire
import HostModel

/// Hands requests on to the processes of an isolated plugin, which listen on one socket.
final class WorkerRelay: RequestRelay {
    private let upstream: Upstream
    /// `/plugin/NAME/api`, where the processes have the plugin mounted.
    private let mount: [UInt8]

    init(address: String, name: PluginName) {
        var options = UpstreamOptions()
        // The process watches the time itself, as the host does, and is watched.
        options.firstByteTimeoutSeconds = 86_400
        options.idleTimeoutSeconds = 86_400
        options.tunnelIdleTimeoutSeconds = 86_400
        options.connectionsMax = 16_384
        options.wire.headBytesMax = 1 << 20
        options.wire.fieldCountMax = 1_024
        upstream = Upstream(name: "plugin \"\(name)\"", options: options)
        upstream.add(address: address)
        mount = Array("/plugin/\(name)/api".utf8)
    }

    deinit { upstream.close() }

    func forward(_ exchange: Exchange) {
        let path = exchange.path
        let isAtHome = unsafe mount.withUnsafeBytes { mount in
            unsafe path.count >= mount.count && path.buffer.prefix(mount.count).elementsEqual(mount)
        }
        if isAtHome { return forward(exchange, path) }
        let rest = unsafe RecordPointer(exchange).record.pointee.request.path
        unsafe withUnsafeTemporaryAllocation(
            byteCount: mount.count + rest.length, alignment: 1
        ) { room in
            unsafe room.copyBytes(from: mount)
            let bytes = unsafe UnsafeRawBufferPointer(start: rest.data, count: rest.length)
            unsafe UnsafeMutableRawBufferPointer(rebasing: room[mount.count...])
                .copyMemory(from: bytes)
            forward(exchange, unsafe ByteSlice(UnsafeRawBufferPointer(room)))
        }
    }

    private func forward(_ exchange: Exchange, _ path: ByteSlice) {
        unsafe withUnsafeTemporaryAllocation(
            byteCount: Exchange.relayBytesMax, alignment: 16
        ) { room in
            let count = unsafe exchange.writeRelay(to: room)
            let value = unsafe ByteSlice(UnsafeRawBufferPointer(rebasing: room.prefix(count)))
            let field = HeaderField(name: ByteSlice(Exchange.relayFieldName), value: value)
            unsafe withUnsafePointer(to: field) { field in
                let request = unsafe ForwardedRequest(
                    path: path, fields: UnsafeBufferPointer(start: field, count: 1))
                exchange.forward(request, to: upstream)
            }
        }
    }
}
