import CPluginABI
import DynamicLibrary
import HostModel

/// What is done once for a generation, or with calls that nobody waits for.
extension RPCService {
    // MARK: - Offering and binding

    static func provide(
        _ host: UnsafePointer<ph_host>?, _ capability: ph_text,
        _ methods: UnsafePointer<ph_method>?, _ count: Int
    ) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let host = unsafe host,
            let capability = unsafe String(
                checking: capability, bytesMax: CapabilityName.bytesMax)
        else { return ph_status(PH_INVALID) }
        let door = unsafe HostObject.door(of: host)
        guard mayOffer(capability, by: door) else { return ph_status(PH_INVALID) }
        guard count <= CapabilityRegistry.methodsMax else { return ph_status(PH_LIMIT) }
        guard let methods = unsafe OfferedMethod.read(methods, count: count, capability: capability)
        else { return ph_status(PH_INVALID) }
        guard let remote = door.remote else {
            return door.switchboard.registry.provide(methods, by: door.member)
        }
        // Whoever calls is elsewhere, and no thread of theirs is there to be used.
        let status = door.switchboard.registry.provide(
            methods.map(\.onPool), by: door.member)
        return status == ph_status(PH_OK) ? remote.provide(methods, of: capability) : status
    }

    /// Whether a plugin may offer methods of a capability, "" for none; told in the log if not.
    static func mayOffer(_ capability: String, by door: ServiceDoor) -> Bool {
        let isDeclared = door.member.manifest.provides.contains {
            $0.capability.text == capability
        }
        if capability.isEmpty || isDeclared { return true }
        door.log.write(
            .error,
            "methods of \"\(Escaping.printable(capability))\" were not taken: "
                + "its manifest.json does not list that under \"provides\"",
            about: door.subject)
        return false
    }

    static func method(
        _ host: UnsafePointer<ph_host>?, _ selector: UnsafePointer<ph_selector>?,
        _ name: ph_text, _ result: UnsafeMutablePointer<ph_handle>?
    ) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let name = unsafe String(checking: name, bytesMax: OfferedMethod.nameBytesMax),
            !name.isEmpty
        else { return ph_status(PH_INVALID) }
        return unsafe RegistryService.bind(host, selector, method: name, result)
    }

    // MARK: - Calls that nobody waits for

    static func callAsync(
        _ host: UnsafePointer<ph_host>?, _ handle: ph_handle, _ payload: ph_bytes,
        _ options: UnsafePointer<ph_call_options>?, _ receive: InlineCall.Receiver?,
        _ context: UnsafeMutableRawPointer?, _ ticket: UnsafeMutablePointer<ph_ticket>?
    ) -> ph_status {
        unsafe ticket?.pointee = 0
        guard unsafe host != nil, unsafe payload.data != nil || payload.length == 0,
            unsafe receive != nil, unsafe LaterCalls.isValid(options)
        else { return ph_status(PH_INVALID) }
        var failure = ph_status(PH_STALE)
        guard let method = unsafe enter(handle, &failure) else { return failure }
        if let hooked = unsafe HookedCall.begin(host, method, payload, receive, context) {
            return unsafe hooked.callAsync(host, method, options, ticket)
        }
        if unsafe method.flags & UInt32(PH_METHOD_INLINE) != 0 {
            guard unsafe CallFramesPointer.current.pointee.depth < CallFrames.depthMax else {
                unsafe method.leave()
                return ph_status(PH_TOO_DEEP)
            }
            _ = unsafe callHere(method, payload, receive, context)
            unsafe release(options)
            return ph_status(PH_OK)
        }
        return unsafe later(host, method, payload, options, receive, context, ticket)
    }

    static func cast(
        _ host: UnsafePointer<ph_host>?, _ handle: ph_handle, _ payload: ph_bytes
    ) -> ph_status {
        guard unsafe host != nil, unsafe payload.data != nil || payload.length == 0 else {
            return ph_status(PH_INVALID)
        }
        var failure = ph_status(PH_STALE)
        guard let method = unsafe enter(handle, &failure) else { return failure }
        if let hooked = unsafe HookedCall.begin(host, method, payload, nil, nil) {
            return unsafe hooked.cast(host, method)
        }
        if unsafe method.flags & UInt32(PH_METHOD_INLINE) != 0 {
            let status = unsafe callHere(method, payload, nil, nil)
            return status == ph_status(PH_TOO_DEEP) ? status : ph_status(PH_OK)
        }
        return unsafe later(host, method, payload, nil, nil, nil, nil)
    }

    static func later(
        _ host: UnsafePointer<ph_host>?, _ method: EndpointPointer, _ payload: ph_bytes,
        _ options: UnsafePointer<ph_call_options>?, _ receive: InlineCall.Receiver?,
        _ context: UnsafeMutableRawPointer?, _ ticket: UnsafeMutablePointer<ph_ticket>?
    ) -> ph_status {
        var call: PooledCall?
        let outcome = unsafe LaterCalls.begin(
            host, method, payload, options, receive, context, isAwaited: false, &call)
        switch outcome {
        case nil: return ph_status(PH_INVALID)
        case .refused(let status): return status
        case .settled:
            unsafe ticket?.pointee = call?.ticket ?? 0
            return ph_status(PH_OK)
        }
    }

    static func cancel(_ host: UnsafePointer<ph_host>?, _ ticket: ph_ticket) -> ph_status {
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let host = unsafe host else { return ph_status(PH_INVALID) }
        let member = unsafe HostObject.door(of: host).member
        guard let call = member.calls.outgoing(ticket), call.settle(ph_status(PH_CANCELLED))
        else { return ph_status(PH_WRONG_STATE) }
        return ph_status(PH_OK)
    }
}
