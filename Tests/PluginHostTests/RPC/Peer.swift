import CLinux
import CPluginABI
import DynamicLibrary
import HostModel
import Synchronization
import Testing

@testable import PluginHost

/// One generation of a plugin that is made of closures: it has a host, a pool and methods.
final class Peer: @unchecked Sendable {
    /// What a method is made of: the call, and what it was sent.
    typealias Body = @Sendable (OpaquePointer, [UInt8]) -> ph_status

    private final class Box: Sendable {
        let body: Body
        init(_ body: @escaping Body) { self.body = body }
    }

    static let rpc = RPCService.table.pointee
    static let registry = RegistryService.table.pointee

    let member: Member
    let switchboard: Switchboard
    private let object: HostObject

    var host: UnsafePointer<ph_host> { object.pointer }

    init(
        _ name: String, number: UInt64 = 1, version: String = "1.0.0",
        provides: [Provision] = [], threads: Int = 8, queue: Int = 1_024,
        on switchboard: Switchboard
    ) throws {
        var manifest = Manifest(
            name: try #require(PluginName(name)), version: try #require(SemanticVersion(version)),
            abi: ABIVersion(major: 1, minor: 1), library: .init(file: "lib.so"))
        manifest.provides = provides
        member = Member(manifest: manifest, number: number)
        member.pool = BlockingPool(name: name, threadsMax: threads, queueMax: queue) {}
        self.switchboard = switchboard
        object = HostObject(
            door: ServiceDoor(
                member: member, granted: [], switchboard: switchboard,
                log: HostLog(minimum: .error)),
            directories: PluginDirectories(
                root: "/", staticFiles: "/", sqlite: "/", events: "/", run: "/"),
            http: PluginHTTP.table)
    }

    // MARK: - Life

    /// Begins to serve in the place of another generation.
    func serve(after former: Peer? = nil) {
        switchboard.replace(former?.member, with: member)
    }

    /// What the manager does with a generation that no longer serves; false when something of it
    /// was still going on.
    func leave(within deadline: Duration = .seconds(60)) async -> Bool {
        switchboard.withdraw(member)
        member.gate.close()
        let isEmpty = await member.gate.waitUntilEmpty(deadline: deadline)
        member.calls.end()
        let isDrained = isEmpty ? true : await member.gate.waitUntilEmpty(deadline: .seconds(60))
        _ = await member.pool?.end(within: .seconds(60))
        return isEmpty && isDrained
    }

    // MARK: - Providing

    @discardableResult
    func provide(
        _ name: String, of capability: String = "", inline: Bool = false, _ body: @escaping Body
    ) -> ph_status {
        // Never freed: a method may be called as long as its generation is known to anybody.
        let box = Unmanaged.passRetained(Box(body))
        return withText(name) { name in
            withText(capability) { capability in
                var method = ph_method(
                    size: UInt32(MemoryLayout<ph_method>.size),
                    flags: inline ? UInt32(PH_METHOD_INLINE) : 0, name: name,
                    context: box.toOpaque(),
                    function: { context, call, payload in
                        let box = Unmanaged<Box>.fromOpaque(context!).takeUnretainedValue()
                        let bytes = UnsafeBufferPointer(start: payload.data, count: payload.length)
                        return box.body(call!, Array(bytes))
                    })
                return Self.rpc.provide(host, capability, &method, 1)
            }
        }
    }

    static func reply(_ call: OpaquePointer, _ text: String) -> ph_status {
        FakeCall.withBytes(text) { rpc.reply(call, $0) }
    }

    static func refuse(_ call: OpaquePointer, _ code: Int32, _ text: String) -> ph_status {
        withText(text) { rpc.refuse(call, code, $0) }
    }

    // MARK: - Calling

    /// Binds a method; its status where that is not `PH_OK`.
    func method(
        _ name: String, plugin: String = "", capability: String = "", version: String = "",
        option: (String, String)? = nil, ofGeneration: Bool = false
    ) -> (status: ph_status, handle: ph_handle) {
        var handle: ph_handle = 0
        let status = select(plugin, capability, version, option, ofGeneration) { selector in
            withText(name) { Self.rpc.method(host, selector, $0, &handle) }
        }
        return (status, handle)
    }

    func bind(
        plugin: String = "", capability: String = "", version: String = "",
        option: (String, String)? = nil, ofGeneration: Bool = false
    ) -> (status: ph_status, handle: ph_handle) {
        var handle: ph_handle = 0
        let status = select(plugin, capability, version, option, ofGeneration) { selector in
            Self.registry.bind(host, selector, &handle)
        }
        return (status, handle)
    }

    /// The providers of a capability, as `plugin@generation`.
    func providers(
        plugin: String = "", capability: String = "", version: String = "",
        option: (String, String)? = nil
    ) -> [String] {
        let seen = Seen()
        _ = select(plugin, capability, version, option, false) { selector in
            Self.registry.providers(
                host, selector, Seen.visit, Unmanaged.passUnretained(seen).toOpaque())
        }
        return seen.names
    }

    /// Where a handle leads, as `plugin@generation`, or why it leads nowhere.
    func current(_ handle: ph_handle) -> (status: ph_status, name: String?) {
        let seen = Seen()
        let status = Self.registry.current(
            host, handle, Seen.visit, Unmanaged.passUnretained(seen).toOpaque())
        return (status, seen.names.first)
    }

    private final class Seen {
        var names: [String] = []

        static let visit: ph_provider_visitor = { context, provider in
            let seen = Unmanaged<Seen>.fromOpaque(context!).takeUnretainedValue()
            let one = provider!.pointee
            seen.names.append("\(FakeCall.string(one.plugin))@\(one.generation)")
            return 1
        }
    }

    private func select<R>(
        _ plugin: String, _ capability: String, _ version: String, _ option: (String, String)?,
        _ ofGeneration: Bool, _ body: (UnsafePointer<ph_selector>) -> R
    ) -> R {
        withText(plugin) { plugin in
            withText(capability) { capability in
                withText(version) { version in
                    withText(option?.0 ?? "") { name in
                        withText(option?.1 ?? "") { value in
                            var selector = ph_selector(
                                size: UInt32(MemoryLayout<ph_selector>.size),
                                flags: ofGeneration ? UInt32(PH_SELECT_GENERATION) : 0,
                                capability: capability, plugin: plugin, version: version,
                                option: name, option_value: value)
                            return body(&selector)
                        }
                    }
                }
            }
        }
    }

    /// Calls and waits.
    func call(
        _ handle: ph_handle, _ payload: String = "", milliseconds: UInt32 = 600_000,
        releasing: Answer? = nil
    ) -> Answer {
        let answer = Answer()
        var options = Self.options(milliseconds, releasing)
        answer.returned = FakeCall.withBytes(payload) {
            Self.rpc.call(host, handle, $0, &options, Answer.receive, answer.context)
        }
        return answer
    }

    /// Calls and does not wait; the answer comes later.
    func begin(
        _ handle: ph_handle, _ payload: String = "", milliseconds: UInt32 = 600_000,
        releasing: Answer? = nil
    ) -> Answer {
        let answer = Answer()
        var options = Self.options(milliseconds, releasing)
        var ticket: ph_ticket = 0
        answer.returned = FakeCall.withBytes(payload) {
            Self.rpc.call_async(
                host, handle, $0, &options, Answer.receive, answer.context, &ticket)
        }
        answer.ticket = ticket
        return answer
    }

    private static func options(_ milliseconds: UInt32, _ releasing: Answer?) -> ph_call_options {
        ph_call_options(
            size: UInt32(MemoryLayout<ph_call_options>.size), timeout_milliseconds: milliseconds,
            release: releasing == nil
                ? nil
                : { context in
                    Unmanaged<Answer>.fromOpaque(context!).takeUnretainedValue().noteRelease()
                },
            release_context: releasing?.context)
    }
}

/// What the receiver of one call was told.
final class Answer: @unchecked Sendable {  // because what changes is behind the lock
    struct Told: Equatable {
        var status: ph_status
        var code: Int32
        var text: String
        var thread: UInt
    }

    private struct State {
        var told: [Told] = []
        var releases = 0
        var waiter: CheckedContinuation<Void, Never>?
    }

    /// What the function itself returned.
    var returned: ph_status = .min
    var ticket: ph_ticket = 0
    private let state = Mutex(State())

    var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }
    var told: [Told] { state.withLock { $0.told } }
    var releases: Int { state.withLock { $0.releases } }
    var status: ph_status? { told.first?.status }
    var text: String? { told.first?.text }

    func noteRelease() { state.withLock { $0.releases += 1 } }

    /// Waits until the receiver has been called.
    func arrival() async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.told.isEmpty { state.waiter = continuation }
                return !state.told.isEmpty
            }
            if isThere { continuation.resume() }
        }
    }

    static let receive: ph_receiver = { context, status, code, reply in
        let answer = Unmanaged<Answer>.fromOpaque(context!).takeUnretainedValue()
        let bytes = UnsafeBufferPointer(start: reply.data, count: reply.length)
        let waiter = answer.state.withLock { state in
            state.told.append(
                Told(
                    status: status, code: code, text: String(decoding: bytes, as: UTF8.self),
                    thread: linux_this_thread()))
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}

extension Provision {
    static func of(
        _ capability: String, _ version: String = "1.0.0", priority: Int = 0,
        options: JSONObject = [:]
    ) throws -> Provision {
        var provision = Provision(
            capability: try #require(CapabilityName(capability)),
            version: try #require(SemanticVersion(version)))
        provision.priority = priority
        provision.options = options
        return provision
    }
}
