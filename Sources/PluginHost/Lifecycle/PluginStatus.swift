package import HostModel
internal import Synchronization

/// What there is to know about one installed plugin at one moment, for `host status` and the admin
/// interface.
package struct PluginStatus: Sendable {
    package enum State: String, Sendable, CaseIterable {
        /// It serves.
        case active
        /// It is installed, and told not to run.
        case inactive
        /// It is installed, and disabled by the operator's configuration.
        case disabled
        /// It should serve and cannot; `lastError` says why.
        case failed
        /// It should serve, and has done harm; `quarantine` says what.
        case quarantined
        /// It should serve, and waits for what it requires; `dependencies` say for what.
        case blocked
        /// It is being loaded for the first time.
        case loading
        /// It no longer serves; its last requests are being finished.
        case draining
    }

    /// Whether the host expects to be able to unload the image, from looking at the file alone.
    package struct Expectation: Sendable {
        /// `close`, `pin` or `isolate`.
        package var verdict: String
        package var reasons: [String]
    }

    /// How the plugin says it is.
    package struct Health: Sendable {
        /// `ok`, `degraded` or `unhealthy`.
        package var state: String
        package var reason: String
    }

    /// What the image that serves goes by.
    package struct Configuration: Sendable {
        /// 0 when no image serves.
        package var revision: UInt64
        /// Why the files' newer one does not count.
        package var error: HostError?
    }

    /// An image of the plugin that is in memory, and what keeps it there.
    package struct Image: Sendable {
        package enum Use: String, Sendable, CaseIterable {
            case serving, standby, canary, draining, stopping, pinned
        }

        package var generation: Int
        package var version: String
        package var use: Use
        /// Requests that it has not completed.
        package var inFlight: Int
        /// WebSockets that it has not released.
        package var sockets: Int
        /// Threads that it started and that live: `name (tid)`.
        package var threads: [String]
        /// pthread keys that it holds.
        package var keys: Int
        /// Why it is still loaded, a line each.
        package var reasons: [String]
    }

    /// A release on the disk.
    package struct Version: Sendable {
        /// `NAME@VERSION`.
        package var id: String
        package var version: PluginVersion
        package var isInForce: Bool
    }

    /// How the calls of the image that serves go.
    package struct Work: Sendable {
        /// The routes that run on the plugin's pool.
        package var pooledRoutes: [String]
        package var poolThreads: Int
        /// Requests that wait for a thread of the pool.
        package var poolWaiting: Int
        /// Calls that lost a reactor its thread.
        package var overruns: Int
        /// Requests whose response did not begin in time.
        package var timeouts: Int
        /// Requests that were refused because the plugin had enough.
        package var rejected: Int
    }

    /// A new generation that gets a share of the connections first.
    package struct Canary: Sendable {
        package var generation: Int
        package var policy: CanaryPolicy
        package var elapsedSeconds: Double
        /// What it has answered, and what the one that serves has meanwhile.
        package var figures: CanaryPolicy.Figures
        package var formerFigures: CanaryPolicy.Figures
    }

    /// What reloading has cost so far.
    package struct Reloads: Sendable {
        /// Images of this plugin that were taken out of service since the host started.
        package var count: Int
        /// Heap bytes of the process that were not given back, for each of them, on average over
        /// the later half at least.
        package var bytesEach: Int?
        /// Heap bytes that were in use in the process after the last of them.
        package var heapBytes: Int?
        /// From the first look at the new file to its first place in the dispatch table.
        package var lastMilliseconds: Double?
    }

    package var name: PluginName
    package var version: String
    package var description: String
    package var state: State
    package var mode: PluginMode
    /// Why it runs there; nil when it has done so since it was installed.
    package var modeReason: String?
    /// Of the image that serves; 0 when none does.
    package var generation: Int
    /// SHA-256 of the library that serves, or that would be loaded.
    package var digest: String
    /// `METHOD path`, with the mount in front.
    package var routes: [String]
    /// Where operators have mounted it beside `/plugin/NAME`.
    package var mounts: [MountAddress]
    package var inFlight: Int
    /// WebSockets of all its images that have not been released.
    package var sockets: Int
    package var unload: Expectation?
    /// How the last image that was taken out of service went.
    package var lastUnload: UnloadReport?
    /// `ok`, `degraded` or `unhealthy`, and why; nil when the plugin does not say.
    package var health: Health?
    package var lastError: HostError?
    package var dependencies: Dependencies
    /// The services that it asks for.
    package var services: ServiceGrants
    /// Nil when there is none.
    package var configuration: Configuration?
    /// What was found of the signature of the release in force; nil: nobody has looked.
    package var signature: SignatureNote?
    /// Why it is kept from serving; nil when it is not.
    package var quarantine: Quarantine?
    package var images: [Image]
    /// What the operator wants of its processes; nil where the host confines none.
    var confinement: ConfinementChoice?
    /// The processes of the generation that serves; none when it runs in the host.
    var workers: [WorkerStatus] = []
    /// The releases on the disk, as they came.
    package var versions: [Version]
    /// Nil when no image serves.
    package var work: Work?
    /// Nil when none is being tried.
    package var canary: Canary?
    package var reloads: Reloads
}

extension PluginStatus {
    /// The status as the admin interface sends it and `--json` prints it.
    package var json: JSONValue {
        var object: JSONObject = [
            "name": .string(name.text),
            "version": .string(version),
            "description": .string(description),
            "state": .string(state.rawValue),
            "mode": .string(mode.rawValue),
            "mode_reason": modeReason.map { .string($0) } ?? .null,
            "generation": .number(JSONNumber(generation)),
            "digest": .string(digest),
            "routes": .strings(routes),
            "mounts": .array(mounts.map(\.json)),
            "in_flight": .number(JSONNumber(inFlight)),
            "sockets": .number(JSONNumber(sockets)),
        ]
        object["unload"] =
            unload.map {
                ["verdict": .string($0.verdict), "reasons": .strings($0.reasons)]
            } ?? .null
        object["last_unload"] = lastUnload?.json ?? .null
        object["health"] =
            health.map { ["state": .string($0.state), "reason": .string($0.reason)] } ?? .null
        object["last_error"] = lastError?.json["error"] ?? .null
        dependencies.write(to: &object)
        object["services"] = [
            "asked": .strings(services.asked), "granted": .strings(services.granted),
            "denied": .strings(services.denied), "unknown": .strings(services.unknown),
        ]
        object["configuration"] =
            configuration.map {
                [
                    "revision": .number(JSONNumber($0.revision)),
                    "error": $0.error?.json["error"] ?? .null,
                ]
            } ?? .null
        object["signature"] = signature?.json ?? .null
        object["quarantine"] = quarantine?.json ?? .null
        object["confinement"] = confinement.map { .string($0.rawValue) } ?? .null
        object["images"] = .array(images.map(\.json))
        object["workers"] = .array(workers.map(\.json))
        object["versions"] = .array(versions.map(\.json))
        object["work"] = work?.json ?? .null
        object["canary"] = canary?.json ?? .null
        object["reloads"] = [
            "count": .number(JSONNumber(reloads.count)),
            "bytes_each": reloads.bytesEach.map { .number(JSONNumber($0)) } ?? .null,
            "heap_bytes": reloads.heapBytes.map { .number(JSONNumber($0)) } ?? .null,
            "last_milliseconds": reloads.lastMilliseconds.map { .milliseconds($0) } ?? .null,
        ]
        return .object(object)
    }
}

extension PluginStatus.Work {
    init(_ generation: Generation) {
        let (threads, waiting) = generation.pool.figures
        self.init(
            pooledRoutes: generation.pooledRoutes.map(\.description), poolThreads: threads,
            poolWaiting: waiting,
            overruns: generation.figures.overruns.load(ordering: .relaxed),
            timeouts: generation.figures.timeouts.load(ordering: .relaxed),
            rejected: generation.figures.rejected.load(ordering: .relaxed))
    }

    fileprivate var json: JSONValue {
        [
            "pooled_routes": .strings(pooledRoutes),
            "pool_threads": .number(JSONNumber(poolThreads)),
            "pool_waiting": .number(JSONNumber(poolWaiting)),
            "overruns": .number(JSONNumber(overruns)),
            "timeouts": .number(JSONNumber(timeouts)),
            "rejected": .number(JSONNumber(rejected)),
        ]
    }
}

extension PluginStatus.Canary {
    init(_ trial: CanaryTrial, at now: ContinuousClock.Instant) {
        self.init(
            generation: trial.image.loaded.number, policy: trial.policy,
            elapsedSeconds: trial.elapsedSeconds(at: now), figures: trial.figures,
            formerFigures: trial.formerFigures)
    }

    /// In words.
    var told: String {
        let left = max(0, Double(policy.seconds) - elapsedSeconds).rounded(.up)
        return "it gets \(policy.percent) of 100 connections for \(Int(left)) s more;"
            + " \(figures.errors) of \(figures.requests) requests failed"
    }

    fileprivate var json: JSONValue {
        [
            "generation": .number(JSONNumber(generation)), "policy": policy.json,
            "elapsed_seconds": .milliseconds(elapsedSeconds),
            "requests": .number(JSONNumber(figures.requests)),
            "errors": .number(JSONNumber(figures.errors)),
            "former_requests": .number(JSONNumber(formerFigures.requests)),
            "former_errors": .number(JSONNumber(formerFigures.errors)),
        ]
    }
}

extension PluginStatus.Version {
    fileprivate var json: JSONValue {
        [
            "id": .string(id),
            "version": .string(version.version.description),
            "status": .string(version.status.rawValue),
            "in_force": .bool(isInForce),
            "generation": .number(JSONNumber(version.generation)),
            "release": .string(version.directory),
            "digest": .string(version.bundleDigest.hex),
        ]
    }
}

extension PluginStatus.Image {
    fileprivate var json: JSONValue {
        [
            "generation": .number(JSONNumber(generation)),
            "version": .string(version),
            "use": .string(use.rawValue),
            "in_flight": .number(JSONNumber(inFlight)),
            "sockets": .number(JSONNumber(sockets)),
            "threads": .strings(threads),
            "keys": .number(JSONNumber(keys)),
            "reasons": .strings(reasons),
        ]
    }
}

extension WorkerStatus {
    fileprivate var json: JSONValue {
        [
            "pid": pid.map { .number(JSONNumber($0)) } ?? .null, "state": .string(state.rawValue),
            "restarts": .number(JSONNumber(restarts)),
            "uptime": .milliseconds(uptime / .seconds(1)),
        ]
    }
}

extension JSONValue {
    static func strings(_ values: [String]) -> JSONValue {
        .array(values.map { .string($0) })
    }

    /// To a microsecond.
    fileprivate static func milliseconds(_ value: Double) -> JSONValue {
        .init(floatLiteral: (value * 1_000).rounded() / 1_000)
    }
}
