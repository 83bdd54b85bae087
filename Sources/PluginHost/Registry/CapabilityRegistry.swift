import CPluginABI
import HostModel
import Synchronization

/// Who provides what, and where the handles lead that plugins have bound.
///
/// Whoever looks something up here takes a lock, and so does whoever changes something; calls do
/// neither. They follow a handle, and every change leads the handles concerned elsewhere before the
/// former endpoints are closed, so that no call meets a gap.
final class CapabilityRegistry: SwitchboardPart {
    /// The most methods that one generation may offer.
    static let methodsMax = 1_024

    /// What a handle stands for.
    @safe
    fileprivate struct Binding {
        var selector: Selector
        /// Nil: a handle of the registry alone, which leads to no method.
        var method: String?
        /// The generation that it is bound to; nil: it follows.
        var generation: UInt64?
        var place: HandlePointer
    }

    fileprivate struct State {
        var serving: [PluginName: Member] = [:]
        var providers: [CapabilityName: [Provider]] = [:]
        var bindings: [UInt32: Binding] = [:]
    }

    private let state = Mutex(State())
    /// The point of calls between plugins.
    let callPoint: HookPoint

    init(callPoint: HookPoint) {
        self.callPoint = callPoint
        callPoint.whenFilledOrEmptied(for: self) { [weak self] in self?.noteHooks() }
    }

    /// Has all calls pass by the hooks of their point while there are any, and none otherwise.
    private func noteHooks() {
        state.withLock { state in
            let isHooked = !callPoint.isEmpty
            for member in state.serving.values { member.calls.hook(isHooked) }
        }
    }

    // MARK: - Changes

    func replace(_ former: Member?, with member: Member) {
        let former = state.withLock { state in
            let former = state.serving.updateValue(member, forKey: member.name)
            state.forget(former)
            for provision in member.manifest.provides {
                let provider = Provider(member: member, provision: provision)
                var all = state.providers[provision.capability] ?? []
                let place = all.firstIndex { Provider.comesBefore(provider, $0) } ?? all.count
                all.insert(provider, at: place)
                state.providers[provision.capability] = all
            }
            member.calls.open(of: member, isHooked: !callPoint.isEmpty)
            state.leadHandles(concerning: [former, member])
            return former
        }
        if let former, former !== member { former.calls.close() }
    }

    func withdraw(_ member: Member) {
        let isServing = state.withLock { state in
            guard state.serving[member.name] === member else { return false }
            state.serving[member.name] = nil
            state.forget(member)
            state.leadHandles(concerning: [member])
            return true
        }
        if isServing { member.calls.close() }
    }

    /// Notes methods of a generation; at once, if it serves.
    func provide(_ methods: [OfferedMethod], by member: Member) -> ph_status {
        let (status, replaced) = unsafe state.withLock { state in
            let serves = state.serving[member.name] === member
            let result = unsafe member.calls.add(
                methods, of: member, opens: serves, isHooked: !callPoint.isEmpty)
            if serves { state.leadHandles(concerning: [member]) }
            return unsafe result
        }
        for index in unsafe replaced.indices { unsafe replaced[index].close() }
        return status
    }

    // MARK: - Handles

    /// Makes a handle, of a method or, without one, of a provider.
    func bind(
        _ selector: Selector, method: String?, isOfGeneration: Bool, for member: Member
    ) -> Result<ph_handle, StatusError> {
        state.withLock { state in
            var generation: UInt64?
            if isOfGeneration {
                guard let found = state.best(selector) else { return .failure(.noProvider) }
                generation = found.member.number
            }
            guard let place = unsafe HandlePointer.take() else { return .failure(.limit) }
            let binding = unsafe Binding(
                selector: selector, method: method, generation: generation, place: place)
            state.lead(binding)
            if isOfGeneration, method != nil,
                unsafe place.slot.pointee.target.load(ordering: .relaxed) == 0
            {
                unsafe place.giveBack()
                return .failure(.noMethod)
            }
            guard member.calls.own(unsafe place.index, through: self) else {
                unsafe place.giveBack()
                return .failure(.wrongState)
            }
            unsafe state.bindings[place.index] = binding
            return .success(unsafe place.handle)
        }
    }

    /// Gives a handle back; false when it is none of the member's.
    func release(_ handle: ph_handle, of member: Member) -> Bool {
        state.withLock { state in
            guard let place = unsafe HandlePointer(handle),
                member.calls.disown(unsafe place.index)
            else { return false }
            unsafe state.bindings[place.index] = nil
            unsafe place.giveBack()
            return true
        }
    }

    /// Gives the handles back of somebody who has none any more.
    func release(_ indices: Set<UInt32>) {
        state.withLock { state in
            for index in indices {
                if let binding = state.bindings.removeValue(forKey: index) {
                    unsafe binding.place.giveBack()
                }
            }
        }
    }

    // MARK: - Questions

    /// Everyone who fits, the best first.
    func providers(_ selector: Selector) -> [Provider] {
        state.withLock { $0.fitting(selector) }
    }

    /// Where a handle leads.
    func provider(of handle: ph_handle) -> Result<Provider, StatusError> {
        state.withLock { state in
            guard let place = unsafe HandlePointer(handle),
                let binding = unsafe state.bindings[place.index]
            else { return .failure(.stale) }
            guard let provider = state.best(binding.selector) else {
                return .failure(binding.generation == nil ? .noProvider : .stale)
            }
            guard binding.generation == nil || binding.generation == provider.member.number else {
                return .failure(.stale)
            }
            return .success(provider)
        }
    }

    /// All that is provided, by capability, the best first.
    var all: [Provider] {
        state.withLock { state in
            state.providers.sorted { $0.key < $1.key }.flatMap(\.value)
        }
    }
}

/// Why a plugin is not given what it asks for.
enum StatusError: Error {
    case noProvider, noMethod, stale, limit, wrongState

    var status: ph_status {
        switch self {
        case .noProvider: ph_status(PH_NO_PROVIDER)
        case .noMethod: ph_status(PH_NO_METHOD)
        case .stale: ph_status(PH_STALE)
        case .limit: ph_status(PH_LIMIT)
        case .wrongState: ph_status(PH_WRONG_STATE)
        }
    }
}

extension CapabilityRegistry.State {
    fileprivate mutating func forget(_ member: Member?) {
        guard let member else { return }
        for provision in member.manifest.provides {
            providers[provision.capability]?.removeAll { $0.member === member }
            if providers[provision.capability]?.isEmpty == true {
                providers[provision.capability] = nil
            }
        }
    }

    fileprivate func fitting(_ selector: Selector) -> [Provider] {
        if let capability = selector.capability {
            return (providers[capability] ?? []).filter {
                selector.fits($0.member, $0.provision)
            }
        }
        guard let name = selector.plugin, let member = serving[name],
            selector.fits(member, nil)
        else { return [] }
        return [Provider(member: member, provision: nil)]
    }

    fileprivate func best(_ selector: Selector) -> Provider? {
        guard let capability = selector.capability else { return fitting(selector).first }
        return providers[capability]?.first { selector.fits($0.member, $0.provision) }
    }

    /// Leads the handles anew that may lead to one of the members, or may have done so.
    fileprivate func leadHandles(concerning members: [Member?]) {
        guard !bindings.isEmpty else { return }
        let members = members.compactMap(\.self)
        for binding in bindings.values where binding.method != nil {
            let selector = binding.selector
            let isConcerned = members.contains { member in
                if let plugin = selector.plugin { return plugin == member.name }
                return member.manifest.provides.contains { $0.capability == selector.capability }
            }
            if isConcerned { lead(binding) }
        }
    }

    fileprivate func lead(_ binding: CapabilityRegistry.Binding) {
        guard let method = binding.method else { return }
        let isBound = binding.generation != nil
        guard let provider = best(binding.selector),
            !isBound || provider.member.number == binding.generation
        else {
            let reason = isBound ? PH_STALE : PH_NO_PROVIDER
            return unsafe binding.place.lead(nowhere: ph_status(reason))
        }
        let key = OfferedMethod.Key(
            capability: provider.provision?.capability.text ?? "", name: method)
        if let target = provider.member.calls.target(of: key) {
            unsafe binding.place.lead(to: target)
        } else {
            unsafe binding.place.lead(nowhere: ph_status(PH_NO_METHOD))
        }
    }
}
