/// The error with which a plugin may refuse an event: any error, and in Embedded Swift
/// `PluginError`.
#if hasFeature(Embedded)
    public typealias SubscriberError = PluginError
#else
    public typealias SubscriberError = any Error
#endif

/// What becomes of an event when as many wait for a subscription as may.
public enum Overflow: UInt32, Sendable {
    /// The one that has waited longest is dropped.
    case dropOldest = 0
    /// It is dropped.
    case dropNewest = 1
    /// The subscription ends.
    case disconnect = 2
    /// It is refused: its publisher is told to try again, and nobody gets it.
    case holdUp = 3
}

/// Topics that a plugin wants to hear of, and the function that takes the events:
///
/// ```swift
/// static var subscriptions: Subscriptions {
///     Subscribe("orders.*", name: "orders") { plugin, event in plugin.count(event) }
/// }
/// ```
///
/// Events are handed over one at a time, in the order in which each publisher published them, on
/// threads where the function may take its time. What it throws is logged, and counts as a failure:
/// after five in a row the subscription rests for a while, and events wait.
///
/// It takes effect when the generation serves. With a name, it goes on with the queue of the
/// generation before, so that a reload loses nothing; and an event that it fails to take is handed
/// over again, up to eight times. The manifest asks for `.events`.
///
/// Use it through the name that `Plugin` gives it: `Subscribe`.
public struct Subscription<Owner: Plugin> {
    /// A function that takes an event.
    public typealias Inline = @Sendable (Owner, Event) throws(SubscriberError) -> Void
    #if !hasFeature(Embedded)
        /// A function that takes an event and may wait.
        public typealias Waiting = @Sendable (Owner, Event) async throws -> Void
    #endif

    @usableFromInline
    enum Handler {
        case inline(Inline)
        #if !hasFeature(Embedded)
            case waiting(Waiting)
        #endif
    }

    @usableFromInline let shape: SubscriptionShape
    @usableFromInline let handler: Handler

    /// Makes a subscription.
    ///
    /// - Parameters:
    ///   - pattern: a topic, in which `*` stands for one token, and `>` at the end for one or more.
    ///   - name: under which the next generation goes on with it; unique in the plugin.
    ///   - queue: how many events may wait; 0 for 1,024.
    ///   - overflow: what happens when there are more.
    ///   - take: takes an event.
    @inlinable
    public init(
        _ pattern: StaticString, name: StaticString = "", queue: UInt32 = 0,
        overflow: Overflow = .dropOldest, _ take: @escaping Inline
    ) {
        shape = SubscriptionShape(pattern: pattern, name: name, queue: queue, overflow: overflow)
        handler = .inline(take)
    }

    #if !hasFeature(Embedded)
        /// Makes a subscription whose function may wait; the next event comes when it has returned.
        @inlinable
        public init(
            _ pattern: StaticString, name: StaticString = "", queue: UInt32 = 0,
            overflow: Overflow = .dropOldest, _ take: @escaping Waiting
        ) {
            shape = SubscriptionShape(
                pattern: pattern, name: name, queue: queue, overflow: overflow)
            handler = .waiting(take)
        }
    #endif
}

/// What the host needs to know of a subscription.
@usableFromInline
struct SubscriptionShape: Sendable {
    @usableFromInline let pattern: StaticString
    @usableFromInline let name: StaticString
    @usableFromInline let queue: UInt32
    @usableFromInline let overflow: Overflow

    @inlinable
    init(pattern: StaticString, name: StaticString, queue: UInt32, overflow: Overflow) {
        self.pattern = pattern
        self.name = name
        self.queue = queue
        self.overflow = overflow
    }
}

/// The subscriptions of a plugin.
public struct SubscriptionList<Owner: Plugin> {
    @usableFromInline var subscriptions: [Subscription<Owner>]

    @inlinable
    init(_ subscriptions: [Subscription<Owner>]) {
        self.subscriptions = subscriptions
    }
}

/// Gathers the subscriptions that are written one below the other in `Plugin.subscriptions`.
@resultBuilder
public enum SubscriptionBuilder<Owner: Plugin> {
    @inlinable
    public static func buildBlock(
        _ subscriptions: Subscription<Owner>...
    ) -> SubscriptionList<Owner> {
        SubscriptionList(subscriptions)
    }
}

/// A subscription bound to its plugin's state.
@usableFromInline
struct BoundSubscription {
    @usableFromInline
    enum Take {
        case inline(@Sendable (Event) throws(SubscriberError) -> Void)
        #if !hasFeature(Embedded)
            case waiting(@Sendable (Event) async throws -> Void)
        #endif
    }

    let shape: SubscriptionShape
    let take: Take

    @usableFromInline
    init(_ shape: SubscriptionShape, _ take: Take) {
        self.shape = shape
        self.take = take
    }

    @inlinable
    init<Owner: Plugin>(_ subscription: Subscription<Owner>, _ plugin: Owner) {
        switch subscription.handler {
        case .inline(let take):
            self.init(
                subscription.shape,
                .inline({ (event) throws(SubscriberError) in try take(plugin, event) }))
        #if !hasFeature(Embedded)
            case .waiting(let take):
                self.init(
                    subscription.shape, .waiting({ event in try await take(plugin, event) }))
        #endif
        }
    }
}
