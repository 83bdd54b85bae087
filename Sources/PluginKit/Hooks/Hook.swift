/// What a failure of a hook means for the request, or for the work of another point.
public enum HookFailure: Sendable {
    /// The client gets 500; other work is not done.
    case failRequest
    /// It goes on without the hook.
    case skipHook
    /// It goes on without the hook, and after so many failures the hook is out.
    case disableHook(after: UInt32)
}

/// What a hook makes of a request that comes.
public enum HookVerdict: Sendable {
    /// Others may have it.
    case goOn
    /// It is answered with this, which has its whole body.
    case answer(Response)
}

/// A part that a plugin takes in the requests to every plugin:
///
/// ```swift
/// static var hooks: Hooks {
///     Hook.before(priority: -10) { plugin, call in
///         call.headers["x-key"] == nil ? .answer(.problem(HTTPError(.unauthorized))) : .goOn
///     }
///     Hook.after { plugin, call, outcome in plugin.count(outcome.status) }
///     Hook.response { plugin, call, head in head.set("X-Frame-Options", to: "DENY") }
/// }
/// ```
///
/// Hooks with a lower priority enter earlier and leave later; among equals, plugins come in the
/// order of their names, and the hooks of one plugin in that in which they are written. They take
/// effect when the generation serves, and each request that one has entered leaves it, also when
/// the plugin is being reloaded. The manifest asks for `.hooks`.
///
/// The functions run on the event loop that read the request, and return at once; those that say
/// `blocks` run on threads where they may take their time.
///
/// Use it through the name that `Plugin` gives it: `Hook`.
public struct RequestHook<Owner: Plugin> {
    /// A function that is called when a request comes. An `HTTPError` that it throws is the answer;
    /// what else it throws is logged, and is a failure.
    public typealias Enter =
        @Sendable (Owner, HookCall) throws(HandlerError) -> HookVerdict
    /// A function that is called when the response is complete.
    public typealias Leave = @Sendable (Owner, HookCall, RequestOutcome) -> Void
    /// A function that is called when the head of a response is about to be written.
    public typealias Respond = @Sendable (Owner, HookCall, borrowing ResponseHead) -> Void

    @usableFromInline let shape: HookShape
    @usableFromInline let enter: Enter?
    @usableFromInline let leave: Leave?
    @usableFromInline let respond: Respond?
    /// What it does at a point that is not that of requests.
    @usableFromInline let part: PointPart<Owner>?

    @inlinable
    init(_ shape: HookShape, enter: Enter? = nil, leave: Leave? = nil, respond: Respond? = nil) {
        self.shape = shape
        self.enter = enter
        self.leave = leave
        self.respond = respond
        part = nil
    }

    @inlinable
    init(_ shape: HookShape, at part: PointPart<Owner>) {
        self.shape = shape
        enter = nil
        leave = nil
        respond = nil
        self.part = part
    }

    /// Makes a hook that sees requests before their plugin does, and may answer them.
    @inlinable
    public static func before(
        priority: Int32 = 0, onFailure: HookFailure = .failRequest, blocks: Bool = false,
        _ enter: @escaping Enter
    ) -> RequestHook {
        RequestHook(HookShape(1, priority, onFailure, blocks), enter: enter)
    }

    /// Makes a hook that hears what requests came to, whoever answered them.
    @inlinable
    public static func after(
        priority: Int32 = 0, blocks: Bool = false, _ leave: @escaping Leave
    ) -> RequestHook {
        RequestHook(HookShape(2, priority, .skipHook, blocks), leave: leave)
    }

    /// Makes a hook that does both; what it has let in, it hears of again, exactly once.
    @inlinable
    public static func around(
        priority: Int32 = 0, onFailure: HookFailure = .failRequest, blocks: Bool = false,
        _ enter: @escaping Enter, leave: @escaping Leave
    ) -> RequestHook {
        RequestHook(HookShape(3, priority, onFailure, blocks), enter: enter, leave: leave)
    }

    /// Makes a hook that answers in the place of the plugin, unless it lets the request go on.
    @inlinable
    public static func replace(
        priority: Int32 = 0, onFailure: HookFailure = .failRequest, blocks: Bool = false,
        _ enter: @escaping Enter
    ) -> RequestHook {
        RequestHook(HookShape(4, priority, onFailure, blocks), enter: enter)
    }

    /// Makes a hook that may change the header fields of responses before they are written; it runs
    /// on whichever thread answers.
    @inlinable
    public static func response(
        priority: Int32 = 0, _ respond: @escaping Respond
    ) -> RequestHook {
        RequestHook(HookShape(1, priority, .skipHook, false), respond: respond)
    }
}

/// How a hook hangs on its point, as the host wants to know it.
@usableFromInline
struct HookShape: Sendable {
    let kind: UInt32
    let priority: Int32
    let onFailure: HookFailure
    let blocks: Bool

    @usableFromInline
    init(_ kind: UInt32, _ priority: Int32, _ onFailure: HookFailure, _ blocks: Bool) {
        self.kind = kind
        self.priority = priority
        self.onFailure = onFailure
        self.blocks = blocks
    }
}

/// The hooks of a plugin.
public struct HookList<Owner: Plugin> {
    @usableFromInline var hooks: [RequestHook<Owner>]

    @inlinable
    init(_ hooks: [RequestHook<Owner>]) {
        self.hooks = hooks
    }
}

/// Gathers the hooks that are written one below the other in `Plugin.hooks`.
@resultBuilder
public enum HookBuilder<Owner: Plugin> {
    @inlinable
    public static func buildBlock(_ hooks: RequestHook<Owner>...) -> HookList<Owner> {
        HookList(hooks)
    }
}

/// A hook bound to its plugin's state.
@usableFromInline
struct BoundHook {
    let shape: HookShape
    let enter: (@Sendable (HookCall) throws(HandlerError) -> HookVerdict)?
    let leave: (@Sendable (HookCall, RequestOutcome) -> Void)?
    let respond: (@Sendable (HookCall, borrowing ResponseHead) -> Void)?
    let part: BoundPart?

    @usableFromInline
    init(
        _ shape: HookShape,
        enter: (@Sendable (HookCall) throws(HandlerError) -> HookVerdict)?,
        leave: (@Sendable (HookCall, RequestOutcome) -> Void)?,
        respond: (@Sendable (HookCall, borrowing ResponseHead) -> Void)?,
        part: BoundPart?
    ) {
        self.shape = shape
        self.enter = enter
        self.leave = leave
        self.respond = respond
        self.part = part
    }

    @inlinable
    init<Owner: Plugin>(_ hook: RequestHook<Owner>, _ plugin: Owner) {
        var bound:
            (
                enter: (@Sendable (HookCall) throws(HandlerError) -> HookVerdict)?,
                leave: (@Sendable (HookCall, RequestOutcome) -> Void)?,
                respond: (@Sendable (HookCall, borrowing ResponseHead) -> Void)?
            ) = (nil, nil, nil)
        if let enter = hook.enter {
            bound.enter = { (call) throws(HandlerError) in try enter(plugin, call) }
        }
        if let leave = hook.leave {
            bound.leave = { call, outcome in leave(plugin, call, outcome) }
        }
        if let respond = hook.respond {
            bound.respond = { call, head in respond(plugin, call, head) }
        }
        self.init(
            hook.shape, enter: bound.enter, leave: bound.leave, respond: bound.respond,
            part: hook.part.map { BoundPart($0, plugin) })
    }
}

extension Service {
    /// Parts in the requests to every plugin: `Plugin.hooks`.
    public static var hooks: Service { Service("ph.hooks/1") }
}
