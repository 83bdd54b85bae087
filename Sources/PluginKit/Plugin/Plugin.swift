/// A plugin: what it is, which requests it answers, and how it begins and ends.
///
/// Mark the conforming type with `@main`; that is the whole ceremony. PluginKit exports the one C
/// function that the host looks for, and reaches the type through its `main()`.
///
/// ```swift
/// import PluginKit
///
/// @main
/// struct Hello: Plugin {
///     static var manifest: Manifest {
///         Manifest(name: "hello", version: "1.0.0", description: "Says hello.")
///     }
///
///     static var routes: Routes {
///         Get("/hello") { _, _ in .json(literal: #"{"message":"Hello, World!"}"#) }
///         Get("/hello/{name}") { _, request in .text("Hello, \(request.parameters["name"])!") }
///     }
///
///     init(host: HostContext) {}
/// }
/// ```
///
/// A generation's life is: `manifest` and `routes` are read; `init`; `start`; handlers run;
/// `stop`; the value is dropped; the image is unmapped. The host also reads `manifest` and `routes`
/// of a plugin that it will not start, so both return what is constant and touch nothing else.
///
/// Handlers run on several threads at once, which is why a plugin is `Sendable`.
public protocol Plugin: Sendable {
    /// What the plugin is called and what it asks the host for; the same as in `manifest.json`.
    ///
    /// A computed property leaves nothing on the heap when the image is closed; a `static let`
    /// with an array in it is lost with every reload.
    static var manifest: Manifest { get }

    /// The requests that the plugin answers, below `/plugin/<name>/api`.
    ///
    /// In an extension, and not where the conformance is declared, Swift wants the builder named:
    /// `@RouteBuilder<Self> static var routes: Routes`.
    @RouteBuilder<Self> static var routes: Routes { get }

    /// The events that the plugin takes; none, unless it says so.
    ///
    /// They begin when the generation serves, and have ended before `stop`.
    @SubscriptionBuilder<Self> static var subscriptions: Subscriptions { get }

    /// The parts that the plugin takes in requests to every plugin; none, unless it says so.
    ///
    /// They begin when the generation serves.
    @HookBuilder<Self> static var hooks: Hooks { get }

    /// What other plugins may call, below the capabilities that `manifest.json` says it provides.
    /// A plugin that has methods asks for the service `.rpc`.
    @MethodBuilder<Self> static var methods: Methods { get }

    #if hasFeature(Embedded)
        /// Makes the plugin's state. An earlier generation may still be serving.
        ///
        /// - Throws: `PluginError`: the plugin is refused with its reasons.
        init(host: HostContext) throws(PluginError)

        /// Begins work. Requests come after it has returned.
        func start() throws(PluginError)

        /// Ends all work. When it returns, the plugin has no thread left.
        func stop()
    #else
        /// Makes the plugin's state. An earlier generation may still be serving from the same
        /// directories.
        ///
        /// - Throws: any error; the plugin is refused with it. `PluginError` can say more.
        init(host: HostContext) throws

        /// Begins work: tasks, timers, connections. Requests come after it has returned.
        ///
        /// - Throws: any error; the plugin is refused with it.
        func start() async throws

        /// Ends all work: cancel the tasks that the plugin began and wait for them.
        ///
        /// The tasks of handlers have ended before. Tasks begun through `HostContext.background`
        /// are cancelled and waited for by PluginKit.
        func stop() async

        /// How long stopping may take before PluginKit gives up on tasks that do not end.
        ///
        /// - Units: seconds; the host itself waits for ten.
        static var stopDeadlineSeconds: Int { get }
    #endif

    /// How the plugin is. Asked after `start`, and whenever somebody asks for the status; it
    /// answers at once, from any thread.
    var health: Health { get }
}

extension Plugin {
    /// The routes of this plugin, as its `routes` returns them.
    public typealias Routes = RouteList<Self>
    /// The subscriptions of this plugin, as its `subscriptions` returns them.
    public typealias Subscriptions = SubscriptionList<Self>
    /// Topics that this plugin wants to hear of.
    public typealias Subscribe = Subscription<Self>
    /// The hooks of this plugin, as its `hooks` returns them.
    public typealias Hooks = HookList<Self>
    /// A part that this plugin takes in requests.
    public typealias Hook = RequestHook<Self>
    /// The methods of this plugin, as its `methods` returns them.
    public typealias Methods = MethodList<Self>
    /// Something that other plugins may call.
    public typealias Method = ProvidedMethod<Self>
    /// A route that answers GET (and, through the host, HEAD).
    public typealias Get = VerbRoute<Verbs.Get, Self>
    /// A route that answers POST.
    public typealias Post = VerbRoute<Verbs.Post, Self>
    /// A route that answers PUT.
    public typealias Put = VerbRoute<Verbs.Put, Self>
    /// A route that answers PATCH.
    public typealias Patch = VerbRoute<Verbs.Patch, Self>
    /// A route that answers DELETE.
    public typealias Delete = VerbRoute<Verbs.Delete, Self>
    /// A route that answers every method that no other route of the same path answers.
    public typealias Every = VerbRoute<Verbs.Every, Self>

    #if hasFeature(Embedded)
        public func start() throws(PluginError) {}
        public func stop() {}
    #else
        public func start() async throws {}
        public func stop() async {}
        public static var stopDeadlineSeconds: Int { 8 }
    #endif

    public static var subscriptions: Subscriptions { SubscriptionList([]) }

    public static var hooks: Hooks { HookList([]) }

    public var health: Health { .ok }

    @inlinable
    public static var methods: MethodList<Self> { MethodList([]) }

    /// Tells PluginKit that this is the plugin of the image. `@main` calls it; nobody else does.
    @inlinable
    public static func main() {
        Contract.install(Registration(Self.self))
    }
}
