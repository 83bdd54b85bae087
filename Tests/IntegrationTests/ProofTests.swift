import Foundation
import Glibc
import Testing

/// New code is taken through its life in a process of its own before it enters the host: what
/// crashes or hangs there is refused by the step that it was in, and what serves goes on serving.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct ProofTests {
    /// A version of "step-fails" that ends the process in one step.
    struct Crash: CustomTestStringConvertible, Sendable {
        let fixture: String
        let mentions: [String]

        var testDescription: String { fixture }
    }

    static let crashes = [
        Crash(fixture: "crash_in_init", mentions: ["in init: ", "SIGSEGV"]),
        Crash(
            fixture: "crash_in_start", mentions: ["in start: ", "SIGABRT", "the tides are wrong"]),
        Crash(fixture: "crash_in_health", mentions: ["in health: ", "SIGILL"]),
        Crash(fixture: "crash_in_request", mentions: ["in GET /step: ", "SIGBUS"]),
        Crash(fixture: "crash_in_stop", mentions: ["in stop: ", "it ended the process"]),
        Crash(fixture: "crash_in_deinit", mentions: ["in deinit: ", "SIGKILL"]),
        Crash(
            fixture: "crash_in_unload",
            mentions: ["in unload: ", "SIGABRT", "the tides are wrong"]),
    ]

    @Test func crash_isRefusedByItsStep_andTheCurrentGenerationServesOn() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("step_fails"))
        let engine = host.engine
        for crash in Self.crashes {
            let refusal = try root.host("install", Fixtures.bundle(crash.fixture))
            expectRefusal(refusal, ["step-fails", "--no-proof"] + crash.mentions)
            try expectTheFirstServes(host, crash.fixture)
        }
        #expect(host.engine == engine)
        #expect(try proofs(of: "step-fails", root) == [])
    }

    static let hangs = ["entry", "init", "start", "health", "request", "stop", "deinit", "unload"]

    @Test(arguments: hangs)
    func hang_isRefusedByItsStep_andTheCurrentGenerationServesOn(_ step: String) throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("step_fails"))
        let draft = try hanging(in: step, seconds: 8)
        let refusal = try Command.run(
            [HostProcess.binary, "install", draft.pack(), "--root", root.path], within: 300)
        withExtendedLifetime(draft) {}
        let named = step == "request" ? "GET /step" : step
        expectRefusal(refusal, "step-fails", "in \(named): ", "--no-proof")
        try expectTheFirstServes(host, step)
        #expect(try proofs(of: "step-fails", root) == [])
    }

    /// A bundle that hangs in a step, and its deadline.
    private func hanging(in step: String, seconds: Int) throws -> DraftBundle {
        let draft = try DraftBundle(copying: "hang_in_\(step)")
        let manifest = String(decoding: try draft.read("manifest.json"), as: UTF8.self)
        try draft.write(
            "manifest.json",
            manifest.replacingOccurrences(
                of: #"{"name""#, with: #"{"limits":{"startSeconds":\#(seconds)},"name""#))
        return draft
    }

    private func expectTheFirstServes(_ host: HostProcess, _ story: String) throws {
        let answer = try host.get("/plugin/step-fails/api/version")
        #expect(answer.json?["version"].string == "1.0.0", "\(story): \(answer.text)")
        #expect(answer.json?["generation"].number == 1, "\(story): \(answer.text)")
        #expect(try host.root.status("step-fails")["version"].string == "1.0.0", "\(story)")
    }

    /// What proofs have left in the plugin's directory.
    private func proofs(of plugin: String, _ root: Root) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.plugin(plugin) + "/run")
            .filter { $0.hasPrefix("proof.") }
    }

    @Test func plugin_hasItsConfigurationAndEmptyDirectories_inItsProof() throws {
        let root = try Root()
        let host = try HostProcess(root, options: ["--no-proof"])
        try root.must("install", Fixtures.bundle("told_in_proof"))
        try Data("rows".utf8).write(
            to: URL(fileURLWithPath: root.plugin("told-in-proof") + "/sqlite/a.db"))
        try FileManager.default.createDirectory(
            atPath: root.path + "/config", withIntermediateDirectories: true)
        try #"{"plugins": {"told-in-proof": {"configuration": {"tide": "high"}}}}"#
            .write(toFile: root.path + "/config/local.json", atomically: true, encoding: .utf8)
        #expect(try host.terminate() == 0)

        // What has served before is known, also after a restart.
        let again = try HostProcess(root)
        #expect(try again.hello("told-in-proof") == hello)
        try root.must("reload", "told-in-proof")
        let status = try root.status("told-in-proof")
        #expect(status["state"].string == "active", "\(status)")

        let draft = try DraftBundle(copying: "told_in_proof")
        let library = URL(fileURLWithPath: draft.path + "/lib/libtold-in-proof.so")
        // What lies behind the sections is nobody's, and changes the digest.
        try (Data(contentsOf: library) + Data("changed".utf8)).write(to: library)
        expectRefusal(
            try root.host("install", draft.pack()), "in start: ", "SIGABRT", "tide high; 0 files;",
            "sqlite yes; events yes; temporary yes; page yes; page's place no")
        #expect(try again.hello("told-in-proof") == hello)
        let rows = try Data(
            contentsOf: URL(fileURLWithPath: root.plugin("told-in-proof") + "/sqlite/a.db"))
        #expect(rows == Data("rows".utf8))
    }

    @Test func hostThatIsKilledInAProof_leavesNoProcessAndNoDirectory() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("step_fails"))
        let draft = try hanging(in: "start", seconds: 300)
        let install = try ChildProcess([
            HostProcess.binary, "install", draft.pack(), "--root", root.path,
        ])
        let child = try eventually("the proof has begun") {
            try proofs(of: "step-fails", root).isEmpty
                ? nil : ProcessState(pid: host.engine).children.first
        }
        host.kill()
        try eventually("the proof is gone") { !ProcessState(pid: child).isAlive }
        install.kill()
        withExtendedLifetime(draft) {}
        #expect(try proofs(of: "step-fails", root) != [])
        let again = try HostProcess(root)
        try expectTheNextServes(again)
        #expect(try proofs(of: "step-fails", root) == [])
    }

    @Test func damagedLibrary_leavesNoProcessThatWaitsToProveIt() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("step_fails"))
        let url = URL(fileURLWithPath: root.library("step-fails"))
        let code = try Data(contentsOf: url)
        for round in 0..<3 {
            try Data("no library \(round)".utf8).write(to: url, options: .atomic)
            expectRefusal(try root.host("reload", "step-fails"), "ELF")
        }
        try expectTheFirstServes(host, "no library")
        try eventually("the last process that was to prove it is gone") {
            ProcessState(pid: host.engine).children.isEmpty
        }
        // What lies behind the sections is nobody's, and changes the digest.
        try (code + Data("changed".utf8)).write(to: url, options: .atomic)
        try root.must("reload", "step-fails")
        #expect(try root.status("step-fails")["generation"].number != 1)
        #expect(try proofs(of: "step-fails", root) == [])
        try eventually("the process of the proof is gone") {
            ProcessState(pid: host.engine).children.isEmpty
        }
    }

    @Test func hostThatIsKilledInAProof_leavesNothingOfWhatThePluginHasForked() throws {
        let root = try Root()
        let host = try HostProcess(root)
        let install = try ChildProcess([
            HostProcess.binary, "install", Fixtures.bundle("fork_in_start"), "--grant",
            "host.processes/1", "--root", root.path,
        ])
        let forked = try eventually("it has forked") { () -> pid_t? in
            let run = root.plugin("fork-in-start") + "/run"
            let proofs = (try? FileManager.default.contentsOfDirectory(atPath: run)) ?? []
            return proofs.lazy.compactMap { proof in
                try? String(contentsOfFile: "\(run)/\(proof)/run/forked", encoding: .utf8)
            }.first.flatMap { pid_t($0) }
        }
        #expect(ProcessState(pid: forked).isAlive)
        let family = ProcessState(pid: host.engine).children
        #expect(!family.isEmpty)
        host.kill()
        for pid in family + [forked] {
            try eventually("\(pid) is gone") { !ProcessState(pid: pid).isAlive }
        }
        install.kill()
    }

    private func expectTheNextServes(_ host: HostProcess) throws {
        let answer = try host.get("/plugin/step-fails/api/version")
        #expect(answer.json?["version"].string == "1.0.0", "\(answer.text)")
    }
}
