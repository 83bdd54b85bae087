/// The error with which a plugin may refuse to begin: any error, and in Embedded Swift
/// `PluginError`.
#if hasFeature(Embedded)
    @usableFromInline typealias BeginError = PluginError
#else
    @usableFromInline typealias BeginError = any Error
#endif

/// A plugin type with its type taken away: made in the author's module, where the compiler knows
/// the type and leaves no generic code.
@usableFromInline
struct Registration {
    let manifest: Manifest
    let shapes: [RouteShape]
    let make: (HostContext) throws(BeginError) -> BoundPlugin

    @usableFromInline
    init(
        manifest: Manifest, shapes: [RouteShape],
        make: @escaping (HostContext) throws(BeginError) -> BoundPlugin
    ) {
        self.manifest = manifest
        self.shapes = shapes
        self.make = make
    }

    @inlinable
    init<Owner: Plugin>(_ type: Owner.Type) {
        self.init(
            manifest: Owner.manifest,
            shapes: Owner.routes.routes.map { $0.shape },
            make: { (host) throws(BeginError) -> BoundPlugin in
                BoundPlugin(try Owner(host: host))
            })
    }
}

/// A plugin's state, its routes bound to it.
@usableFromInline
@safe
struct BoundPlugin {
    let handlers: [BoundHandler]
    /// The same, for the request path, which counts no references.
    let references: [Unmanaged<BoundHandler>]
    /// Set in `init(_:)`, in the author's module.
    @usableFromInline var subscriptions: [BoundSubscription] = []
    /// Likewise.
    @usableFromInline var hooks: [BoundHook] = []
    let methods: [BoundMethod]
    let health: @Sendable () -> Health
    #if hasFeature(Embedded)
        let start: () throws(PluginError) -> Void
        let stop: () -> Void

        @usableFromInline
        init(
            handlers: [BoundHandler], methods: [BoundMethod],
            health: @escaping @Sendable () -> Health,
            start: @escaping () throws(PluginError) -> Void, stop: @escaping () -> Void
        ) {
            self.handlers = handlers
            unsafe references = handlers.map { unsafe Unmanaged.passUnretained($0) }
            self.methods = methods
            self.health = health
            self.start = start
            self.stop = stop
        }
    #else
        let start: @Sendable () async throws -> Void
        let stop: @Sendable () async -> Void
        let stopDeadlineSeconds: Int

        @usableFromInline
        init(
            handlers: [BoundHandler], methods: [BoundMethod],
            health: @escaping @Sendable () -> Health,
            start: @escaping @Sendable () async throws -> Void,
            stop: @escaping @Sendable () async -> Void, stopDeadlineSeconds: Int
        ) {
            self.handlers = handlers
            unsafe references = handlers.map { unsafe Unmanaged.passUnretained($0) }
            self.methods = methods
            self.health = health
            self.start = start
            self.stop = stop
            self.stopDeadlineSeconds = stopDeadlineSeconds
        }
    #endif

    @inlinable
    init<Owner: Plugin>(_ plugin: Owner) {
        let handlers = Owner.routes.routes.map { BoundHandler($0, plugin) }
        let methods = Owner.methods.methods.map { BoundMethod($0, plugin) }
        #if hasFeature(Embedded)
            self.init(
                handlers: handlers, methods: methods, health: { plugin.health },
                start: { () throws(PluginError) in try plugin.start() }, stop: { plugin.stop() })
        #else
            self.init(
                handlers: handlers, methods: methods, health: { plugin.health },
                start: { try await plugin.start() }, stop: { await plugin.stop() },
                stopDeadlineSeconds: Owner.stopDeadlineSeconds)
        #endif
        subscriptions = Owner.subscriptions.subscriptions.map { BoundSubscription($0, plugin) }
        hooks = Owner.hooks.hooks.map { BoundHook($0, plugin) }
    }
}

/// A handler bound to its plugin's state; an object, so that a request need not copy it.
@usableFromInline
final class BoundHandler: Sendable {
    @usableFromInline
    enum Answer: Sendable {
        case inline(@Sendable (Request) throws(HandlerError) -> Response)
        #if !hasFeature(Embedded)
            case waiting(@Sendable (Request) async throws -> Response)
            case socket(
                WebSocketOptions,
                @Sendable (Request) throws -> @Sendable (WebSocket) async throws -> Void)
        #endif
    }

    let pattern: StaticString
    let streamsBody: Bool
    let answer: Answer

    @usableFromInline
    init(_ shape: RouteShape, _ answer: Answer) {
        pattern = shape.pattern
        streamsBody = shape.body.streams
        self.answer = answer
    }

    @inlinable
    convenience init<Owner: Plugin>(_ route: Route<Owner>, _ plugin: Owner) {
        switch route.handler {
        #if !hasFeature(Embedded)
            case .inline(let answer) where route.shape.body.streams:
                self.init(
                    route.shape, .waiting({ request in try answer(plugin, request) }))
        #endif
        case .inline(let answer):
            self.init(
                route.shape,
                .inline({ (request) throws(HandlerError) in try answer(plugin, request) }))
        #if !hasFeature(Embedded)
            case .waiting(let answer):
                self.init(
                    route.shape, .waiting({ request in try await answer(plugin, request) }))
            case .socket(let options, let opening):
                self.init(
                    route.shape, .socket(options, { request in try opening(plugin, request) }))
        #endif
        }
    }
}
