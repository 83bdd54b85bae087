import CLinux
import CPluginABI
import HostModel

extension Hooks {
    /// Publishes an event of a plugin between the hooks of its point; what a hook publishes in turn
    /// passes none.
    @inline(never)
    func publish(
        _ draft: EventDraft, by member: Member, _ perform: () -> ph_status
    ) -> ph_status {
        guard linux_is_in_hook() == 0, let chain = publish.hooks else { return perform() }
        let run = PointRun(publish, chain, plugin: member.name.text, text: draft.shown)
        return run.run { _ in perform() }
    }
}

extension EventDraft {
    /// What hooks are shown of it: the data as JSON if they are, else as text.
    fileprivate var shown: JSONValue {
        [
            "topic": .string(topic), "type": .string(type.isEmpty ? topic : type),
            "subject": .string(subject), "content_type": .string(contentType),
            "data": (try? JSON.parse(data)) ?? .string(String(decoding: data, as: UTF8.self)),
        ]
    }
}
