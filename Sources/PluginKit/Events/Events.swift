import CPluginABI

/// The event bus of the host.
///
/// Ask for it in the manifest (`services: [.events]`); without it nothing is published. A plugin
/// publishes below its own name and a dot: the plugin `notes` under `notes.created`, for example.
///
/// It is Sendable because a service's functions never change and any thread may call them.
@safe
public struct Events: @unchecked Sendable {
    /// What became of an event.
    public enum Outcome: Sendable {
        /// It is on its way to all who have subscribed.
        case published
        /// It was published, and the next one may be refused: a subscriber that may hold up its
        /// publishers has no more room.
        case publishedAsLast
        /// Nobody got it: such a subscriber has no room, or the host can keep no more last values,
        /// or there are more than 1 MiB of data, or a hook does not want it told.
        case refused
        /// Nobody got it: its topic is none, or not the plugin's, or a text is too long.
        case invalid
        /// Nobody got it: the service was not asked for, or not granted.
        case notGranted
    }

    let host: UnsafePointer<ph_host>
    let functions: UnsafePointer<ph_events>?

    /// - Parameter isWanted: whether the manifest asks for the service; else the host is not asked,
    ///   since it logs what it denies.
    init(unsafe host: UnsafePointer<ph_host>, isWanted: Bool) {
        unsafe self.host = host
        unsafe functions =
            isWanted
            ? host.service(Service.events.id)?.assumingMemoryBound(to: ph_events.self) : nil
    }

    /// Whether events are published at all.
    public var isGranted: Bool { unsafe functions != nil }

    /// Publishes an event, from any thread; it never waits for those who have subscribed.
    ///
    /// - Parameters:
    ///   - topic: the plugin's name, a dot, and what happened.
    ///   - data: what there is to say.
    ///   - type: what kind of event it is; the topic, if nothing is given.
    ///   - subject: what it is about.
    ///   - contentType: what the data are; JSON, if nothing is given.
    ///   - retain: whether it is kept as the last value of its topic, for those who subscribe
    ///     later; without data, the last value goes.
    @discardableResult
    public func publish(
        _ topic: String, data: [UInt8], type: String = "", subject: String = "",
        contentType: String = "", retain: Bool = false
    ) -> Outcome {
        guard let functions = unsafe functions, let publish = unsafe functions.pointee.publish
        else { return .notGranted }
        var event = unsafe ph_event()
        unsafe event.size = UInt32(MemoryLayout<ph_event>.size)
        unsafe event.flags = retain ? UInt32(PH_EVENT_RETAIN) : 0
        let status = unsafe withText(topic) { topic in
            unsafe event.topic = topic
            return unsafe withText(type) { type in
                unsafe event.type = type
                return unsafe withText(subject) { subject in
                    unsafe event.subject = subject
                    return unsafe withText(contentType) { contentType in
                        unsafe event.content_type = contentType
                        return unsafe data.withUnsafeBufferPointer { data in
                            unsafe event.data.data = data.baseAddress
                            unsafe event.data.length = data.count
                            return unsafe publish(host, &event)
                        }
                    }
                }
            }
        }
        switch status {
        case done: return .published
        case ph_status(PH_FULL): return .publishedAsLast
        case ph_status(PH_INVALID): return .invalid
        default: return .refused
        }
    }

    /// Publishes an event whose data are text, in JSON unless something else is said.
    @discardableResult
    public func publish(
        _ topic: String, _ text: String, type: String = "", subject: String = "",
        contentType: String = "", retain: Bool = false
    ) -> Outcome {
        publish(
            topic, data: Array(text.utf8), type: type, subject: subject, contentType: contentType,
            retain: retain)
    }
}

extension Service {
    /// The event bus: `HostContext.events`, and `Plugin.subscriptions`.
    public static var events: Service { Service("ph.events/1") }
}

/// Lends text to the host for the length of one call.
func withText<Result>(_ text: String, _ body: (ph_text) -> Result) -> Result {
    var text = text
    return text.withUTF8 { bytes in
        var lent = unsafe ph_text()
        unsafe lent.data = UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(to: CChar.self)
        unsafe lent.length = bytes.count
        return unsafe body(lent)
    }
}

#if !hasFeature(Embedded)
    extension Events {
        /// Publishes an event whose data are JSON.
        @discardableResult
        public func publish(
            _ topic: String, _ json: JSON, type: String = "", subject: String = "",
            retain: Bool = false
        ) -> Outcome {
            publish(topic, data: json.bytes, type: type, subject: subject, retain: retain)
        }
    }
#endif
