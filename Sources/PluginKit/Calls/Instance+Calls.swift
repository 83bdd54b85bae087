import CPluginABI

/// What the host hands back with each call of a method.
@safe
struct MethodContext {
    let instance: Unmanaged<Instance>
    let index: Int
}

extension Instance {
    /// Offers the plugin's methods to the others.
    ///
    /// - Throws: `PluginError` when the service was not granted, or the host does not take them.
    func offerMethods(
        unsafe host: UnsafePointer<ph_host>, isAskedFor: Bool
    ) throws(PluginError) {
        guard let methods = bound?.methods, !methods.isEmpty else { return }
        guard isAskedFor,
            let rpc = unsafe host.service(Service.rpc.id)?.assumingMemoryBound(to: ph_rpc.self),
            let provide = unsafe rpc.pointee.provide
        else {
            throw PluginError(
                "the plugin's methods cannot be offered",
                reasons: ["its manifest does not ask for .rpc, or it was not granted"],
                code: .serviceMissing)
        }
        let contexts = UnsafeMutablePointer<MethodContext>.allocate(capacity: methods.count)
        unsafe methodContexts = unsafe contexts
        unsafe self.rpc = unsafe rpc
        for index in methods.indices {
            unsafe (contexts + index).initialize(
                to: MethodContext(instance: .passUnretained(self), index: index))
            let shape = methods[index].shape
            var method = unsafe ph_method()
            unsafe method.size = UInt32(MemoryLayout<ph_method>.size)
            unsafe method.flags = shape.isInline ? UInt32(PH_METHOD_INLINE) : 0
            unsafe method.name = ph_text(shape.name)
            unsafe method.context = UnsafeMutableRawPointer(contexts + index)
            unsafe method.function = { context, call, payload in
                unsafe Instance.answer(context, call, payload)
            }
            guard unsafe provide(host, ph_text(shape.capability), &method, 1) >= done else {
                throw PluginError(
                    "the host did not take the method " + String(shape.name),
                    remedy: "list its capability under \"provides\" in manifest.json")
            }
        }
    }

    func freeMethods() {
        unsafe methodContexts?.deallocate()
        unsafe methodContexts = nil
    }

    /// Answers one call, on the caller's thread or one of the host's.
    private static func answer(
        _ context: UnsafeMutableRawPointer?, _ call: OpaquePointer?, _ payload: ph_bytes
    ) -> ph_status {
        guard let context = unsafe context?.assumingMemoryBound(to: MethodContext.self),
            let call = unsafe call
        else { return invalid }
        let index = unsafe context.pointee.index
        return unsafe context.pointee.instance._withUnsafeGuaranteedRef { instance in
            guard let method = instance.bound?.methods[index],
                let rpc = unsafe instance.rpc
            else { return wrongState }
            let answering = unsafe Answering(unsafe: rpc, call)
            switch method.body {
            case .direct(let body):
                do throws(MethodError) {
                    return answering.reply(try body(unsafe Call(unsafe: payload)))
                } catch {
                    return answering.refuse(error, instance.log)
                }
            #if !hasFeature(Embedded)
                case .waiting(let body):
                    let bytes = unsafe Array(
                        UnsafeBufferPointer(start: payload.data, count: payload.length))
                    let log = instance.log
                    instance.runtime.tasks.background {
                        do {
                            _ = answering.reply(try await body(bytes))
                        } catch {
                            _ = answering.refuse(error, log)
                        }
                    }
                    return pending
            #endif
            }
        }
    }
}

/// The way from a `Reply` to the host's functions.
///
/// It is Sendable because any thread may complete a call.
@safe
struct Answering: @unchecked Sendable {
    private let rpc: UnsafePointer<ph_rpc>
    private let call: OpaquePointer

    init(unsafe rpc: UnsafePointer<ph_rpc>, _ call: OpaquePointer) {
        unsafe self.rpc = rpc
        unsafe self.call = call
    }

    func reply(_ reply: Reply) -> ph_status {
        _ = unsafe reply.withBytes { bytes in unsafe rpc.pointee.reply?(call, bytes) ?? failed }
        return done
    }

    #if hasFeature(Embedded)
        func refuse(_ error: CallError, _ log: Log) -> ph_status {
            refuse(error.message, code: error.code)
        }
    #else
        func refuse(_ error: any Error, _ log: Log) -> ph_status {
            if let error = error as? CallError { return refuse(error.message, code: error.code) }
            log.error("a method failed: \(describe(error))")
            return refuse("the method failed", code: -1)
        }
    #endif

    private func refuse(_ message: String, code: Int32) -> ph_status {
        var message = message
        _ = message.withUTF8 { bytes in
            var words = unsafe ph_text()
            unsafe words.data = UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(
                to: CChar.self)
            unsafe words.length = bytes.count
            return unsafe rpc.pointee.refuse?(call, code, words) ?? failed
        }
        return done
    }
}
