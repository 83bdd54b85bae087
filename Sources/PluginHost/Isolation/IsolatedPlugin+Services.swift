import CPluginABI
import DynamicLibrary
import HTTPWire
import HostModel
import Synchronization

/// What the processes of an isolated plugin ask of the host.
///
/// They are not believed: what was not granted is refused here as well, and everything is checked
/// as if the plugin had asked in this process.
extension IsolatedPlugin {
    /// Answers a request; on the lane of the process that it comes from.
    func answer(_ request: ControlChannel.Request, of worker: IsolatedWorker) {
        let json = request.json
        switch request.topic {
        case RemoteTopic.log: write(json)
        case RemoteTopic.denied:
            guard let service = json["service"]?.string, let reason = json["reason"]?.string,
                service.utf8.count <= 256
            else { return }
            parts.onDenial(service, reason)
        case RemoteTopic.addHook, RemoteTopic.point, RemoteTopic.enterPoint,
            RemoteTopic.leavePoint:
            guard isGranted(PH_HOOKS_ID) else { return reply(request, PH_INVALID) }
            answerAboutHooks(request, worker)
        case RemoteTopic.publish, RemoteTopic.subscribe, RemoteTopic.unsubscribe:
            guard isGranted(PH_EVENTS_ID) else { return reply(request, PH_INVALID) }
            answerAboutEvents(request, worker)
        case RemoteTopic.providers, RemoteTopic.current, RemoteTopic.bind, RemoteTopic.release:
            guard isGranted(PH_REGISTRY_ID) || isGranted(PH_RPC_ID) else {
                return reply(request, PH_INVALID)
            }
            answerAboutProviders(request)
        case RemoteTopic.provide, RemoteTopic.call, RemoteTopic.callAsync, RemoteTopic.cancel,
            RemoteTopic.cast:
            guard isGranted(PH_RPC_ID) else { return reply(request, PH_INVALID) }
            answerAboutCalls(request, worker)
        default: reply(request, PH_INVALID)
        }
    }

    private func isGranted(_ service: String) -> Bool { granted.contains(service) }

    func reply(_ request: ControlChannel.Request, _ status: some BinaryInteger) {
        request.reply(["status": .status(ph_status(truncatingIfNeeded: status))])
    }

    private func write(_ json: JSONValue) {
        guard
            let level = json["level"]?.integer.flatMap({ Int(exactly: $0) })
                .flatMap(HostLog.Level.init),
            let message = json["message"]?.string
        else { return }
        var subject = member.subject
        if var name = json["request"]?.string {
            let isValid = name.withUTF8 { bytes in
                unsafe RequestIdentifier.isValid(ByteSlice(UnsafeRawBufferPointer(bytes)))
            }
            if isValid { subject.request = name }
        }
        parts.terms.log.write(level, message, about: subject)
    }

    // MARK: - Events

    private func answerAboutEvents(
        _ request: ControlChannel.Request, _ worker: IsolatedWorker
    ) {
        let json = request.json
        switch request.topic {
        case RemoteTopic.publish:
            worker.asHook(json) { reply(request, publish(request)) }
        case RemoteTopic.subscribe: reply(request, subscribe(json, worker))
        default:
            guard let number = json["number"]?.number64,
                let subscription = state.withLock({
                    $0.subscriptions.first { $0.isKnown(to: worker, as: number) }
                })
            else { return reply(request, PH_WRONG_STATE) }
            reply(request, PH_OK)
            end(subscription, of: worker, number)
        }
    }

    private func publish(_ request: ControlChannel.Request) -> ph_status {
        let json = request.json
        guard request.bytes.count <= EventLimits.dataBytesMax else { return ph_status(PH_LIMIT) }
        guard
            var draft = EventDraft(
                topic: json["about"]?.string ?? "", type: json["type"]?.string ?? "",
                subject: json["subject"]?.string ?? "", json["content_type"]?.string ?? "",
                of: member)
        else { return ph_status(PH_INVALID) }
        draft.data = request.bytes
        draft.isRetained = json["retain"]?.bool == true
        return EventService.publish(checked: draft, by: door)
    }

    private func subscribe(_ json: JSONValue, _ worker: IsolatedWorker) -> ph_status {
        guard let number = json["number"]?.number64,
            let wish = EventWish(
                pattern: json["pattern"]?.string ?? "", name: json["name"]?.string ?? "",
                policy: json["policy"]?.integer.flatMap { UInt32(exactly: $0) } ?? .max,
                queueMax: json["queue_max"]?.integer.flatMap { UInt32(exactly: $0) } ?? .max)
        else { return ph_status(PH_INVALID) }
        let former = state.withLock { state in
            state.subscriptions.first { !wish.name.isEmpty && $0.name == wish.name }
        }
        if let former {
            guard former.pattern.text == wish.pattern.text, former.add(worker, as: number) else {
                return ph_status(PH_WRONG_STATE)
            }
            return ph_status(PH_OK)
        }
        let subscription = RemoteSubscription(
            name: wish.name, pattern: wish.pattern, member: member)
        _ = subscription.add(worker, as: number)
        let status = EventService.subscribe(
            wish, by: door, end: { subscription.end($0) }, pin: { subscription.pin() },
            take: { subscription.take($0, isOld: $1) }, note: { subscription.id = $0 })
        if status == ph_status(PH_OK) {
            state.withLock { $0.subscriptions.append(subscription) }
        }
        return status
    }

    /// Takes a process out of a subscription; the subscription goes with the last one that has
    /// asked for that.
    private func end(
        _ subscription: RemoteSubscription, of worker: IsolatedWorker, _ number: UInt64
    ) {
        if subscription.remove(worker) {
            worker.channel.request(
                RemoteTopic.eventsEnd,
                ["number": .number64(number), "ending": "unsubscribed"]
            ) { _ in }
            return
        }
        state.withLock { $0.subscriptions.removeAll { $0 === subscription } }
        _ = subscription.add(worker, as: number)
        _ = door.switchboard.events.unsubscribe(member, subscription.id)
    }

    /// Takes a process that has ended out of everything.
    func forget(_ worker: IsolatedWorker) {
        let prefix = "\(worker.serial)."
        tickets.forget(prefix)
        forgetHooks(of: worker)
        let orphans = state.withLock { state in
            let orphans = state.subscriptions.filter { !$0.remove(worker) && $0.name.isEmpty }
            state.subscriptions.removeAll { one in orphans.contains { $0 === one } }
            return orphans
        }
        for orphan in orphans {
            _ = door.switchboard.events.unsubscribe(member, orphan.id)
        }
    }

    // MARK: - Providers

    private func answerAboutProviders(_ request: ControlChannel.Request) {
        let (json, registry) = (request.json, door.switchboard.registry)
        let handle = json["handle"]?.number64 ?? 0
        switch request.topic {
        case RemoteTopic.providers:
            guard let selector = Selector(json: json) else { return reply(request, PH_INVALID) }
            let found = registry.providers(selector)
            request.reply([
                "status": .status(ph_status(found.isEmpty ? PH_NO_PROVIDER : PH_OK)),
                "providers": .array(found.map { ShownProvider($0).json }),
            ])
        case RemoteTopic.current:
            switch registry.provider(of: handle) {
            case .success(let provider):
                request.reply([
                    "status": .status(ph_status(PH_OK)), "provider": ShownProvider(provider).json,
                ])
            case .failure(let failure): reply(request, failure.status)
            }
        case RemoteTopic.release:
            reply(request, registry.release(handle, of: member) ? PH_OK : PH_STALE)
        default:
            guard let selector = Selector(json: json) else { return reply(request, PH_INVALID) }
            let bound = registry.bind(
                selector, method: json["method"]?.string,
                isOfGeneration: json["of_generation"]?.bool == true, for: member)
            switch bound {
            case .success(let handle):
                request.reply(["status": .status(ph_status(PH_OK)), "handle": .number64(handle)])
            case .failure(let failure): reply(request, failure.status)
            }
        }
    }

    // MARK: - Calls

    private func answerAboutCalls(_ request: ControlChannel.Request, _ worker: IsolatedWorker) {
        let json = request.json
        switch request.topic {
        case RemoteTopic.provide: reply(request, provide(json))
        case RemoteTopic.cancel:
            let ticket = "\(worker.serial).\(json["ticket"]?.string ?? "")"
            reply(request, tickets.cancel(ticket, for: host))
        case RemoteTopic.cast:
            let handle = json["handle"]?.number64 ?? 0
            let status = worker.asHook(json) {
                origin(json).stand {
                    unsafe request.bytes.withUnsafeBufferPointer { bytes in
                        unsafe RPCService.cast(
                            host.pointer, handle,
                            ph_bytes(data: bytes.baseAddress, length: bytes.count))
                    }
                }
            }
            reply(request, status)
        default:
            worker.asHook(json) {
                ServedCall.begin(
                    request, json["handle"]?.number64 ?? 0, by: host, origin(json), tickets,
                    ticket: json["ticket"]?.string.map { "\(worker.serial).\($0)" })
            }
        }
    }

    /// On whose behalf a process calls: its own as well.
    private func origin(_ json: JSONValue) -> CallOrigin {
        var origin = CallOrigin(json: json)
        origin.waiting.append(member.party)
        return origin
    }

    private func provide(_ json: JSONValue) -> ph_status {
        let capability = json["capability"]?.string ?? ""
        guard RPCService.mayOffer(capability, by: door),
            let names = json["methods"]?.array?.compactMap(\.string),
            names.allSatisfy({ 1...OfferedMethod.nameBytesMax ~= $0.utf8.count })
        else { return ph_status(PH_INVALID) }
        // A process that takes the place of another one offers what is there already.
        let methods = state.withLock { state in
            names.compactMap { name -> RemoteMethod? in
                let key = OfferedMethod.Key(capability: capability, name: name)
                guard state.methods[key] == nil,
                    state.methods.count < CapabilityRegistry.methodsMax
                else { return nil }
                let method = RemoteMethod(key, of: self)
                state.methods[key] = method
                return method
            }
        }
        guard !methods.isEmpty else { return ph_status(PH_OK) }
        return door.switchboard.registry.provide(methods.map(\.offered), by: member)
    }
}
