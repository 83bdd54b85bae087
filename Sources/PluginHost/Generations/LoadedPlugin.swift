import CPluginABI
import DynamicLibrary
import HostModel
import Synchronization

/// One image of one plugin in this process, from its mapping to its unmapping.
///
/// Its life has numbered steps, each a call into the plugin on a thread made for it:
/// 1. `open` maps the private copy and reads what the entry returns;
/// 2. `initialize` and `start` bring it up, `checkHealth` asks how it is;
/// 3. requests are served through its `generation`;
/// 4. `stop` ends its work;
/// 5. `close` frees its state, unmaps it and verifies that it is gone.
///
/// The manager calls one step at a time. A step that misses its deadline leaves the plugin stuck:
/// it stays in memory, and `close` can be tried again once the call has come back.
@safe final class LoadedPlugin: PluginInstance {
    private struct State {
        var pointer: UInt?
        var isInitialized = false
        var isStarted = false
        /// The call that has missed its deadline and not come back yet.
        var stuckCall: String?
        var offers = Offers()
    }

    /// The addresses of what it offers beside its core.
    struct Offers {
        var health: UInt?
        var observer: UInt?
        var state: UInt?
    }

    let number: Int
    let digest: Digest
    let manifest: Manifest
    let code: PluginCode
    let image: LoadedImage
    let member: Member
    /// What it was handed.
    let host: HostObject
    /// Told of each call into its code, before it is made.
    private let onStep: OnStep

    var mode: PluginMode { .inProcess }
    var granted: Set<String> { host.granted }

    private let state = Mutex(State())

    var routes: [RouteDeclaration] { code.routes }
    var inspection: ImageInspection? { image.inspection }
    var holdings: LedgerSnapshot? { image.ledger }
    var imageBytes: Int { image.span.range.count }
    var privateBytes: Int { image.privateBytes }
    /// A thread, a request or a call that hangs can come to an end; what the file itself brings
    /// along cannot.
    var mayStillLeave: Bool { image.inspection.verdict == .close }
    var offers: Offers { state.withLock { $0.offers } }
    var statePointer: UnsafeMutableRawPointer? {
        unsafe state.withLock {
            unsafe $0.pointer.flatMap { unsafe UnsafeMutableRawPointer(bitPattern: $0) }
        }
    }

    private init(
        staged: StagedLibrary, code: PluginCode, image: LoadedImage, host: HostObject,
        onStep: @escaping OnStep
    ) {
        self.onStep = onStep
        number = Int(staged.generation)
        digest = staged.digest
        manifest = staged.manifest
        self.code = code
        self.image = image
        self.host = host
        member = host.member
    }

    // MARK: - Step 1

    /// Hears that a step begins: `load`, `entry`, `init`, `start`, `health`, `stop`, `deinit`,
    /// `unload`, and those of its extensions.
    typealias OnStep = @Sendable (_ step: String) -> Void

    /// Maps the image and reads what its entry returns, which must agree with the manifest.
    ///
    /// - Parameters:
    ///   - comparing: whether there is a manifest to agree with.
    ///   - onStep: told of each call into its code, before it is made.
    /// - Throws: `HostError`; the image has been closed again.
    nonisolated(nonsending) static func open(
        _ staged: StagedLibrary, directory: PluginDirectory, granted: Set<String>,
        switchboard: Switchboard, configuration: ConfigurationSnapshot, log: HostLog, seconds: Int,
        remote: RemoteServices? = nil, comparing: Bool = true,
        onStep: @escaping OnStep = { _ in }, onDenial: @escaping ServiceDoor.Denial
    ) async throws(HostError) -> LoadedPlugin {
        let member = Member(manifest: staged.manifest, number: staged.generation)
        member.configuration.current = configuration
        let door = ServiceDoor(
            member: member, granted: granted, switchboard: switchboard, log: log, remote: remote,
            onDenial: onDenial)
        let host = unsafe HostObject(
            door: door,
            directories: PluginDirectories(
                root: directory.path, staticFiles: directory.staticFiles,
                sqlite: directory.sqlite, events: directory.events, run: directory.run),
            http: remote == nil ? PluginHTTP.table : WorkerHTTP.table)
        let outcome = await LifecycleThread.run(
            "load-\(staged.name)", deadline: .seconds(seconds)
        ) { () -> Result<LoadedPlugin, HostError> in
            do throws(HostError) {
                return .success(
                    try open(staged, host: host, comparing: comparing, onStep: onStep))
            } catch {
                return .failure(error)
            }
        }
        switch outcome {
        case .finished(let result): return try result.get()
        case .late: throw Self.late("the loading of the library", seconds, staged.name)
        case .noThread(let code): throw Self.noThread(code, staged.name)
        }
    }

    private static func open(
        _ staged: StagedLibrary, host: HostObject, comparing: Bool, onStep: @escaping OnStep
    ) throws(HostError) -> LoadedPlugin {
        let image: LoadedImage
        onStep("load")
        BlackBox.announceLoad(
            name: staged.name.text, version: staged.manifest.version.description,
            digest: staged.digest.hex, generation: staged.generation)
        do throws(LibraryError) {
            image = try LoadedImage(staged.copy, inspection: staged.inspection)
        } catch {
            staged.discard()
            throw HostError(error)
        }
        do throws(HostError) {
            host.member.image = image.id
            let context = ImageContext.enter(image.id)
            defer { ImageContext.leave(context) }
            guard let entry = unsafe image.symbol(PH_ENTRY_SYMBOL) else {
                throw PluginImage.noEntry(staged.copy.path)
            }
            onStep("entry")
            let code = try unsafe PluginCode(
                entry: entry, host: host.pointer, subject: staged.copy.path)
            if comparing { try staged.manifest.check(code.manifest, subject: staged.copy.path) }
            return LoadedPlugin(
                staged: staged, code: code, image: image, host: host, onStep: onStep)
        } catch {
            if staged.inspection.verdict != .isolate { _ = image.close() }
            throw error
        }
    }

    // MARK: - Step 2

    nonisolated(nonsending) func initialize(seconds: Int) async throws(HostError) {
        let (code, host) = (code, host)
        unsafe try await act("init", seconds: seconds, failing: "init_failed") { me, error in
            var pointer: UnsafeMutableRawPointer?
            let status = unsafe code.initialize(host.pointer, &pointer, error)
            if status >= PH_OK {
                let bits = unsafe pointer.map { UInt(bitPattern: $0) }
                me.state.withLock {
                    $0.pointer = bits
                    $0.isInitialized = true
                }
                let offer = me.ask(for: PH_STATE_ID)
                me.state.withLock { $0.offers.state = offer }
            }
            return status
        }
    }

    func generation(_ tree: RouteTree, reactors: Int, limits: WorkLimits) -> Generation {
        unsafe Generation(
            name: name, number: UInt64(number), version: version, tree: tree, reactors: reactors,
            handle: code.handle, state: statePointer, image: image.id, limits: limits,
            overrides: manifest.routes ?? [])
    }

    nonisolated(nonsending) func start(seconds: Int) async throws(HostError) {
        let code = code
        unsafe try await act("start", seconds: seconds, failing: "start_failed") { me, error in
            let status = unsafe code.start(me.statePointer, error)
            if status >= PH_OK {
                let health = me.ask(for: PH_HEALTH_ID)
                let observer = me.ask(for: PH_CONFIG_OBSERVER_ID)
                me.state.withLock {
                    $0.isStarted = true
                    $0.offers.health = health
                    $0.offers.observer = observer
                }
            }
            return status
        }
    }

    var saysHowItIs: Bool { offers.health != nil }

    nonisolated(nonsending) func checkHealth() async -> (state: PluginHealth, reason: String)? {
        await checkHealth(seconds: 2)
    }

    /// How the plugin says it is, if it says so within that time.
    nonisolated(nonsending) func checkHealth(
        seconds: Int
    ) async -> (state: PluginHealth, reason: String)? {
        guard let table = state.withLock({ $0.stuckCall == nil ? $0.offers.health : nil }),
            let health = unsafe UnsafePointer<ph_health>(bitPattern: table),
            let check = unsafe health.pointee.check
        else { return nil }
        let box = Mutex<PluginHealth>(.unhealthy)
        let result = unsafe await call("health", seconds: seconds) { me, error in
            let value = unsafe check(me.statePointer, error)
            box.withLock { $0 = PluginHealth(rawValue: value) ?? .unhealthy }
            return ph_status(PH_OK)
        }
        switch result {
        case .finished(_, let text): return (box.withLock { $0 }, text)
        case .late: return (.unhealthy, "the check did not come back within \(seconds) s")
        case .noThread: return (.unhealthy, "there was no thread to ask it on")
        }
    }

    // MARK: - Step 4

    nonisolated(nonsending) func stop(seconds: Int) async throws(HostError) {
        guard state.withLock({ $0.isStarted && $0.stuckCall == nil }) else { return }
        let code = code
        state.withLock { $0.isStarted = false }
        unsafe try await act("stop", seconds: seconds, failing: "stop_failed") { me, error in
            unsafe code.stop(me.statePointer, error)
        }
    }

    // MARK: - Step 5

    func settleThread() {
        image.settleThread()
    }

    nonisolated(nonsending) func close(seconds: Int) async -> UnloadOutcomeReport {
        if let reason = stuckReason { return .pinned([reason]) }
        if state.withLock({ $0.isInitialized }) {
            let code = code
            let result = unsafe await call("deinit", seconds: seconds) { me, _ in
                unsafe code.deinitialize(me.statePointer)
                me.state.withLock { $0.isInitialized = false }
                return ph_status(PH_OK)
            }
            if case .finished = result {
            } else {
                return .pinned([stuckReason ?? "there was no thread to call deinit on"])
            }
        }
        guard image.inspection.verdict != .isolate else {
            return .pinned(image.inspection.reasons.map(\.what))
        }
        let (image, host) = (image, host)
        onStep("unload")
        let outcome = await LifecycleThread.run("close-\(name)", deadline: .seconds(seconds)) {
            defer { withExtendedLifetime(host) {} }
            return image.close()
        }
        switch outcome {
        case .finished(let outcome): return UnloadOutcomeReport(outcome)
        case .late: return .pinned(["its own clean-up did not come back within \(seconds) s"])
        case .noThread: return .pinned(["there was no thread to close it on"])
        }
    }

    var stuckReason: String? {
        state.withLock { $0.stuckCall }.map { "its \($0) has not come back" }
    }

    // MARK: - Calls

    private enum CallResult: Sendable {
        case finished(ph_status, String)
        case late
        case noThread(Int32)
    }

    typealias Body =
        @Sendable (
            LoadedPlugin, UnsafeMutablePointer<ph_error>
        ) -> ph_status

    private static let messageBytesMax = 1_024

    /// Calls into the plugin; a failure is thrown with the plugin's own words.
    nonisolated(nonsending) func act(
        _ step: String, seconds: Int, failing code: HostError.Code, _ body: @escaping Body
    ) async throws(HostError) {
        switch unsafe await call(step, seconds: seconds, body) {
        case .finished(let status, let text):
            guard status < PH_OK else { return }
            throw HostError(
                code, what: "plugin \"\(name)\": \(step) failed", subject: image.copy.path,
                why: text.isEmpty ? "it returned \(status) and did not say why" : text,
                fix: "see the plugin's documentation and its lines in the log")
        case .late: throw Self.late(step, seconds, name)
        case .noThread(let number): throw Self.noThread(number, name)
        }
    }

    private nonisolated(nonsending) func call(_ step: String, seconds: Int, _ body: @escaping Body)
        async -> CallResult
    {
        state.withLock { $0.stuckCall = step }
        onStep(step)
        let outcome = await LifecycleThread.run(
            "\(step)-\(name)", deadline: .seconds(seconds)
        ) { [self] in
            let context = ImageContext.enter(image.id)
            defer { ImageContext.leave(context) }
            return unsafe withUnsafeTemporaryAllocation(
                of: CChar.self, capacity: Self.messageBytesMax
            ) { buffer in
                var error = unsafe ph_error(
                    size: UInt32(MemoryLayout<ph_error>.size), text: buffer.baseAddress,
                    capacity: buffer.count, length: 0)
                let status = unsafe body(self, &error)
                let length = unsafe min(error.length, buffer.count)
                let text = unsafe String(
                    decoding: UnsafeRawBufferPointer(buffer)[..<length], as: UTF8.self)
                state.withLock { $0.stuckCall = nil }
                return (status, text)
            }
        }
        switch outcome {
        case .finished(let (status, text)): return .finished(status, text)
        case .late: return .late
        case .noThread(let number):
            state.withLock { $0.stuckCall = nil }
            return .noThread(number)
        }
    }

    private static func late(_ step: String, _ seconds: Int, _ name: PluginName) -> HostError {
        HostError(
            "deadline_passed", what: "plugin \"\(name)\": \(step) took too long",
            why: "it did not come back within \(seconds) s; its thread goes on",
            fix: "make it return sooner, or raise limits.startSeconds in manifest.json")
    }

    private static func noThread(_ code: Int32, _ name: PluginName) -> HostError {
        .system("plugin \"\(name)\" could not be called: no thread", subject: "", errno: code)
    }
}

/// How a plugin says it is.
enum PluginHealth: UInt32, Sendable {
    case ok = 0
    case degraded = 1
    case unhealthy = 2
}

/// What came of closing an image, in words.
struct UnloadOutcomeReport: Sendable {
    var isUnloaded: Bool
    var reasons: [String]
    /// What was left behind and taken back.
    var reclaimed: [String] = []
    /// Thread-local destructors on other threads hold it: they go when those threads do.
    var waitsForThreads = false

    static func pinned(_ reasons: [String]) -> UnloadOutcomeReport {
        UnloadOutcomeReport(isUnloaded: false, reasons: reasons)
    }
}

extension UnloadOutcomeReport {
    init(_ outcome: UnloadOutcome) {
        isUnloaded = outcome.isUnloaded
        reasons = outcome.reasons.map(\.what)
        reclaimed = outcome.reclaimed
        waitsForThreads = outcome.reasons.contains { $0.code == .outstandingDestructors }
    }
}
