import CPluginABI
import HostModel
import Synchronization

/// What one generation has to do with calls between plugins: the methods that it offers, the
/// handles that it has bound, and the calls that it was asked for and asks for.
final class MemberCalls: Sendable {
    @safe
    private struct State {
        var methods: [OfferedMethod.Key: OfferedMethod] = [:]
        /// The endpoints of its methods, while it serves.
        var endpoints: [OfferedMethod.Key: EndpointPointer] = unsafe [:]
        /// The handles that it has bound, and where they are to be given back.
        var handles: Set<UInt32> = []
        weak var registry: CapabilityRegistry?
        /// Calls on its pool, or not completed yet.
        var incoming: [ObjectIdentifier: PooledCall] = [:]
        /// Calls that its receivers are to hear of.
        var outgoing: [ph_ticket: PooledCall] = [:]
        var hasEnded = false
    }

    let counts = CallCounts()
    private let state = Mutex(State())

    deinit {
        let (handles, registry) = state.withLock { ($0.handles, $0.registry) }
        registry?.release(handles)
    }

    // MARK: - Methods

    /// Lets callers in; with the registry's lock.
    func open(of member: Member, isHooked: Bool) {
        state.withLock { state in
            for (key, method) in state.methods where unsafe state.endpoints[key] == nil {
                unsafe state.endpoints[key] = unsafe EndpointPointer.open(
                    method, of: member, isHooked: isHooked)
            }
        }
    }

    /// Has calls of its methods pass by the hooks of their point, or not; with the registry's lock.
    func hook(_ isHooked: Bool) {
        state.withLock { state in
            for key in state.methods.keys {
                unsafe state.endpoints[key]?.hook(isHooked)
            }
        }
    }

    /// Lets no callers in any more.
    func close() {
        let endpoints = unsafe state.withLock { state in
            let endpoints = unsafe Array(state.endpoints.values)
            unsafe state.endpoints = [:]
            return unsafe endpoints
        }
        for index in unsafe endpoints.indices { unsafe endpoints[index].close() }
    }

    /// Notes methods, and opens them if callers are let in already; with the registry's lock.
    ///
    /// - Returns: what came of it, and the endpoints of methods that were replaced, to be closed.
    func add(
        _ methods: [OfferedMethod], of member: Member, opens: Bool, isHooked: Bool
    ) -> (status: ph_status, replaced: [EndpointPointer]) {
        unsafe state.withLock { state in
            guard !state.hasEnded else { return unsafe (ph_status(PH_WRONG_STATE), []) }
            let added = Set(methods.map(\.key)).subtracting(state.methods.keys).count
            guard state.methods.count + added <= CapabilityRegistry.methodsMax else {
                return unsafe (ph_status(PH_LIMIT), [])
            }
            var replaced: [EndpointPointer] = unsafe []
            for method in methods {
                state.methods[method.key] = method
                guard opens else { continue }
                let former = unsafe state.endpoints.updateValue(
                    .open(method, of: member, isHooked: isHooked), forKey: method.key)
                if let former = unsafe former { unsafe replaced.append(former) }
            }
            return unsafe (ph_status(PH_OK), replaced)
        }
    }

    /// Where handles of a method are to lead; nil when there is no such method.
    func target(of key: OfferedMethod.Key) -> UInt? {
        state.withLock { unsafe $0.endpoints[key]?.target }
    }

    // MARK: - Handles

    /// Notes a handle; false when the generation has ended.
    func own(_ index: UInt32, through registry: CapabilityRegistry) -> Bool {
        state.withLock { state in
            guard !state.hasEnded else { return false }
            state.handles.insert(index)
            state.registry = registry
            return true
        }
    }

    func disown(_ index: UInt32) -> Bool {
        state.withLock { $0.handles.remove(index) != nil }
    }

    // MARK: - Calls

    func begin(incoming call: PooledCall) {
        state.withLock { $0.incoming[ObjectIdentifier(call)] = call }
    }

    func end(incoming call: PooledCall) {
        _ = state.withLock { $0.incoming.removeValue(forKey: ObjectIdentifier(call)) }
    }

    /// Notes a call whose receiver is to be called; false when the generation has ended.
    func begin(outgoing call: PooledCall) -> Bool {
        state.withLock { state in
            guard !state.hasEnded else { return false }
            state.outgoing[call.ticket] = call
            return true
        }
    }

    func end(outgoing call: PooledCall) {
        _ = state.withLock { $0.outgoing.removeValue(forKey: call.ticket) }
    }

    func outgoing(_ ticket: ph_ticket) -> PooledCall? {
        state.withLock { $0.outgoing[ticket] }
    }

    /// Ends whatever is still going on, and refuses more: its code is about to be stopped.
    func end() {
        state.withLock { $0.hasEnded = true }
        settle()
    }

    /// Ends the calls that nobody waits for any longer: those who asked it are told so, and it is
    /// told what it asked for.
    func settle() {
        let (incoming, outgoing) = state.withLock {
            (Array($0.incoming.values), Array($0.outgoing.values))
        }
        for call in outgoing { call.settle(ph_status(PH_CANCELLED)) }
        for call in incoming { call.settle(ph_status(PH_GONE)) }
    }

    /// What keeps the generation, and has done so for longer than that, a line each.
    func holders(longerThan duration: Duration) -> [String] {
        let now = ContinuousClock.now
        let (incoming, outgoing) = state.withLock {
            (Array($0.incoming.values), Array($0.outgoing.values))
        }
        let running = incoming.filter { $0.began.duration(to: now) >= duration }
        let waiting = outgoing.filter { $0.began.duration(to: now) >= duration }
        return
            (running.sorted { $0.began < $1.began }.map { $0.asProvided(at: now) }
            + waiting.sorted { $0.began < $1.began }.map { $0.asAsked(at: now) })
    }
}
