import CPluginABI
import HostModel

/// Hooks on what the manager does.
extension PluginManager {
    /// How long the hooks of one point may take together to enter, and again to leave.
    private static let hooksWithin = Duration.seconds(10)

    /// Lets the reactors know of hooks that a plugin has added while it serves.
    func publishHooks() async {
        guard batch == nil else { return }
        await publishTable()
    }

    /// What hooks are shown of something that is done to a plugin.
    static func shown(
        _ name: PluginName, version: SemanticVersion, digest: Digest, generation: Int? = nil
    ) -> JSONObject {
        var object: JSONObject = [
            "plugin": .string(name.text), "version": .string(version.description),
            "digest": .string(digest.hex),
        ]
        object["generation"] = generation.map { .number(JSONNumber($0)) }
        return object
    }

    /// Does something between the hooks of a point. A plugin's own hooks are not asked about
    /// itself.
    ///
    /// - Parameters:
    ///   - what: the deed, as in `plugin "x" was not installed`.
    ///   - mayRefuse: whether a hook can prevent it.
    /// - Throws: `hook_refused` with the hook's reason; what `body` throws.
    func throughHooks<Value>(
        _ point: HookPoint, _ name: PluginName, _ what: String, _ payload: JSONObject,
        mayRefuse: Bool = true,
        _ body: nonisolated(nonsending) () async throws(HostError) -> Value
    ) async throws(HostError) -> Value {
        guard !point.isEmpty, let chain = point.hooks?.without(name) else {
            return try await body()
        }
        let run = ControlRun(PointRun(point, chain, plugin: name.text, text: .object(payload)))
        do throws(HostError) {
            try await enter(run, name, what)
        } catch {
            if mayRefuse { throw error }
            say(.warning, "\(error.what) all the same: \(error.reasons.joined())", name)
        }
        do throws(HostError) {
            let value = try await body()
            await leave(run, PH_OK)
            return value
        } catch {
            await leave(run, PH_FAILED)
            throw error
        }
    }

    /// Has the hooks enter, on a thread made for that; once one has refused, those that have
    /// entered leave again.
    private func enter(
        _ run: ControlRun, _ name: PluginName, _ what: String
    ) async throws(HostError) {
        let point = run.run.point.name
        let outcome = await LifecycleThread.run(
            "hook-\(point)", deadline: Self.hooksWithin,
            afterwards: { _ in _ = run.run.leave(ph_status(PH_FAILED)) },
            { run.run.enter() })
        switch outcome {
        case .finished(let status):
            guard status < PH_OK else { return }
            await leave(run, Int(status))
            throw Self.refused(name, what, run.run.refusal?.hook, run.run.refusal?.reason ?? "")
        case .late:
            run.isOver = true
            let seconds = Self.hooksWithin.components.seconds
            let reason = "it did not come back within \(seconds) s"
            let hook = run.run.calling
            if hook?.fail(reason) ?? true { throw Self.refused(name, what, hook, reason) }
        case .noThread: run.isOver = true
        }
    }

    private func leave(_ run: ControlRun, _ result: Int) async {
        guard !run.isOver else { return }
        run.isOver = true
        _ = await LifecycleThread.run("hook-\(run.run.point.name)", deadline: Self.hooksWithin) {
            run.run.leave(ph_status(result))
        }
    }

    private static func refused(
        _ name: PluginName, _ what: String, _ hook: RegisteredHook?, _ reason: String
    ) -> HostError {
        let other = hook?.member.name.text ?? "?"
        return HostError(
            "hook_refused", what: "plugin \"\(name)\" was not \(what)",
            why: "a hook of plugin \"\(other)\" says: "
                + (reason.isEmpty ? "no, without a reason" : reason),
            fix: "do what it asks for, or deactivate it: host deactivate \(other)")
    }
}

/// A run whose hooks enter and leave on threads made for that, and the work in between on the
/// control plane.
///
/// `@unchecked Sendable` because one after the other has it: the thread of those that enter, the
/// manager, the thread of those that leave. A thread that is late keeps it.
private final class ControlRun: @unchecked Sendable {
    let run: PointRun
    /// Whether nobody is to leave any more.
    var isOver = false

    init(_ run: PointRun) { self.run = run }
}

extension PointRun {
    /// A run with a JSON value as its payload.
    convenience init(_ point: HookPoint, _ chain: PointChain, plugin: String, text: JSONValue) {
        unsafe self.init(
            point, chain, plugin: plugin, payload: UnsafeRawBufferPointer(start: nil, count: 0))
        var text = text.text()
        _ = text.withUTF8 { unsafe take(UnsafeRawBufferPointer($0)) }
    }
}
