/// The error with which a hook may refuse what is done at a point: any error, and in Embedded Swift
/// `PointError`.
#if hasFeature(Embedded)
    public typealias PointHookError = PointError
#else
    public typealias PointHookError = any Error
#endif

/// Why the work of a point was not done.
public struct PointError: Error, Sendable {
    /// What the host returned, or whoever refused the work: a negative number.
    public var code: Int32
    /// What happened, in words.
    public var message: String

    /// Makes an error; a code that is not negative stands for failure.
    public init(_ message: String, code: Int32 = -1) {
        self.code = code < 0 ? code : -1
        self.message = message
    }
}

#if !hasFeature(Embedded)
    extension PointError: CustomStringConvertible {
        public var description: String { message }
    }
#endif

/// What the work of a point came to.
public struct PointOutcome: Sendable {
    /// 0, or a negative number when it was refused or failed.
    public let code: Int32

    /// Whether it was done.
    public var isDone: Bool { code >= 0 }

    init(code: Int32) { self.code = code }
}

/// What a hook does at a point that is not that of requests.
@usableFromInline
struct PointPart<Owner: Plugin> {
    @usableFromInline
    typealias Enter = @Sendable (Owner, PointCall) throws(PointHookError) -> Bool
    @usableFromInline
    typealias Leave = @Sendable (Owner, PointCall, PointOutcome) -> Void

    @usableFromInline let point: StaticString
    /// Returns whether it has done the work itself.
    @usableFromInline let enter: Enter?
    @usableFromInline let leave: Leave?

    @inlinable
    init(_ point: StaticString, enter: Enter?, leave: Leave?) {
        self.point = point
        self.enter = enter
        self.leave = leave
    }
}

/// A part bound to its plugin's state.
@usableFromInline
struct BoundPart {
    @usableFromInline let point: StaticString
    @usableFromInline let enter: (@Sendable (PointCall) throws(PointHookError) -> Bool)?
    @usableFromInline let leave: (@Sendable (PointCall, PointOutcome) -> Void)?

    @inlinable
    init<Owner: Plugin>(_ part: PointPart<Owner>, _ plugin: Owner) {
        point = part.point
        if let enter = part.enter {
            self.enter = { (call) throws(PointHookError) in try enter(plugin, call) }
        } else {
            self.enter = nil
        }
        if let leave = part.leave {
            self.leave = { call, outcome in leave(plugin, call, outcome) }
        } else {
            self.leave = nil
        }
    }
}

/// Hooks at points other than those of requests:
///
/// ```swift
/// Hook.around(at: "rpc") { plugin, call in
///     call.word = plugin.clock()
/// } leave: { plugin, call, outcome in
///     plugin.count(String(call.provider), since: call.word)
/// }
/// Hook.before(at: "notes/save") { plugin, call in
///     if call.payload.isEmpty { throw PointError("there is nothing to save") }
/// }
/// ```
///
/// `pluginhost/hooks.h` lists the host's own points, and `HostContext.point` makes one of the
/// plugin's.
extension RequestHook {
    /// A function that is called before the work; what it throws refuses it, with those words.
    public typealias PointEnter = @Sendable (Owner, PointCall) throws(PointHookError) -> Void
    /// A function that is called after the work, or after others have refused it.
    public typealias PointLeave = @Sendable (Owner, PointCall, PointOutcome) -> Void
    /// A function that does the work and returns what it comes to; nil leaves it to others.
    public typealias PointReplace =
        @Sendable (Owner, PointCall) throws(PointHookError) -> [UInt8]?

    /// Makes a hook that is called before the work of a point.
    @inlinable
    public static func before(
        at point: StaticString, priority: Int32 = 0, onFailure: HookFailure = .failRequest,
        _ enter: @escaping PointEnter
    ) -> RequestHook {
        RequestHook(
            HookShape(1, priority, onFailure, false),
            at: PointPart(
                point,
                enter: { (plugin, call) throws(PointHookError) in
                    try enter(plugin, call)
                    return false
                }, leave: nil))
    }

    /// Makes a hook that is called after the work of a point.
    @inlinable
    public static func after(
        at point: StaticString, priority: Int32 = 0, _ leave: @escaping PointLeave
    ) -> RequestHook {
        RequestHook(
            HookShape(2, priority, .skipHook, false),
            at: PointPart(point, enter: nil, leave: leave))
    }

    /// Makes a hook that does both; `leave` is only called if `enter` has not thrown.
    @inlinable
    public static func around(
        at point: StaticString, priority: Int32 = 0, onFailure: HookFailure = .failRequest,
        _ enter: @escaping PointEnter, leave: @escaping PointLeave
    ) -> RequestHook {
        RequestHook(
            HookShape(3, priority, onFailure, false),
            at: PointPart(
                point,
                enter: { (plugin, call) throws(PointHookError) in
                    try enter(plugin, call)
                    return false
                }, leave: leave))
    }

    /// Makes a hook that does the work of a point in the place of whoever would have done it.
    @inlinable
    public static func replace(
        at point: StaticString, priority: Int32 = 0, onFailure: HookFailure = .failRequest,
        _ work: @escaping PointReplace
    ) -> RequestHook {
        RequestHook(
            HookShape(4, priority, onFailure, false),
            at: PointPart(
                point,
                enter: { (plugin, call) throws(PointHookError) in
                    guard let outcome = try work(plugin, call) else { return false }
                    call.give(outcome)
                    return true
                }, leave: nil))
    }
}
