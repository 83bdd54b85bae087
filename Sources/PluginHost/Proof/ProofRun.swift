import DynamicLibrary
import Glibc
import HostModel

/// The child's part of a proof: the steps of a plugin's life, one after the other.
///
/// The services that the plugin was granted are the host's own, but nobody else is there: what it
/// publishes reaches only itself, calls find no other plugin, and its log is the standard error. A
/// step that fails in good order is only noted, because it may fail for that; the host takes the
/// same steps right after, and says so. A step that does not come back is a refusal, and a crash
/// tells itself.
final class ProofRun {
    private let library: String
    private let name: PluginName
    private let keeps: Bool
    private let voice: ProofVoice
    private let plan: ProofPlan?
    private let requests: ProofRequests?
    private let switchboard = Switchboard()
    private var notes: [String] = []

    /// Does all that must be done before the process is confined.
    ///
    /// - Parameters:
    ///   - keeps: whether the image is not to be closed.
    ///   - plan: what it is started with; nil: it is only loaded and closed.
    init(
        library: String, name: PluginName, keeps: Bool, voice: ProofVoice, plan: ProofPlan?
    ) throws(HostError) {
        self.library = library
        self.name = name
        self.keeps = keeps
        self.voice = voice
        self.plan = plan
        if let plan, plan.asks {
            requests = try ProofRequests(in: plan.directory.run)
        } else {
            requests = nil
        }
    }

    /// Takes the steps and returns the report.
    ///
    /// - Throws: what speaks against the plugin.
    func carryOut() async throws(HostError) -> JSONValue {
        let loaded = try await open()
        let code = loaded.code.manifest
        if let plan {
            do throws(HostError) {
                try await live(loaded, seconds: plan.outfit.seconds)
            } catch {
                if loaded.stuckReason != nil { throw Probe.late(plan.outfit.seconds) }
                if error.code == Probe.lateCode { throw error }
                notes.append(([error.what] + error.reasons).joined(separator: ": "))
            }
            switchboard.withdraw(loaded.member)
        }
        var remains: [String] = []
        if !keeps {
            let seconds = plan?.outfit.seconds ?? Self.forever
            let report = await loaded.close(seconds: seconds)
            if loaded.stuckReason != nil { throw Probe.late(seconds) }
            if !report.isUnloaded {
                remains = report.reasons.map { "it stayed in memory: \($0)" }
            }
            guard report.isUnloaded || plan != nil else {
                throw HostError(
                    "does_not_unload", what: "the image stayed in memory after it was closed",
                    subject: library, why: report.reasons,
                    fix: "see what it leaves behind: threads, destructors, handlers")
            }
        }
        return [
            Probe.Key.manifest: code.json, Probe.Key.notes: .strings(notes),
            Probe.Key.remains: .strings(remains),
        ]
    }

    /// The host's own deadline is what counts.
    private static let forever = 86_400

    // MARK: - Steps

    private func open() async throws(HostError) -> LoadedPlugin {
        let inspection: ImageInspection
        let copy: PrivateCopy
        do throws(LibraryError) {
            // The host has looked for what the file needs; here it is only loaded.
            inspection = try ImageInspection.inspect(library, search: nil)
            copy = try PrivateCopy(lentAt: library)
        } catch {
            throw HostError(error)
        }
        let staged = StagedLibrary(
            name: name, generation: plan?.generation ?? 1, copy: copy,
            digest: SHA256.digest(of: []), inspection: inspection, manifest: try manifest())
        let voice = voice
        let seconds = plan?.loadSeconds ?? Self.forever
        do throws(HostError) {
            return try await LoadedPlugin.open(
                staged, directory: plan?.directory ?? PluginDirectory(path: "/", name: name),
                granted: plan?.outfit.granted ?? [], switchboard: switchboard,
                configuration: configuration, log: log, seconds: seconds, comparing: plan != nil,
                onStep: { voice.begin($0) }, onDenial: { _, _ in })
        } catch {
            throw error.code == Probe.lateCode ? Probe.late(seconds) : error
        }
    }

    private var log: HostLog {
        HostLog(minimum: plan == nil ? .error : .info) { level, message, _ in
            ProofVoice.complain("\(level.name): \(message)")
        }
    }

    private func manifest() throws(HostError) -> Manifest {
        guard let plan else {
            return Manifest(
                name: name, version: SemanticVersion(0, 0, 0),
                abi: ABIVersion(rawValue: HostVersion.abi),
                library: Manifest.Library(file: library))
        }
        let path = plan.outfit.release + "/manifest.json"
        let file = try Descriptor(opening: path, flags: O_RDONLY)
        var manifest = try Manifest(
            parsing: try file.readAll(bytesMax: Self.manifestBytesMax), source: path)
        // Here it is the proof that waits, not a client.
        manifest.limits.requestSeconds = 0
        manifest.routes = manifest.routes?.map { route in
            var route = route
            route.requestSeconds = nil
            return route
        }
        return manifest
    }

    private static let manifestBytesMax = 16 << 20

    private var configuration: ConfigurationSnapshot {
        ConfigurationSnapshot(
            ResolvedConfiguration(
                document: ResolvedConfiguration.empty.document, schema: nil,
                json: plan?.outfit.configuration ?? [:], secrets: [], warnings: []), revision: 1)
    }

    /// From init to stop.
    private func live(_ loaded: LoadedPlugin, seconds: Int) async throws(HostError) {
        let member = loaded.member
        let tree = try RouteTree(compiling: loaded.routes)
        try await loaded.initialize(seconds: seconds)
        let generation = loaded.generation(
            tree, reactors: 1, limits: WorkLimits().changed(by: loaded.manifest.limits))
        member.pool = generation.pool
        member.generation = generation
        try await loaded.start(seconds: seconds)
        switchboard.replace(nil, with: member)
        if let (health, reason) = await loaded.checkHealth(seconds: seconds) {
            if loaded.stuckReason != nil { throw Probe.late(seconds) }
            if health == .unhealthy {
                notes.append("it was unhealthy" + (reason.isEmpty ? "" : ": \(reason)"))
            }
        }
        if let requests {
            let voice = voice
            notes += try await requests.send(to: generation, seconds: seconds) { voice.begin($0) }
        }
        // Its methods are inside until nobody can call them.
        switchboard.withdraw(member)
        member.gate.close()
        _ = await member.gate.waitUntilEmpty(deadline: .seconds(seconds))
        member.calls.end()
        try await loaded.stop(seconds: seconds)
        _ = await generation.pool.end(within: .seconds(seconds))
    }
}
