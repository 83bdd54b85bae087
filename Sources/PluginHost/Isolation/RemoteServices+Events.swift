import CLinux
import CPluginABI
import HostModel

/// `ph.events/1`, as it is put to the host: queues and policies are there, and an event is handed
/// over when the one before has been taken.
extension RemoteServices {
    func publish(_ draft: EventDraft) -> ph_status {
        status(
            RemoteTopic.publish,
            [
                "about": .string(draft.topic), "type": .string(draft.type),
                "subject": .string(draft.subject), "content_type": .string(draft.contentType),
                "retain": .bool(draft.isRetained), "in_hook": .bool(linux_is_in_hook() != 0),
            ], draft.data)
    }

    func subscribe(
        _ target: EventTarget, _ wish: EventWish, _ number: inout UInt64
    ) -> ph_status {
        // Events may come before the answer.
        let given = add(target)
        let status = status(
            RemoteTopic.subscribe,
            [
                "number": .number64(given), "pattern": .string(wish.pattern.text),
                "name": .string(wish.name),
                "policy": .number(JSONNumber(wish.shape.policy.rawValue)),
                "queue_max": .number(JSONNumber(wish.shape.countMax)),
            ])
        guard status == ph_status(PH_OK) else {
            _ = removeTarget(given)
            return status == ph_status(PH_GONE) ? ph_status(PH_WRONG_STATE) : status
        }
        number = given
        return ph_status(PH_OK)
    }

    // MARK: - What the host hands over

    /// Hands an event to the plugin, on its pool.
    func deliver(_ request: ControlChannel.Request, to member: Member) {
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
            let verdict = self.target(json["number"]?.number64 ?? 0)?
                .take(event, isOld: json["old"]?.bool ?? false)
            request.reply(["verdict": .string(Self.name(of: verdict ?? .failed))])
        }
        if isTaken != true { request.reply(["verdict": .string(Self.name(of: .failed))]) }
    }

    /// Tells the plugin that a subscription is over.
    func end(_ request: ControlChannel.Request, of member: Member) {
        let target = removeTarget(request.json["number"]?.number64 ?? 0)
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

    private static func name(of verdict: EventConsumer.Verdict) -> String {
        switch verdict {
        case .taken: "taken"
        case .failed: "failed"
        case .gone: "gone"
        }
    }
}
