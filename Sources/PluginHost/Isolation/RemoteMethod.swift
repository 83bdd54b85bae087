import CPluginABI
import DynamicLibrary
import HostModel

/// A method that an isolated plugin offers, as the registry has it: a call of it is put to one of
/// the plugin's processes and answered when that has.
final class RemoteMethod: Sendable {
    private let key: OfferedMethod.Key
    private weak let plugin: IsolatedPlugin?

    init(_ key: OfferedMethod.Key, of plugin: IsolatedPlugin) {
        self.key = key
        self.plugin = plugin
    }

    /// What the registry is given; valid as long as this is.
    var offered: OfferedMethod {
        unsafe OfferedMethod(
            key: key, flags: 0,
            function: { context, call, payload in
                guard let context = unsafe context else { return ph_status(PH_FAILED) }
                return unsafe Unmanaged<RemoteMethod>.fromOpaque(context)
                    ._withUnsafeGuaranteedRef { unsafe $0.run(call, payload) }
            }, context: Unmanaged.passUnretained(self).toOpaque())
    }

    /// On a thread of the generation's pool.
    private func run(_ call: OpaquePointer?, _ payload: ph_bytes) -> ph_status {
        guard let plugin, let worker = plugin.pool.next() else {
            unsafe Self.complete(call, ph_status(PH_GONE), 0, nil)
            return ph_status(PH_OK)
        }
        let pooled = unsafe CallFramesPointer.current.pointee.pooled?.takeUnretainedValue()
        var origin = CallOrigin.here
        // The process counts the call once more.
        origin.depth -= 1
        origin.isAwaited = pooled?.isAwaited ?? false
        var json = origin.json
        json["capability"] = .string(key.capability)
        json["method"] = .string(key.name)
        json["ticket"] = pooled.map { .number64($0.ticket) }
        let bytes = unsafe [UInt8](UnsafeBufferPointer(start: payload.data, count: payload.length))
        let handle = UInt(bitPattern: call)
        let answers = plugin.answers
        worker.channel.request(RemoteTopic.serve, json, bytes) { answer in
            // The caller's receiver may ask the same process for something, and wait.
            answers.run {
                let (status, code, reply) = RemoteCall.outcome(of: answer)
                unsafe Self.complete(OpaquePointer(bitPattern: handle), status, code, reply)
            }
        }
        if let pooled {
            let ticket = JSONValue.number64(pooled.ticket)
            pooled.whenCalledOff {
                worker.channel.request(RemoteTopic.callOff, ["ticket": ticket]) { _ in }
            }
        }
        return ph_status(PH_PENDING)
    }

    private static func complete(
        _ call: OpaquePointer?, _ status: ph_status, _ code: Int32, _ reply: [UInt8]?
    ) {
        guard let reply else {
            _ = unsafe RPCService.complete(call, status, code, CallWords.bytes(for: status))
            return
        }
        _ = unsafe reply.withUnsafeBufferPointer { bytes in
            unsafe RPCService.complete(
                call, status, code, ph_bytes(data: bytes.baseAddress, length: bytes.count))
        }
    }
}
