internal import CLinux
internal import Glibc
internal import HostModel
internal import Synchronization

/// What an engine asks of its supervisor, and hears from it.
///
/// A thread of its own listens, for the life of the process. What is about children is dealt with
/// here; the rest goes to whoever hears it, or waits for him.
final class SupervisorLine: Sendable {
    /// A child that the supervisor has started.
    struct Launched: Sendable {
        var id: Int32
        var pid: Int32
        var pidfd: Int32
    }

    /// Why it could not.
    struct Refusal: Error {
        var number: Int32
    }

    private typealias Answer = @Sendable (Result<Launched, Refusal>) -> Void

    private struct State {
        var hear: (@Sendable (EngineSeat.Word) -> Void)?
        var unheard: [EngineSeat.Word] = []
        var lastLaunch: Int32 = 0
        var launches: [Int32: Answer] = [:]
        var offered: [Survivor] = []
        var asker: CheckedContinuation<[Survivor], Never>?
    }

    private let wire: Int32
    private let state = Mutex(State())

    init(wire: Int32 = EngineSeat.Place.wire) { self.wire = wire }

    /// Begins to listen.
    func open() {
        _ = OwnThread.start("supervisor") { [self] in
            while let message = WireMessage.receive(from: wire, waits: true) { take(message) }
        }
    }

    /// Has the supervisor's other words told, those that have come already first.
    func listen(_ hear: @escaping @Sendable (EngineSeat.Word) -> Void) {
        let unheard = state.withLock { state in
            state.hear = hear
            defer { state.unheard = [] }
            return state.unheard
        }
        for word in unheard { hear(word) }
    }

    // MARK: - Children

    /// Has a child started that outlives this process.
    ///
    /// - Parameters:
    ///   - output, errors: pipes; the child gets the ends to write to, and the supervisor keeps the
    ///     others as well.
    ///   - then: called with what came of it, on this thread or the one that listens.
    func launch(
        _ plan: ChildProcess.Plan, output: [Int32], errors: [Int32],
        then: @escaping @Sendable (Result<Launched, Refusal>) -> Void
    ) {
        let number = state.withLock { state in
            state.lastLaunch += 1
            state.launches[state.lastLaunch] = then
            return state.lastLaunch
        }
        var json = plan.json
        json["passed"] = .number(JSONNumber(plan.descriptors.count))
        json["description"] = plan.legacy?.description ?? .null
        let failure = WireMessage(
            word: .launch, number: number, json: .object(json),
            descriptors: [output[1], errors[1]] + plan.descriptors + [output[0], errors[0]]
                + (plan.legacy?.descriptors ?? [])
        ).send(over: wire, waits: true)
        if failure != 0 { answer(number, .failure(Refusal(number: failure))) }
    }

    private func answer(_ number: Int32, _ result: Result<Launched, Refusal>) {
        state.withLock { $0.launches.removeValue(forKey: number) }?(result)
    }

    /// The children of engines before this one.
    func survivors() async -> [Survivor] {
        await withCheckedContinuation { continuation in
            state.withLock { $0.asker = continuation }
            _ = WireMessage(word: .children).send(over: wire, waits: true)
        }
    }

    /// Goes on with a child that may be another engine's.
    func claim(_ child: Int32) {
        _ = WireMessage(word: .claim, number: child).send(over: wire, waits: true)
    }

    private func take(_ message: WireMessage) {
        let json = message.json
        func integer(_ name: String) -> Int32? {
            json[name]?.integer.flatMap { Int32(exactly: $0) }
        }
        switch message.word {
        case .launched:
            guard let id = integer("id"), let pid = integer("pid"),
                let pidfd = message.descriptors.first
            else { return }
            answer(message.number, .success(Launched(id: id, pid: pid, pidfd: pidfd)))
        case .refused:
            answer(message.number, .failure(Refusal(number: integer("errno") ?? EINVAL)))
        case .child:
            guard let survivor = Survivor(message) else { return message.closeDescriptors() }
            state.withLock { $0.offered.append(survivor) }
        case .children:
            let (asker, offered) = state.withLock { state in
                defer { (state.asker, state.offered) = (nil, []) }
                return (state.asker, state.offered)
            }
            asker?.resume(returning: offered)
        case .taken: ChildKeeper.shared.ended(message.number, .handedOver)
        case .ended:
            let status = integer("status") ?? 0
            ChildKeeper.shared.ended(
                message.number, status < 0 ? .killed(signal: -status) : .exited(status))
        default:
            message.closeDescriptors()
            let hear = state.withLock { state in
                if state.hear == nil { state.unheard.append(message.word) }
                return state.hear
            }
            hear?(message.word)
        }
    }
}
