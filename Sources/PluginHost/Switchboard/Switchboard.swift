/// A service through which plugins meet, such as the hooks or the event bus.
///
/// What a generation registers before it serves is kept with it and takes effect in `replace`; what
/// it registers later takes effect at once. All of it ends with the generation.
protocol SwitchboardPart: Sendable {
    /// A generation begins to serve in the place of another of the same plugin, or of none; what
    /// both have registered changes hands in one step.
    func replace(_ former: Member?, with member: Member)

    /// A generation ceases to serve and none takes its place; also for one that never served. What
    /// of it is running goes on.
    func withdraw(_ member: Member)
}

/// Where plugins find, extend and call each other.
///
/// The manager tells it which generation serves, before the dispatch table says so.
final class Switchboard: Sendable {
    let events = EventBus()
    let hooks = Hooks()
    /// Who provides what, and the calls between plugins.
    let registry: CapabilityRegistry
    private let parts: [any SwitchboardPart]

    init() {
        registry = CapabilityRegistry(callPoint: hooks.rpc)
        parts = [events, hooks, registry]
    }

    func replace(_ former: Member?, with member: Member) {
        for part in parts { part.replace(former, with: member) }
    }

    func withdraw(_ member: Member) {
        for part in parts { part.withdraw(member) }
    }
}
