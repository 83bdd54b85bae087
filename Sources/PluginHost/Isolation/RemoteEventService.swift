import CPluginABI
import DynamicLibrary
import HostModel

/// `ph.events/1` where the host is another process: queues and policies are there, and an event is
/// handed over when the one before has been taken.
enum RemoteEventService {
    /// The table that plugins are handed; it lives as long as the process.
    // because it is written once, here
    nonisolated(unsafe) static let table: UnsafePointer<ph_events> = {
        let table = UnsafeMutablePointer<ph_events>.allocate(capacity: 1)
        unsafe table.initialize(
            to: ph_events(
                size: UInt32(MemoryLayout<ph_events>.size),
                publish: { unsafe publish($0, $1) },
                subscribe: { unsafe subscribe($0, $1, $2) },
                unsubscribe: { unsafe unsubscribe($0, $1) }))
        return unsafe UnsafePointer(table)
    }()

    private static func publish(
        _ host: UnsafePointer<ph_host>?, _ event: UnsafePointer<ph_event>?
    ) -> ph_status {
        guard let host = unsafe host, let event = unsafe event,
            unsafe Int(event.pointee.size) >= MemoryLayout<ph_event>.size
        else { return ph_status(PH_INVALID) }
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        let door = unsafe HostObject.door(of: host)
        guard unsafe event.pointee.data.length <= EventLimits.dataBytesMax else {
            return ph_status(PH_LIMIT)
        }
        guard let remote = door.remote,
            let draft = unsafe EventDraft(event.pointee, of: door.member)
        else { return ph_status(PH_INVALID) }
        return remote.status(
            RemoteTopic.publish,
            [
                "about": .string(draft.topic), "type": .string(draft.type),
                "subject": .string(draft.subject), "content_type": .string(draft.contentType),
                "retain": .bool(draft.isRetained),
            ], draft.data)
    }

    private static func subscribe(
        _ host: UnsafePointer<ph_host>?, _ options: UnsafePointer<ph_subscription>?,
        _ number: UnsafeMutablePointer<UInt64>?
    ) -> ph_status {
        guard let host = unsafe host, let number = unsafe number, let options = unsafe options,
            unsafe Int(options.pointee.size) >= MemoryLayout<ph_subscription>.size
        else { return ph_status(PH_INVALID) }
        unsafe number.pointee = 0
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        let door = unsafe HostObject.door(of: host)
        guard let remote = door.remote, let wish = unsafe EventWish(options.pointee) else {
            return ph_status(PH_INVALID)
        }
        // Events may come before the answer.
        let given = remote.add(unsafe EventTarget(member: door.member, options.pointee))
        let status = remote.status(
            RemoteTopic.subscribe,
            [
                "number": .number64(given), "pattern": .string(wish.pattern.text),
                "name": .string(wish.name),
                "policy": .number(JSONNumber(wish.shape.policy.rawValue)),
                "queue_max": .number(JSONNumber(wish.shape.countMax)),
            ])
        guard status == ph_status(PH_OK) else {
            _ = remote.removeTarget(given)
            return status == ph_status(PH_GONE) ? ph_status(PH_WRONG_STATE) : status
        }
        unsafe number.pointee = given
        return ph_status(PH_OK)
    }

    private static func unsubscribe(
        _ host: UnsafePointer<ph_host>?, _ number: UInt64
    ) -> ph_status {
        guard let host = unsafe host else { return ph_status(PH_INVALID) }
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        guard let remote = unsafe HostObject.door(of: host).remote else {
            return ph_status(PH_INVALID)
        }
        return remote.status(RemoteTopic.unsubscribe, ["number": .number64(number)])
    }

    // MARK: - What the host hands over

    /// Hands an event to the plugin, on its pool.
    static func deliver(
        _ request: ControlChannel.Request, _ remote: RemoteServices, _ member: Member
    ) {
        let json = request.json
        let isTaken = member.pool?.submit(beyondQueue: true) {
            var draft = EventDraft(
                topic: json["about"]?.string ?? "", source: json["source"]?.string ?? "")
            draft.type = json["type"]?.string ?? ""
            draft.subject = json["subject"]?.string ?? ""
            draft.contentType = json["content_type"]?.string ?? ""
            draft.id = json["id"]?.string
            draft.time = Timestamp(milliseconds: json["time"]?.integer ?? 0)
            draft.data = request.bytes
            let event = Event(draft, sequence: json["sequence"]?.number64 ?? 0)
            let verdict = remote.target(json["number"]?.number64 ?? 0)?
                .take(event, isOld: json["old"]?.bool ?? false)
            request.reply(["verdict": .string(Self.name(of: verdict ?? .failed))])
        }
        if isTaken != true { request.reply(["verdict": .string(name(of: .failed))]) }
    }

    /// Tells the plugin that a subscription is over.
    static func end(_ request: ControlChannel.Request, _ remote: RemoteServices, _ member: Member) {
        let target = remote.removeTarget(request.json["number"]?.number64 ?? 0)
        let ending: EventQueue.Ending =
            switch request.json["ending"]?.string {
            case "overflowed": .overflowed
            case "withdrawn": .withdrawn
            default: .unsubscribed
            }
        guard let target, target.wantsToKnow else { return request.reply() }
        let tell: @Sendable () -> Void = {
            if ending == .withdrawn { target.pin() }
            target.end(ending)
            request.reply()
        }
        if member.pool?.submit(beyondQueue: true, tell) != true { request.reply() }
    }

    static func name(of verdict: EventConsumer.Verdict) -> String {
        switch verdict {
        case .taken: "taken"
        case .failed: "failed"
        case .gone: "gone"
        }
    }
}

/// What a worker and the engine ask of each other.
enum RemoteTopic {
    static let publish = "publish"
    static let subscribe = "subscribe"
    static let unsubscribe = "unsubscribe"
    static let event = "event"
    static let eventsEnd = "events-end"
    static let provide = "provide"
    static let bind = "bind"
    static let release = "release"
    static let providers = "providers"
    static let current = "current"
    static let call = "call"
    static let cancel = "cancel"
    static let cast = "cast"
    static let serve = "rpc"
    static let log = "log"
    static let denied = "denied"
    static let open = "open"
    static let initialize = "init"
    static let start = "start"
    static let health = "health"
    static let configure = "configure"
    static let save = "save"
    static let restore = "restore"
    static let drain = "drain"
    static let stop = "stop"
    static let close = "close"
    static let ping = "ping"
}
