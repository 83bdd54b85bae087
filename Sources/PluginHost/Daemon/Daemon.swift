import Confinement
import Dispatch
import Glibc
import HTTPServer
package import HostModel

/// `host serve`: the server, the manager and the admin interface, from the root's lock to the last
/// closed plugin.
package struct Daemon: Sendable {
    /// What the daemon serves, and how.
    package struct Options: Sendable {
        package var layout: RootLayout
        fileprivate var listen: [ListenAddress] = []
        /// Those of them where TLS is spoken, by index.
        fileprivate var secure: Set<Int> = []
        fileprivate var certificates: [TLSCertificates.Pair] = []
        /// Whether nobody has named the addresses, so that sockets of a service manager take their
        /// place.
        package var listensByDefault = false
        /// Further ways to the admin interface.
        package var adminDoors = AdminDoors()
        /// nil: one reactor for each processor.
        package var threads: Int?
        package var manager = ManagerOptions()
        package var logLevel = HostLog.Level.info
        /// Where each request is entered; `-` is the standard output, nil nowhere.
        package var accessLog: String?
        package var accessLogFormat = AccessFormat.json
        /// Where events are taken and told on the listeners; nil: nowhere but on the admin socket.
        package var eventsPath: String?
        /// Where metrics are read on the listeners; nil: nowhere but on the admin socket.
        package var metricsPath: String?
        /// How long requests are answered as ever after the signal to stop.
        package var stopDelaySeconds = 0
        /// The control group that the host is to use for plugins; nil: its own, if it may.
        package var controlGroup: String?
        package static let stopDelaySecondsRange = 0...3_600

        package init(layout: RootLayout) {
            self.layout = layout
        }

        /// Adds `ADDRESS:PORT`, `[ADDRESS]:PORT` or `unix:PATH`; port 0 takes a free one. TLS is
        /// spoken where `https://` stands in front.
        ///
        /// - Throws: `address_invalid`.
        package mutating func addListener(_ text: String) throws(HostError) {
            let isSecure = text.hasPrefix("https://")
            let prefix = isSecure ? 8 : text.hasPrefix("http://") ? 7 : 0
            do throws(ServerError) {
                listen.append(try ListenAddress(String(text.dropFirst(prefix))))
                if isSecure { secure.insert(listen.count - 1) }
            } catch {
                throw HostError(error)
            }
        }

        /// Adds a certificate with its chain, and its key, as paths of PEM files.
        package mutating func addCertificate(_ certificate: String, key: String) {
            certificates.append(TLSCertificates.Pair(certificate: certificate, key: key))
        }

        /// Reads the certificates; nil where TLS is spoken nowhere.
        fileprivate func readCertificates() throws(HostError) -> TLSCertificates? {
            guard !secure.isEmpty || adminDoors.isOpenToNetwork else { return nil }
            guard !certificates.isEmpty else {
                throw HostError(
                    "certificate_missing", what: "the host cannot serve",
                    subject: secure.map { "https://\(listen[$0])" }.sorted().first
                        ?? "--admin-listen",
                    why: "TLS is to be spoken, and there is no certificate",
                    fix: "name one with --tls-certificate FILE --tls-key FILE")
            }
            do throws(ServerError) {
                return try TLSCertificates(certificates)
            } catch {
                throw HostError(error)
            }
        }

        /// Opens the listeners for an engine.
        ///
        /// - Parameter activated: how many a service manager has opened.
        func openListeners(besides activated: Int) throws(HostError) -> [Int32] {
            var opened: [Int32] = []
            if activated > 0, listensByDefault { return opened }
            do throws(ServerError) {
                let backlogMax = ServerConfiguration().backlogMax
                for address in listen { opened.append(try address.open(backlogMax: backlogMax)) }
            } catch {
                for descriptor in opened { close(descriptor) }
                throw HostError(error)
            }
            return opened
        }

        /// The addresses of listeners, as `run` tells them; the last ones are those that a service
        /// manager has opened.
        func addresses(of listeners: [Int32], activated: Int) -> [String] {
            resolved(listeners, activated).enumerated().map { index, address in
                Daemon.url(of: address, isSecure: secure.contains(index))
            }
        }

        fileprivate func resolved(_ listeners: [Int32], _ activated: Int) -> [ListenAddress] {
            let own = zip(listen, listeners.dropLast(activated)).map { $0.resolved(by: $1) }
            return own + listeners.suffix(activated).compactMap { ListenAddress(bound: $0) }
        }
    }

    private let options: Options
    /// What the process has of its supervisor; nil when it has none.
    private let seat: EngineSeat?

    package init(options: Options, seat: EngineSeat? = nil) {
        self.options = options
        self.seat = seat
    }

    /// Serves until SIGTERM or SIGINT, then drains; a second signal ends the process at once.
    ///
    /// Clients that come before the plugins are loaded wait in the listeners' backlog.
    ///
    /// - Parameter ready: told the addresses as URLs, or `unix:PATH`, once
    ///   requests are answered.
    /// - Throws: `listen_failed`, `root_locked`, or whatever keeps the host from starting. A plugin
    ///   that cannot be loaded does not.
    package func run(ready: ([String]) -> Void) async throws(HostError) {
        let log = HostLog(minimum: options.logLevel)
        let signals = Signals()
        DescriptorLimit.raise()
        let configuration = configuration
        let accessLog = try openAccessLog(configuration, log)
        let certificates = try options.readCertificates()
        let (server, application, addresses) = try makeServer(configuration, accessLog, log)
        if let certificates { server.secure(options.secure, by: certificates) }
        let keeper = certificates.map { CertificateKeeper($0, log: log) }
        var managerOptions = options.manager
        managerOptions.heldLock = seat?.lock
        let groups = findGroups()
        managerOptions.controlGroups = try? groups.get()
        let line = seat.map { _ in SupervisorLine() }
        if let seat, let line {
            managerOptions.onStuckThreads = { seat.tell(.replace) }
            line.open()
            ChildKeeper.shared.rely(on: line)
            managerOptions.inheritance = Inheritance(await line.survivors()) { line.claim($0) }
        }
        let manager = try await PluginManager(
            root: options.layout, options: managerOptions, server: server, log: log)
        if let crash = seat?.crash, try await manager.note(crash) { seat?.tell(.forgiven) }
        for line in Confinement.offered().lines {
            log.write(.info, "code that is not trusted is confined \(line)")
        }
        try tell(groups, log)
        let api = AdminAPI(
            manager: manager,
            processes: AdminAPI.Processes(supervisor: seat?.supervisor, engine: getpid()))
        let events = EventFeed(bus: manager.switchboard.events, journal: manager.journal)
        let metrics = MetricsEndpoint(manager, accessLog: accessLog)
        application.readiness = manager.readiness
        var admin = try makeAdmin(api, events, metrics, certificates, log)
        if let path = options.eventsPath {
            application.hostMounts.append(
                try HostMount(
                    path: path, "events", EventsEndpoint(events, alwaysStreams: true),
                    reactors: server.reactors.count))
        }
        if let path = options.metricsPath {
            application.hostMounts.append(
                try HostMount(path: path, "metrics", metrics, reactors: server.reactors.count))
        }
        try await manager.start()
        do throws(ServerError) {
            try server.start()
        } catch {
            throw HostError(error)
        }
        try admin.start()
        keeper?.watch()
        let urls = addresses.enumerated().map { index, address in
            Self.url(of: address, isSecure: options.secure.contains(index))
        }
        manager.announce(
            "started",
            ["version": .string(HostVersion.text), "listening": .array(urls.map { .string($0) })])
        obeySupervisor(line, signals, server, manager)
        seat?.tell(.ready)
        ready(urls)
        var hasSuccessor = false
        orders: for await order in signals.received {
            switch order {
            case .signal(SIGHUP):
                log.write(.info, "SIGHUP: looking for changes")
                await keeper?.look(isTold: true)
                await manager.lookForChanges()
                seat?.tell(.reloaded)
            case .signal(SIGUSR1):
                log.write(.info, "SIGUSR1: opening the access log again")
                accessLog?.reopen()
            case .signal(let number):
                log.write(.info, "signal \(number): stopping")
                break orders
            case .freeze:
                let former = admin
                // Operators wait in its backlog for whoever takes over.
                Task { await former.stop(isBequeathed: true) }
                await manager.freeze()
                seat?.tell(.frozen)
            case .thaw:
                try await manager.thaw(await line?.survivors() ?? [])
                admin = try makeAdmin(api, events, metrics, certificates, log)
                try admin.start()
            case .retire:
                log.write(.info, "another engine serves: taking leave")
                hasSuccessor = true
                await takeLeave(server)
                break orders
            }
        }
        signals.endsProcess()
        manager.readiness.set(.stopping)
        if options.stopDelaySeconds > 0, !hasSuccessor {
            log.write(
                .info, "going on for \(options.stopDelaySeconds) s, so that others hear of it")
            await Deadline.pause(for: .seconds(options.stopDelaySeconds))
        }
        manager.announce("stopping", ["version": .string(HostVersion.text)])
        events.end()
        log.feed.end()
        await admin.stop(isBequeathed: hasSuccessor)
        await server.stop(drainSeconds: Double(options.manager.shutdownDrainSeconds))
        await manager.stop()
        accessLog?.flush()
        log.write(.info, "stopped")
        log.flush()
    }

    private func findGroups() -> Result<ControlGroups, HostError> {
        do throws(HostError) {
            return .success(try ControlGroups(asked: options.controlGroup))
        } catch {
            return .failure(error)
        }
    }

    /// - Throws: why there are none, if the operator has asked for them.
    private func tell(
        _ groups: Result<ControlGroups, HostError>, _ log: HostLog
    ) throws(HostError) {
        do throws(HostError) {
            log.write(.info, try groups.get().told)
        } catch {
            guard options.controlGroup == nil else { throw error }
            let cure = error.remedy.isEmpty ? "" : "; " + error.remedy
            log.write(.info, "\(error.what): \(error.reasons.joined(separator: "; "))\(cure)")
        }
    }

    /// Has the supervisor's words taken as orders, and its questions answered.
    private func obeySupervisor(
        _ line: SupervisorLine?, _ signals: Signals, _ server: HTTPServer, _ manager: PluginManager
    ) {
        guard let seat else { return }
        line?.listen { word in
            switch word {
            case .ping:
                Task {
                    await server.forEachReactor { _ in }
                    await manager.answer()
                    seat.tell(.pong)
                }
            case .freeze: signals.give(.freeze)
            case .thaw: signals.give(.thaw)
            case .retire: signals.give(.retire)
            default: break
            }
        }
    }

    /// How long clients may take to find that their connection is not kept.
    private static let leaveSeconds = 10

    /// Gives clients the time to send one more request, which says that it is the last.
    private func takeLeave(_ server: HTTPServer) async {
        await server.beginLeaving()
        let end = ContinuousClock.now + .seconds(Self.leaveSeconds)
        while server.connectionCount > 0, ContinuousClock.now < end {
            await Deadline.pause(for: .milliseconds(20))
        }
    }

    private func makeAdmin(
        _ api: AdminAPI, _ events: EventFeed, _ metrics: MetricsEndpoint,
        _ certificates: TLSCertificates?, _ log: HostLog
    ) throws(HostError) -> AdminServer {
        let admin = try AdminServer(
            path: options.layout.socket, lent: seat?.admin, top: seat?.supervisor ?? getpid(),
            status: AdminAPI.httpStatus(of:),
            methods: AdminAPI.methods(of:)
        ) { request throws(HostError) in
            try await api.answer(
                request.method, request.path, request.body, query: request.query)
        }
        admin.add(EventsEndpoint(events, alwaysStreams: false), at: "/events")
        admin.add(LogEndpoint(log: log), at: "/logs")
        admin.add(metrics, at: "/metrics")
        let doors = try admin.open(
            options.adminDoors, lent: seat?.lentDoors ?? [], by: certificates)
        for door in doors { log.write(.info, "the admin interface is at \(door)") }
        return admin
    }

    fileprivate static func url(of address: ListenAddress, isSecure: Bool) -> String {
        switch address {
        case .ip: (isSecure ? "https://" : "http://") + address.description
        case .unix: "\(address)"
        }
    }

    private var configuration: ServerConfiguration {
        var configuration = ServerConfiguration()
        if let threads = options.threads { configuration.reactorCount = threads }
        configuration.inlineBudgetMilliseconds = options.manager.inlineBudgetMilliseconds
        configuration.reportsExchanges = options.accessLog != nil
        return configuration
    }

    private func openAccessLog(
        _ configuration: ServerConfiguration, _ log: HostLog
    ) throws(HostError) -> AccessLog? {
        guard let path = options.accessLog else { return nil }
        return try AccessLog(
            path: path, format: options.accessLogFormat, reactors: configuration.reactorCount,
            log: log)
    }

    private func makeServer(
        _ configuration: ServerConfiguration, _ accessLog: AccessLog?, _ log: HostLog
    ) throws(HostError) -> (HTTPServer, PluginApplication, [ListenAddress]) {
        let application = PluginApplication(
            bodyBytesMax: configuration.bodyBytesMax, accessLog: accessLog
        ) { fault in
            log.write(
                fault.level, "\(fault.route): \(fault.what)",
                about: HostLog.Subject(
                    plugin: fault.name.text, version: fault.version.description,
                    generation: fault.generation))
        }
        do throws(ServerError) {
            let server = try HTTPServer(configuration: configuration, application: application)
            guard let seat else {
                return (server, application, try server.listen(options.listen))
            }
            try server.adopt(seat.listeners)
            return (
                server, application, options.resolved(seat.listeners, seat.activated)
            )
        } catch {
            throw HostError(error)
        }
    }
}

/// The signals that a daemon is told things with, as a stream.
private final class Signals: Sendable {
    /// What the daemon is to do.
    enum Order: Sendable {
        case signal(Int32)
        case freeze, thaw, retire
    }

    let received: AsyncStream<Order>
    private let continuation: AsyncStream<Order>.Continuation
    // because sources are thread-safe, and stay for the life of the process
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    init() {
        let (received, continuation) = AsyncStream.makeStream(of: Order.self)
        self.received = received
        self.continuation = continuation
        signal(SIGPIPE, SIG_IGN)
        let queue = DispatchQueue(label: "plugin-host.signals")
        unsafe sources = [SIGTERM, SIGINT, SIGHUP, SIGUSR1].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { continuation.yield(.signal(number)) }
            source.activate()
            return source
        }
    }

    func give(_ order: Order) { continuation.yield(order) }

    /// From now on SIGTERM and SIGINT end the process as they do by default.
    func endsProcess() {
        for source in unsafe sources { source.cancel() }
        for number in [SIGTERM, SIGINT] { signal(number, SIG_DFL) }
    }
}
