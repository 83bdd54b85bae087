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
    private let order: ProofOrder
    private let voice: ProofVoice
    private let switchboard = Switchboard()
    private var notes: [String] = []

    init(_ order: ProofOrder, voice: ProofVoice) {
        self.order = order
        self.voice = voice
    }

    /// Takes the steps and returns the report.
    ///
    /// - Throws: what speaks against the plugin.
    func carryOut() async throws(HostError) -> JSONValue {
        let loaded = try await open()
        let code = loaded.code.manifest
        let seconds = order.plugin.seconds
        if let life = order.life {
            do throws(HostError) {
                try await live(loaded, seconds: seconds, asks: life.asks)
            } catch {
                if loaded.stuckReason != nil { throw Probe.late(seconds) }
                if error.code == Probe.lateCode { throw error }
                notes.append(([error.what] + error.reasons).joined(separator: ": "))
            }
            switchboard.withdraw(loaded.member)
        }
        var remains: [String] = []
        if !order.keeps {
            let seconds = order.life == nil ? Self.forever : seconds
            let report = await loaded.close(seconds: seconds)
            if loaded.stuckReason != nil { throw Probe.late(seconds) }
            if !report.isUnloaded {
                remains = report.reasons.map { "it stayed in memory: \($0)" }
            }
            guard report.isUnloaded || order.life != nil else {
                throw HostError(
                    "does_not_unload", what: "the image stayed in memory after it was closed",
                    subject: order.plugin.library, why: report.reasons,
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
        var plugin = order.plugin
        // Here it is the proof that waits, not a client.
        plugin.manifest.limits.requestSeconds = 0
        plugin.manifest.routes = plugin.manifest.routes?.map { route in
            var route = route
            route.requestSeconds = nil
            return route
        }
        let voice = voice
        let seconds = order.life == nil ? Self.forever : order.loadSeconds
        do throws(HostError) {
            return try await LoadedPlugin.open(
                try plugin.staged(),
                directory: order.life?.directory
                    ?? PluginDirectory(path: "/", name: plugin.manifest.name),
                granted: plugin.granted, switchboard: switchboard,
                configuration: plugin.configuration, log: log, seconds: seconds,
                comparing: order.life != nil, onStep: { voice.begin($0) }, onDenial: { _, _ in })
        } catch {
            throw error.code == Probe.lateCode ? Probe.late(seconds) : error
        }
    }

    private var log: HostLog {
        HostLog(minimum: order.life == nil ? .error : .info) { level, message, _ in
            ProofVoice.complain("\(level.name): \(message)")
        }
    }

    /// From init to stop.
    private func live(
        _ loaded: LoadedPlugin, seconds: Int, asks: Bool
    ) async throws(HostError) {
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
        if asks {
            let voice = voice
            notes += try await ProofRequests.send(to: generation, seconds: seconds) {
                voice.begin($0)
            }
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
