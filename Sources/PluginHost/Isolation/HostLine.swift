import CPluginABI
import Dispatch
import HostModel
import Synchronization

/// A worker's way to the engine, whichever that is just now.
///
/// What lasts - methods, subscriptions, hooks, points, handles - is remembered, and put to the next
/// engine when one takes the worker over. Handles are this object's own: what stands behind them is
/// another one at each engine. Whatever is asked while there is no engine fails, as it does when an
/// engine ends before it has answered.
final class HostLine: Sendable {
    /// Something that was asked for, and holds until it is taken back.
    fileprivate struct Standing: Sendable {
        let serial: UInt64
        let topic: String
        let json: JSONObject
        /// What takes it back: the number of a subscription, or a handle.
        let key: UInt64
    }

    fileprivate struct State {
        var channel: ControlChannel
        var standing: [Standing] = []
        var lastSerial: UInt64 = 0
        /// What the engine calls a handle.
        var handles: [UInt64: UInt64] = [:]
        var lastHandle: UInt64 = 0
        var isConnected = true
        /// Notices for the next engine.
        var unsent: [(topic: String, json: JSONObject)] = []
    }

    /// The most notices that wait for an engine; later ones are lost.
    private static let unsentMax = 1_000
    private let state: Mutex<State>

    init(_ channel: ControlChannel) { state = Mutex(State(channel: channel)) }

    func isCurrent(_ channel: ControlChannel) -> Bool {
        state.withLock { $0.channel === channel }
    }

    // MARK: - Asking

    /// Asks for something; see `ControlChannel.request`.
    func request(
        _ topic: String, _ json: JSONObject = [:], _ bytes: [UInt8] = [],
        then: @escaping @Sendable (ControlChannel.Answer) -> Void
    ) {
        let handle = json["handle"]?.number64
        let (channel, sent) = state.withLock { state -> (ControlChannel, JSONObject) in
            var sent = json
            if let handle { sent["handle"] = .number64(state.handles[handle] ?? 0) }
            return (state.channel, sent)
        }
        channel.request(topic, sent, bytes) { [self] answer in
            then(note(topic, json, answer))
        }
    }

    /// Asks for something and waits, on a thread that may.
    func wait(
        _ topic: String, _ json: JSONObject = [:], _ bytes: [UInt8] = []
    ) -> ControlChannel.Answer {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<ControlChannel.Answer?>(nil)
        request(topic, json, bytes) { answer in
            result.withLock { $0 = answer }
            done.signal()
        }
        done.wait()
        return result.withLock { $0 } ?? .failure(ControlChannel.gone)
    }

    /// Tells something that wants no answer.
    func tell(_ topic: String, _ json: JSONObject) {
        let channel = state.withLock { state -> ControlChannel? in
            if state.isConnected { return state.channel }
            if state.unsent.count < Self.unsentMax { state.unsent.append((topic, json)) }
            return nil
        }
        channel?.tell(topic, json)
    }

    // MARK: - What lasts

    /// Remembers what lasts, and gives handles their own names.
    private func note(
        _ topic: String, _ json: JSONObject, _ answer: ControlChannel.Answer
    ) -> ControlChannel.Answer {
        guard case .success(var content) = answer, content.isGranted else { return answer }
        state.withLock { state in
            switch topic {
            case RemoteTopic.bind:
                state.lastHandle += 1
                state.handles[state.lastHandle] = content.json["handle"]?.number64 ?? 0
                var object = content.json.object ?? [:]
                object["handle"] = .number64(state.lastHandle)
                content.json = .object(object)
                state.add(topic, json, key: state.lastHandle)
            case RemoteTopic.provide, RemoteTopic.addHook, RemoteTopic.point:
                state.add(topic, json, key: 0)
            case RemoteTopic.subscribe:
                state.add(topic, json, key: json["number"]?.number64 ?? 0)
            case RemoteTopic.release:
                let handle = json["handle"]?.number64 ?? 0
                state.handles[handle] = nil
                state.remove(RemoteTopic.bind, key: handle)
            default: break
            }
        }
        return .success(content)
    }

    /// Takes in that a subscription is over.
    func forget(subscription: UInt64) {
        state.withLock { $0.remove(RemoteTopic.subscribe, key: subscription) }
    }

    // MARK: - Engines

    /// Takes in that an engine is gone.
    func lost(_ channel: ControlChannel) {
        state.withLock { if $0.channel === channel { $0.isConnected = false } }
    }

    /// Goes over to another engine: puts everything to it that lasts, then hangs up on the former.
    ///
    /// - Throws: what the other engine's channel throws.
    func move(to channel: ControlChannel, within seconds: Int) async throws(HostError) {
        var done: UInt64 = 0
        while true {
            let (next, former) = state.withLock { state -> (Standing?, ControlChannel?) in
                if let next = state.standing.first(where: { $0.serial > done }) {
                    return (next, nil)
                }
                let former = state.channel
                (state.channel, state.isConnected) = (channel, true)
                return (nil, former)
            }
            guard let next else {
                if let former, former !== channel { former.end() }
                break
            }
            done = next.serial
            let content = try await channel.ask(next.topic, next.json, within: seconds)
            guard next.topic == RemoteTopic.bind else { continue }
            let handle = content.isGranted ? content.json["handle"]?.number64 ?? 0 : 0
            state.withLock { state in
                if state.handles[next.key] != nil { state.handles[next.key] = handle }
            }
        }
        let unsent = state.withLock { state in
            defer { state.unsent = [] }
            return state.unsent
        }
        for notice in unsent { channel.tell(notice.topic, notice.json) }
    }
}

extension HostLine.State {
    fileprivate mutating func add(_ topic: String, _ json: JSONObject, key: UInt64) {
        lastSerial += 1
        standing.append(
            HostLine.Standing(serial: lastSerial, topic: topic, json: json, key: key))
    }

    fileprivate mutating func remove(_ topic: String, key: UInt64) {
        standing.removeAll { $0.topic == topic && $0.key == key }
    }
}

extension ControlChannel.Content {
    /// Whether what was asked for has been done.
    fileprivate var isGranted: Bool { status == ph_status(PH_OK) }
}

extension RemoteTopic {
    /// An engine asks what there is.
    static let attach = "attach"
    /// It is the worker's engine from now on.
    static let take = "take"
}
