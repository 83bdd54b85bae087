import CPluginABI
import DynamicLibrary
import HostModel
import Synchronization

/// `ph.events/1`: what plugins publish and subscribe to.
enum EventService {
    /// The table that plugins are handed; it lives as long as the process.
    // because it is written once, here
    nonisolated(unsafe) static let table: UnsafePointer<ph_events> = {
        let table = UnsafeMutablePointer<ph_events>.allocate(capacity: 1)
        unsafe table.initialize(
            to: ph_events(
                size: UInt32(MemoryLayout<ph_events>.size),
                publish: { unsafe publish($0, $1) },
                subscribe: { unsafe subscribe($0, $1, $2) },
                unsubscribe: { unsafe unsubscribe($0, $1) }))
        return unsafe UnsafePointer(table)
    }()

    // MARK: - Publishing

    private static func publish(
        _ host: UnsafePointer<ph_host>?, _ event: UnsafePointer<ph_event>?
    ) -> ph_status {
        guard let host = unsafe host, let event = unsafe event,
            unsafe Int(event.pointee.size) >= MemoryLayout<ph_event>.size
        else { return ph_status(PH_INVALID) }
        // What this allocates is the host's, not the plugin's.
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        let door = unsafe HostObject.door(of: host)
        guard unsafe event.pointee.data.length <= EventLimits.dataBytesMax else {
            return ph_status(PH_LIMIT)
        }
        guard let draft = unsafe EventDraft(event.pointee, of: door.member) else {
            return ph_status(PH_INVALID)
        }
        if let remote = door.remote { return remote.publish(draft) }
        return publish(checked: draft, by: door)
    }

    /// Publishes an event of a plugin, after the hooks that may refuse or change it.
    static func publish(checked draft: EventDraft, by door: ServiceDoor) -> ph_status {
        if !door.switchboard.hooks.publish.isEmpty {
            return door.switchboard.hooks.publish(draft, by: door.member) {
                publish(draft, by: door)
            }
        }
        return publish(draft, by: door)
    }

    private static func publish(_ draft: EventDraft, by door: ServiceDoor) -> ph_status {
        let bus = door.switchboard.events
        switch door.member.publisher(on: bus).publish(draft, on: bus) {
        case .accepted: return ph_status(PH_OK)
        case .full: return ph_status(PH_FULL)
        case .heldUp, .retainsTooMuch: return ph_status(PH_LIMIT)
        }
    }

    // MARK: - Subscribing

    private static func subscribe(
        _ host: UnsafePointer<ph_host>?, _ options: UnsafePointer<ph_subscription>?,
        _ number: UnsafeMutablePointer<UInt64>?
    ) -> ph_status {
        guard let host = unsafe host, let number = unsafe number, let options = unsafe options,
            unsafe Int(options.pointee.size) >= MemoryLayout<ph_subscription>.size
        else { return ph_status(PH_INVALID) }
        unsafe number.pointee = 0
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        let door = unsafe HostObject.door(of: host)
        guard let wish = unsafe EventWish(options.pointee) else { return ph_status(PH_INVALID) }
        let target = unsafe EventTarget(member: door.member, options.pointee)
        if let remote = door.remote {
            return unsafe remote.subscribe(target, wish, &number.pointee)
        }
        let end: (@Sendable (EventQueue.Ending) -> Void)? =
            if target.wantsToKnow { { target.end($0) } } else { nil }
        return subscribe(
            wish, by: door, end: end, pin: { target.pin() },
            take: { target.take($0, isOld: $1) }, note: { unsafe number.pointee = $0 })
    }

    /// Subscribes a plugin, whose wish has been checked.
    ///
    /// - Parameter note: handed the number of the subscription when there is one.
    static func subscribe(
        _ wish: EventWish, by door: ServiceDoor, end: (@Sendable (EventQueue.Ending) -> Void)?,
        pin: @escaping @Sendable () -> Void,
        take: @escaping @Sendable (Event, Bool) -> EventConsumer.Verdict,
        note: (UInt64) -> Void
    ) -> ph_status {
        let (log, subject) = (door.log, door.subject)
        let consumer = EventConsumer(
            lane: door.member.eventLane,
            tell: { log.write($0, "subscription \(wish) \($1)", about: subject) }, end: end,
            pin: pin, take: take)
        do throws(EventBus.Refusal) {
            note(
                try door.switchboard.events.subscribe(
                    door.member, to: wish.pattern, name: wish.name, wish.shape,
                    consumer: consumer))
            return ph_status(PH_OK)
        } catch {
            switch error {
            case .tooMany: return ph_status(PH_LIMIT)
            case .nameTaken, .ended: return ph_status(PH_WRONG_STATE)
            }
        }
    }

    private static func unsubscribe(
        _ host: UnsafePointer<ph_host>?, _ number: UInt64
    ) -> ph_status {
        guard let host = unsafe host else { return ph_status(PH_INVALID) }
        let plugin = ImageContext.enter(0)
        defer { ImageContext.leave(plugin) }
        let door = unsafe HostObject.door(of: host)
        if let remote = door.remote {
            return remote.status(RemoteTopic.unsubscribe, ["number": .number64(number)])
        }
        return door.switchboard.events.unsubscribe(door.member, number)
            ? ph_status(PH_OK) : ph_status(PH_WRONG_STATE)
    }
}

/// What a plugin wants to subscribe to, read and checked.
struct EventWish: CustomStringConvertible, Sendable {
    let pattern: TopicPattern
    let name: String
    let shape: EventQueue.Shape

    /// - Returns: nil when a member is not of the form asked for.
    init?(_ options: ph_subscription) {
        guard unsafe options.on_event != nil, unsafe options.reserved == 0,
            let pattern = unsafe String(checking: options.pattern),
            let name = unsafe String(checking: options.name)
        else { return nil }
        unsafe self.init(
            pattern: pattern, name: name, policy: options.policy, queueMax: options.queue_max)
    }

    /// - Parameter queueMax: 0: as many as any.
    init?(pattern: String, name: String, policy: UInt32, queueMax: UInt32) {
        guard queueMax <= EventLimits.queueCountMax,
            let policy = EventQueue.Policy(rawValue: policy),
            let pattern = TopicPattern(pattern), name.utf8.count <= EventLimits.nameBytesMax
        else { return nil }
        var shape = EventQueue.Shape()
        shape.policy = policy
        if queueMax > 0 { shape.countMax = Int(queueMax) }
        self.pattern = pattern
        self.name = name
        self.shape = shape
    }

    var description: String { name.isEmpty ? pattern.text : "\(name) (\(pattern))" }
}

/// The functions of a plugin that take events.
///
/// `@unchecked Sendable` because it is written once; the plugin lets any thread use its context.
@safe
final class EventTarget: @unchecked Sendable {
    typealias OnEvent =
        @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<ph_event>?) -> ph_status
    typealias OnEnd = @convention(c) (UnsafeMutableRawPointer?, ph_status) -> Void

    /// Weak, for the member's subscriptions hold this.
    private weak let member: Member?
    private let context: UnsafeMutableRawPointer?
    private let onEvent: OnEvent?
    private let onEnd: OnEnd?

    init(member: Member, _ options: ph_subscription) {
        self.member = member
        unsafe context = options.context
        unsafe onEvent = options.on_event
        unsafe onEnd = options.on_end
    }

    var wantsToKnow: Bool { unsafe onEnd != nil }

    func take(_ event: Event, isOld: Bool) -> EventConsumer.Verdict {
        let status = unsafe event.withForm(isOld: isOld) { form in
            member?.call { unsafe onEvent?(context, form) ?? ph_status(PH_OK) }
        }
        guard let status else { return .gone }
        return status == ph_status(PH_OK) ? .taken : .failed
    }

    func pin() { member?.gate.pin() }

    func end(_ ending: EventQueue.Ending) {
        if ending == .withdrawn {
            guard let member else { return }
            defer { member.gate.leave() }
            let context = ImageContext.enter(member.image)
            defer { ImageContext.leave(context) }
            return unsafe onEnd?(self.context, ph_status(PH_CLOSED)) ?? ()
        }
        let why = ending == .overflowed ? ph_status(PH_LIMIT) : ph_status(PH_OK)
        member?.call { unsafe onEnd?(context, why) }
    }
}

extension Member {
    /// Where its subscribers are called.
    var eventLane: EventLane {
        events.state.withLock { state in
            if let lane = state.lane { return lane }
            let lane = EventLane { [weak self] job in self?.pool?.submit(job) ?? false }
            state.lane = lane
            return lane
        }
    }

    /// Who counts its events, over all generations.
    fileprivate func publisher(on bus: EventBus) -> EventPublisher {
        if let publisher = events.state.withLock({ $0.publisher }) { return publisher }
        let publisher = bus.publisher(name.text)
        events.state.withLock { $0.publisher = publisher }
        return publisher
    }
}

extension EventDraft {
    /// Reads and copies what a plugin wants to publish.
    ///
    /// - Returns: nil when a member is not of the form asked for, or the topic is not the plugin's.
    init?(_ event: ph_event, of member: Member) {
        guard let topic = unsafe String(checking: event.topic),
            let type = unsafe String(checking: event.type),
            let subject = unsafe String(checking: event.subject),
            let contentType = unsafe String(checking: event.content_type),
            unsafe event.data.data != nil || event.data.length == 0,
            unsafe event.flags & ~UInt32(PH_EVENT_RETAIN) == 0
        else { return nil }
        self.init(topic: topic, type: type, subject: subject, contentType, of: member)
        data = unsafe Array(
            UnsafeBufferPointer(start: event.data.data, count: event.data.length))
        isRetained = unsafe event.flags & UInt32(PH_EVENT_RETAIN) != 0
    }

    /// Checks what a plugin wants to publish, apart from the data.
    init?(
        topic: String, type: String, subject: String, _ contentType: String, of member: Member
    ) {
        guard Topic.isValid(topic.utf8), topic.utf8.starts(with: (member.name.text + ".").utf8),
            !EventBus.reservedNames.contains(member.name.text),
            [type, subject, contentType].allSatisfy({
                $0.utf8.count <= EventLimits.textBytesMax && $0.unicodeScalars.allSatisfy(\.isText)
            })
        else { return nil }
        self.init(topic: topic, source: member.events.source(of: member))
        self.type = type
        self.subject = subject
        self.contentType = contentType
    }
}

extension EventMembership {
    /// `notes@1.2.0`
    fileprivate func source(of member: Member) -> String {
        state.withLock { state in
            if let source = state.source { return source }
            let source = "\(member.name)@\(member.version)"
            state.source = source
            return source
        }
    }
}

extension Unicode.Scalar {
    /// Whether it may stand in a header field, and in an attribute of a CloudEvent.
    var isText: Bool { value >= 0x20 && !(0x7F...0x9F).contains(value) }
}

extension String {
    /// Copies text that a plugin handed over; nil when there is no address or it is not UTF-8.
    fileprivate init?(checking text: ph_text) {
        guard let data = unsafe text.data else {
            guard unsafe text.length == 0 else { return nil }
            self = ""
            return
        }
        let bytes = unsafe UnsafeRawBufferPointer(start: data, count: text.length)
        guard let string = unsafe String(validating: bytes, as: UTF8.self) else { return nil }
        self = string
    }
}

extension Event {
    /// Lends the event as the plugin header has it.
    fileprivate func withForm<Result>(
        isOld: Bool, _ body: (UnsafePointer<ph_event>) -> Result
    ) -> Result {
        var form = unsafe ph_event()
        unsafe form.size = UInt32(MemoryLayout<ph_event>.size)
        unsafe form.flags = isOld ? UInt32(PH_EVENT_RETAIN) : 0
        unsafe form.sequence = sequence
        unsafe form.time = time.milliseconds
        return unsafe withText(topic) { topic in
            unsafe form.topic = topic
            return unsafe withText(type) { type in
                unsafe form.type = type
                return unsafe withText(subject) { subject in
                    unsafe form.subject = subject
                    return unsafe withText(contentType) { contentType in
                        unsafe form.content_type = contentType
                        return unsafe withText(source) { source in
                            unsafe form.source = source
                            return unsafe withText(id) { id in
                                unsafe form.id = id
                                return unsafe data.withUnsafeBufferPointer { data in
                                    unsafe form.data = ph_bytes(
                                        data: data.baseAddress, length: data.count)
                                    return unsafe body(&form)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
