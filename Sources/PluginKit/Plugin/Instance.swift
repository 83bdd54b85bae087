import CPluginABI
import CPluginKit

/// One generation of the plugin: what the host's `state` points at.
@safe
final class Instance {
    let http: UnsafePointer<ph_http>
    let log: Log
    let events: Events
    /// The plugin's subscriptions, once it has started.
    var subscribers: [Subscriber] = []
    /// What the plugin offers the host beside its answers.
    var offers = Offers()
    /// The plugin's hooks, once it has started.
    var hookers: [Hooker] = []
    /// The plugin and its routes, until it has been stopped.
    var bound: BoundPlugin?
    /// What the host hands back with calls of methods, and the functions to complete them with;
    /// nil where the plugin has no methods.
    var methodContexts: UnsafeMutablePointer<MethodContext>?
    var rpc: UnsafePointer<ph_rpc>?
    #if !hasFeature(Embedded)
        let runtime: Runtime
        /// The functions of `ph.websocket/1`, if the manifest asks for them.
        var webSockets: UnsafePointer<ph_websocket>?

        init(
            unsafe http: UnsafePointer<ph_http>, log: Log, events: Events, bound: BoundPlugin,
            runtime: Runtime
        ) {
            unsafe self.http = http
            self.log = log
            self.events = events
            self.bound = bound
            self.runtime = runtime
            unsafe webSockets = nil
            unsafe methodContexts = nil
            unsafe rpc = nil
        }
    #else
        init(
            unsafe http: UnsafePointer<ph_http>, log: Log, events: Events, bound: BoundPlugin
        ) {
            unsafe self.http = http
            self.log = log
            self.events = events
            self.bound = bound
            unsafe methodContexts = nil
            unsafe rpc = nil
        }
    #endif

    /// Finds the instance of a call of the host.
    static func at(_ state: UnsafeMutableRawPointer?) -> Instance? {
        guard let state = unsafe state else { return nil }
        return unsafe Unmanaged<Instance>.fromOpaque(state).takeUnretainedValue()
    }

    /// Makes the plugin's state, and hands it to the host.
    static func make(
        host: UnsafePointer<ph_host>?, state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
        error: UnsafeMutablePointer<ph_error>?
    ) -> ph_status {
        let complaint = unsafe Complaint(unsafe: error)
        guard let host = unsafe host, let state = unsafe state,
            let registration = unsafe Contract.current?.registration,
            let http = unsafe host.pointee.http,
            unsafe Int(http.pointee.size) >= ph_kit_http_bytes_least()
        else { return complaint.fail("the host hands over less than this plugin was built for") }
        let log = unsafe Log(unsafe: host, isWanted: registration.manifest.asks(for: .log))
        do {
            let instance = try unsafe Instance(unsafe: host, http, log, registration)
            #if !hasFeature(Embedded)
                if registration.manifest.asks(for: .webSocket) {
                    unsafe instance.webSockets = host.service(Service.webSocket.id)?
                        .assumingMemoryBound(to: ph_websocket.self)
                }
            #endif
            do {
                try unsafe instance.offerMethods(
                    unsafe: host, isAskedFor: registration.manifest.asks(for: .rpc))
            } catch {
                instance.dissolve()
                instance.freeMethods()
                return complaint.fail(error.message)
            }
            unsafe state.pointee = Unmanaged.passRetained(instance).toOpaque()
            return done
        } catch {
            return complaint.fail(describe(error))
        }
    }

    /// Gives back what `make` has handed to the host.
    static func drop(_ state: UnsafeMutableRawPointer?) {
        guard let state = unsafe state else { return }
        let instance = unsafe Unmanaged<Instance>.fromOpaque(state)
        unsafe instance.takeUnretainedValue().dissolve()
        unsafe instance.takeUnretainedValue().freeMethods()
        unsafe instance.release()
    }

    /// Asks the plugin how it is.
    ///
    /// - Returns: the value as `ph_health` has it.
    func reportHealth(to reason: UnsafeMutablePointer<ph_error>?) -> UInt32 {
        let complaint = unsafe Complaint(unsafe: reason)
        switch bound?.health() ?? .unhealthy("it has been stopped") {
        case .ok: return UInt32(PH_HEALTH_OK)
        case .degraded(let why):
            complaint.write(why)
            return UInt32(PH_HEALTH_DEGRADED)
        case .unhealthy(let why):
            complaint.write(why)
            return UInt32(PH_HEALTH_UNHEALTHY)
        }
    }
}
