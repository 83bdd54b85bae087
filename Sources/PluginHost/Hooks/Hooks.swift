import HostModel
import Synchronization

/// The hooks of every generation that serves, by point, compiled when something changes.
///
/// The chain of the request path is carried to the reactors by the mount table; that of any other
/// point is looked up where its work is done.
final class Hooks: SwitchboardPart {
    /// The most hooks of one generation.
    static let hooksMax = 256

    private struct State {
        var members: [Member] = []
        var chain: RequestChain?
        var desks: HookDesks?
        var points: [PointName: HookPoint] = [:]
        var whenChanged: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())
    /// The host's points that others than the request path look at.
    let install: HookPoint
    let load: HookPoint
    let unload: HookPoint
    let publish: HookPoint
    /// Looked at through the endpoints of methods, see `Endpoint.isHooked`.
    let rpc: HookPoint

    init() {
        install = HookPoint(.install)
        load = HookPoint(.load)
        unload = HookPoint(.unload)
        publish = HookPoint(.publish)
        rpc = HookPoint(.rpc)
        let own = [install, load, unload, publish, rpc]
        state.withLock { state in
            for point in own { state.points[point.name] = point }
        }
    }

    /// What the mount table is to carry; nil while nothing hangs on the request path.
    var chain: RequestChain? { state.withLock { $0.chain } }

    /// Has a closure called after each change of the chain that no generation's coming or going
    /// has brought.
    func whenChanged(_ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.whenChanged = body }
    }

    /// Adds a hook to its generation; at once, if that serves. False when it has enough.
    func add(_ hook: RegisteredHook) -> Bool {
        let member = hook.member
        let isTaken = member.hooks.withLock { hooks in
            guard hooks.count < Self.hooksMax else { return false }
            hooks.append(hook)
            return true
        }
        guard isTaken else { return false }
        let changed = state.withLock { state -> (@Sendable () -> Void)? in
            guard state.members.contains(where: { $0 === member }) else { return nil }
            compile(&state)
            return unsafe hook.functions.isOfRequests ? state.whenChanged : nil
        }
        changed?()
        return true
    }

    func replace(_ former: Member?, with member: Member) {
        state.withLock { state in
            state.members.removeAll { $0 === former || $0 === member }
            state.members.append(member)
            compile(&state)
        }
    }

    func withdraw(_ member: Member) {
        state.withLock { state in
            guard let index = state.members.firstIndex(where: { $0 === member }) else { return }
            state.members.remove(at: index)
            compile(&state)
        }
    }

    /// A point by its name; made if it is new.
    func point(_ name: PointName) -> HookPoint {
        state.withLock { Self.point(name, &$0) }
    }

    /// Everything that hangs on a point, in order; the points in the order of their names, the
    /// host's first.
    var listed: [(point: PointName, hooks: [RegisteredHook])] {
        let hooks = state.withLock { state in Self.ordered(state.members) }
        return Dictionary(grouping: hooks, by: \.point).sorted { $0.key < $1.key }
            .map { ($0.key, $0.value) }
    }

    private static func point(_ name: PointName, _ state: inout State) -> HookPoint {
        if let point = state.points[name] { return point }
        let point = HookPoint(name)
        state.points[name] = point
        return point
    }

    /// The hooks of the generations in the order in which they enter.
    private static func ordered(_ members: [Member]) -> [RegisteredHook] {
        members.sorted { $0.name < $1.name }
            .flatMap { member in member.hooks.withLock { $0 } }
            .enumerated()
            .sorted { left, right in
                (left.element.options.priority, left.offset)
                    < (right.element.options.priority, right.offset)
            }
            .map(\.element)
    }

    private func compile(_ state: inout State) {
        let hooks = Dictionary(
            grouping: Self.ordered(state.members).filter { $0.takeEffect() }, by: \.point)
        compileChain(hooks[.request] ?? [], hooks[.response] ?? [], &state)
        for name in hooks.keys where name != .request && name != .response {
            _ = Self.point(name, &state)
        }
        for (name, point) in state.points { point.set(hooks[name] ?? []) }
    }

    private func compileChain(
        _ request: [RegisteredHook], _ response: [RegisteredHook], _ state: inout State
    ) {
        guard let first = request.first ?? response.first,
            let generation = first.member.generation
        else {
            state.chain = nil
            return
        }
        let desks = state.desks ?? HookDesks(reactors: generation.reactorCount)
        state.desks = desks
        state.chain = RequestChain(request: request, response: response, desks: desks)
    }
}

extension RegisteredHook.Functions {
    /// Whether they are called on the request path.
    var isOfRequests: Bool { unsafe enter != nil || leave != nil || respond != nil }
}
