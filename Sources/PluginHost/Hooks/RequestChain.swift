import Synchronization

/// The hooks of the request and response points in the order in which they are called, flat: what a
/// mount table carries to the reactors.
///
/// `@unchecked Sendable` because nothing changes after init.
@safe
final class RequestChain: @unchecked Sendable {
    /// What a reactor's `attention` points at.
    @unsafe
    struct Links {
        /// Hooks that enter or leave, in order; then those that replace, then those of the
        /// response.
        let records: UnsafeMutablePointer<UnsafeMutablePointer<HookRecord>>
        let outerCount: Int32
        let replaceCount: Int32
        let respondCount: Int32
        let desks: UnsafeMutableRawPointer

        var count: Int32 { unsafe outerCount + replaceCount + respondCount }
    }

    private let links: UnsafeMutablePointer<Links>
    private let hooks: [RegisteredHook]
    private let desks: HookDesks

    /// What a reactor is to look at before it calls a plugin.
    var attention: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(links) }

    /// Makes a chain; nil if there is no hook for it.
    ///
    /// - Parameters:
    ///   - request: the hooks of the request point, in order.
    ///   - response: those of the response point.
    init?(request: [RegisteredHook], response: [RegisteredHook], desks: HookDesks) {
        let outer = request.filter { $0.options.kind != .replace }
        let inner = request.filter { $0.options.kind == .replace }
        hooks = outer + inner + response
        self.desks = desks
        guard !hooks.isEmpty else { return nil }
        let records = UnsafeMutablePointer<UnsafeMutablePointer<HookRecord>>.allocate(
            capacity: hooks.count)
        for (index, hook) in hooks.enumerated() {
            unsafe (records + index).initialize(to: hook.record)
        }
        unsafe links = .allocate(capacity: 1)
        unsafe links.initialize(
            to: Links(
                records: records, outerCount: Int32(outer.count),
                replaceCount: Int32(inner.count), respondCount: Int32(response.count),
                desks: desks.base))
    }

    deinit {
        unsafe links.pointee.records.deallocate()
        unsafe links.deallocate()
    }
}
