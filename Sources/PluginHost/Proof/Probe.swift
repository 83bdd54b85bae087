import CPluginABI
import Confinement
import DynamicLibrary
import Glibc
import HostModel

/// The proof before entry: what is to run in the host is first taken through its life in a process
/// of its own.
///
/// The child is this executable, run as `host probe`, which reads a `ProofOrder`. It prints one
/// line of JSON for each step and one at the end; a child that prints something else, dies or takes
/// too long has failed. It confines itself first: there is no network unless that is granted,
/// nothing to be written but directories of its own, no process to be started or signalled, and no
/// more than a share of the machine's memory. Where processes are granted, it is guarded by another
/// one, which ends whatever it leaves.
enum Probe {
    enum Key {
        static let manifest = "manifest"
        static let notes = "notes"
        static let remains = "remains"
        static let error = "error"
    }

    /// What a proof that was passed has told.
    struct Report: Sendable {
        /// What the code says of itself.
        var code: CodeManifest
        /// What was noticed and is no reason to refuse it.
        var notes: [String]
    }

    /// What is to be proven.
    struct Subject: Sendable {
        var manifest: Manifest
        var generation: UInt64
        /// The private copy.
        var library: String
        /// The file as the operator knows it.
        var path: String
        /// The files of the libraries that it needs.
        var needs: [String]
        /// Whether it is expected to unload; if not, the child does not try.
        var closes: Bool
    }

    /// Starts a child that waits for what it is to prove.
    static func standby(_ executable: String) -> StandbyProcess {
        StandbyProcess(
            ThrowawayProcess(
                executable: executable, arguments: ["probe"], environment: inherited))
    }

    /// Has a child take the steps, and returns what it told.
    ///
    /// - Parameters:
    ///   - standby: the child, if one has been started.
    ///   - plan: what it is started with; nil: it is only loaded and closed.
    ///   - seconds: how long it may take to load.
    ///   - afterwards: called once when nobody uses the plan any more, on a thread that may block.
    /// - Throws: `probe_failed` when the child crashed, hung or spoke nonsense; the child's own
    ///   error when it refused the image.
    nonisolated(nonsending) static func run(
        executable: String, _ standby: StandbyProcess?, _ subject: Subject, plan: ProofPlan?,
        seconds: Int, afterwards: @escaping @Sendable () -> Void = {}
    ) async throws(HostError) -> Report {
        let end = try await self.end(
            standby ?? self.standby(executable), subject, order(subject, plan, seconds), afterwards)
        let remains = end[Key.remains]?.array ?? []
        if !remains.isEmpty {
            // What it has begun may have kept it; what was only loaded has no excuse.
            _ = try await self.end(
                self.standby(executable), subject, order(subject, nil, seconds), {})
        }
        return Report(
            code: try CodeManifest(json: end[Key.manifest] ?? .null),
            notes: ((end[Key.notes]?.array ?? []) + remains).compactMap(\.string))
    }

    private static func order(_ subject: Subject, _ plan: ProofPlan?, _ seconds: Int) -> ProofOrder
    {
        let outfit = plan?.outfit
        let plugin = InstanceOrder(
            manifest: subject.manifest, generation: subject.generation, library: subject.library,
            digest: .none, granted: outfit?.granted ?? [],
            configuration: outfit?.configuration ?? ConfigurationSnapshot(crossing: [:]),
            seconds: outfit?.seconds ?? seconds)
        var order = ProofOrder(
            plugin, confinement: Confinement(readable: [subject.library] + subject.needs),
            keeps: !subject.closes, loadSeconds: seconds,
            life: plan.map {
                ProofOrder.Life(directory: $0.directory, asks: subject.manifest.proof.requests)
            })
        if let plan {
            order.confinement.readable.append(plan.outfit.release)
            order.confinement.writable.append(plan.directory.path)
            order.confinement.hasNetwork = plan.outfit.granted.contains(Permission.network)
            order.confinement.hasProcesses = plan.outfit.granted.contains(Permission.processes)
        }
        // The filter of system calls leaves no network; a namespace would cost more than the rest.
        order.confinement.usesNetworkNamespace = false
        order.confinement.limits = .throwaway
        order.confinement.limits.processorSecondsMax = UInt64(2 * order.seconds)
        return order
    }

    /// The last line of a child that has taken all its steps.
    private nonisolated(nonsending) static func end(
        _ child: StandbyProcess, _ subject: Subject, _ order: ProofOrder,
        _ afterwards: @escaping @Sendable () -> Void
    ) async throws(HostError) -> JSONValue {
        let outcome: ThrowawayProcess.Outcome
        do throws(LibraryError) {
            outcome = try await child.run(
                input: Array(JSONValue.object(order.json).text().utf8),
                deadline: .seconds(order.seconds),
                // Whoever guards it ends what it has started after it has said all.
                saysAll: order.confinement.hasProcesses ? nil : ProofVoice.saysAll,
                afterwards: afterwards)
        } catch {
            throw HostError(error)
        }
        let (step, end) = ProofVoice.hear(outcome.output)
        guard outcome.isSuccess else {
            throw failure(subject, step, "the process " + outcome.summary + lastWords(outcome))
        }
        guard let end else {
            let reason = "it ended the process before the proof was over"
            throw failure(subject, step, reason + lastWords(outcome))
        }
        guard end[Key.error] != nil else { return end }
        var error = try HostError(json: end)
        error.subject = subject.path
        guard error.code == lateCode else { throw error }
        error = failure(subject, step, (error.reasons.first ?? error.what) + lastWords(outcome))
        error.remedy = "make it return sooner, or raise limits.startSeconds; " + Self.wayAround
        throw error
    }

    /// Tells the host that a step does not come back.
    static func late(_ seconds: Int) -> HostError {
        HostError(
            lateCode, what: "a step of the proof took too long",
            why: "it did not come back within \(seconds) s")
    }

    static let lateCode: HostError.Code = "deadline_passed"

    private static func failure(
        _ subject: Subject, _ step: String?, _ reason: String
    ) -> HostError {
        let cure =
            switch step {
            case nil, "load": "look at its constructors: they crash, exit or hang"
            case "entry": "look at \(PH_ENTRY_SYMBOL): it crashes, exits or hangs"
            case let step?: "look at what it does in \(step) when its directories are empty"
            }
        return HostError(
            "probe_failed", what: "plugin \"\(subject.manifest.name)\" failed its proof",
            subject: subject.path, why: (step.map { "in \($0): " } ?? "") + reason,
            fix: cure + "; " + wayAround)
    }

    private static let wayAround = "host serve --no-proof lets it in all the same"

    private static func lastWords(_ outcome: ThrowawayProcess.Outcome) -> String {
        let text = String(decoding: outcome.errors.suffix(512), as: UTF8.self)
        let line = text.split(separator: "\n").last.map(String.init) ?? ""
        return line.isEmpty ? "" : "; it said: \(line)"
    }

    /// What the loader goes by in the host, it goes by in the child. A crash is told by its signal
    /// and what the plugin said, not by a report of the Swift runtime.
    private static let inherited: [String] = {
        let environment = ["SWIFT_BACKTRACE=enable=no"]
        guard let path = unsafe getenv("LD_LIBRARY_PATH") else { return environment }
        return unsafe environment + ["LD_LIBRARY_PATH=" + String(cString: path)]
    }()
}
