/// The error that a method may throw: any error, and in Embedded Swift `CallError`.
#if hasFeature(Embedded)
    public typealias MethodError = CallError
#else
    public typealias MethodError = any Error
#endif

/// Something that other plugins may call: `Method("render", of: "renderer") { plugin, call in ...
/// }`.
///
/// Use it through the name that `Plugin` gives it: `Method`.
public struct ProvidedMethod<Owner: Plugin> {
    /// A method that answers at once, or with `blocks` on a thread where it may take its time.
    public typealias Direct = @Sendable (Owner, borrowing Call) throws(MethodError) -> Reply
    #if !hasFeature(Embedded)
        /// A method that may wait, in a task of its own; its payload is a copy.
        public typealias Waiting = @Sendable (Owner, [UInt8]) async throws -> Reply
    #endif

    @usableFromInline
    enum Body {
        case direct(Direct)
        #if !hasFeature(Embedded)
            case waiting(Waiting)
        #endif
    }

    @usableFromInline let shape: MethodShape
    @usableFromInline let body: Body

    /// Makes a method that runs on its caller's thread, which may be an event loop.
    ///
    /// - Parameters:
    ///   - name: what it is called by.
    ///   - capability: the capability of the plugin's manifest.json that it belongs to; without one
    ///     it is found by the plugin's name.
    ///   - blocks: whether it may take its time: then it is called on threads that the host keeps
    ///     for such calls of this plugin, many at the same time.
    @inlinable
    public init(
        _ name: StaticString, of capability: StaticString = "", blocks: Bool = false,
        _ answer: @escaping Direct
    ) {
        shape = MethodShape(name: name, capability: capability, isInline: !blocks)
        body = .direct(answer)
    }

    #if !hasFeature(Embedded)
        /// Makes a method that may wait: it runs in a task on the plugin's own threads.
        @inlinable
        public init(
            waiting name: StaticString, of capability: StaticString = "",
            _ answer: @escaping Waiting
        ) {
            shape = MethodShape(name: name, capability: capability, isInline: false)
            body = .waiting(answer)
        }
    #endif
}

/// What the host needs to know of a method.
@usableFromInline
struct MethodShape: Sendable {
    let name: StaticString
    let capability: StaticString
    let isInline: Bool

    @usableFromInline
    init(name: StaticString, capability: StaticString, isInline: Bool) {
        self.name = name
        self.capability = capability
        self.isInline = isInline
    }
}

/// The methods of a plugin, in the order in which they were written.
public struct MethodList<Owner: Plugin> {
    @usableFromInline var methods: [ProvidedMethod<Owner>]

    @inlinable
    init(_ methods: [ProvidedMethod<Owner>]) {
        self.methods = methods
    }
}

/// Gathers the methods that are written one below the other in `Plugin.methods`.
@resultBuilder
public enum MethodBuilder<Owner: Plugin> {
    @inlinable
    public static func buildExpression(_ method: ProvidedMethod<Owner>) -> MethodList<Owner> {
        MethodList([method])
    }

    @inlinable
    public static func buildPartialBlock(first: MethodList<Owner>) -> MethodList<Owner> {
        first
    }

    @inlinable
    public static func buildPartialBlock(
        accumulated: MethodList<Owner>, next: MethodList<Owner>
    ) -> MethodList<Owner> {
        MethodList(accumulated.methods + next.methods)
    }

    @inlinable
    public static func buildBlock() -> MethodList<Owner> {
        MethodList([])
    }
}

/// A method bound to its plugin's state.
@usableFromInline
struct BoundMethod {
    @usableFromInline
    enum Body {
        case direct(@Sendable (borrowing Call) throws(MethodError) -> Reply)
        #if !hasFeature(Embedded)
            case waiting(@Sendable ([UInt8]) async throws -> Reply)
        #endif
    }

    let shape: MethodShape
    let body: Body

    @usableFromInline
    init(_ shape: MethodShape, _ body: Body) {
        self.shape = shape
        self.body = body
    }

    @inlinable
    init<Owner: Plugin>(_ method: ProvidedMethod<Owner>, _ plugin: Owner) {
        switch method.body {
        case .direct(let answer):
            self.init(
                method.shape,
                .direct({ (call) throws(MethodError) in try answer(plugin, call) }))
        #if !hasFeature(Embedded)
            case .waiting(let answer):
                self.init(
                    method.shape, .waiting({ payload in try await answer(plugin, payload) }))
        #endif
        }
    }
}
