package import HostModel

/// What happens to plugins, told on the event bus.
extension PluginManager {
    /// Tells of events, which lie one behind the other in the journal.
    ///
    /// - Parameter last: the sequence of the last one; nil if they could not be written.
    func announce(_ events: [LifecycleEvent], upTo last: Int64?) {
        for (index, event) in events.enumerated() {
            let sequence = last.map { $0 - Int64(events.count - 1 - index) }
            let json = sequence.map { Journal.Entry(sequence: $0, event: event).json } ?? event.json
            switchboard.events.publish(
                event.fact.topic, type: event.fact.name, subject: event.plugin.text, json,
                journalSequence: sequence, time: event.time)
        }
    }

    /// Tells of the host's own start and end.
    package nonisolated func announce(_ what: String, _ json: JSONValue) {
        switchboard.events.publish("host.\(what)", json)
    }
}

extension LifecycleEvent.Fact {
    /// Under which topic the host tells of it: `host.plugin.installed` for `plugin_installed_v1`,
    /// `host.plugin.load-failed` for `load_failed_v1`.
    var topic: String {
        if case .engineCrashed = self { return "host.engine.crashed" }
        var words = name.split(separator: "_").map(String.init)
        if words.last?.hasPrefix("v") == true { words.removeLast() }
        if words.first == "plugin", words.count > 1 { words.removeFirst() }
        return "host.plugin." + words.joined(separator: "-")
    }
}
