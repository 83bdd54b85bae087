import Confinement
import Foundation
import Testing

/// A hostile fixture tries each thing that a confined process must not be able to do; what came of
/// it is compared line by line.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct SandboxTests {
    typealias Mechanism = ConfinementReport.Mechanism

    /// What is expected of an attempt where the kernel offers one of some mechanisms; where it
    /// offers none of them, the report has said so.
    struct Expectation {
        let attempt: String
        let result: String
        let by: Set<Mechanism>
    }

    static func expect(
        _ result: String, by mechanisms: Set<Mechanism>, _ attempts: String...
    ) -> [Expectation] {
        attempts.map { Expectation(attempt: $0, result: result, by: mechanisms) }
    }

    /// What holds for every confined process.
    static let common =
        expect("none", by: [.descriptors], "descriptors of the host")
        + expect(
            "denied", by: [.files], "read /etc/shadow", "read the journal", "write the journal",
            "read another plugin's data", "list the plugins", "write into another plugin",
            "write outside", "remove the journal", "make a link to the journal",
            "read the environment of process 1", "open the memory of process 1",
            "open the memory of the parent", "open the kernel's log")
        + expect(
            "denied", by: [.systemCalls], "tcp socket", "ipv6 socket", "netlink socket",
            "packet socket", "vsock socket", "connect to the host's socket",
            "read the parent's memory", "trace the parent", "mount", "unmount", "change the root",
            "unshare", "clone into a namespace", "load a bpf program", "perf events", "io_uring",
            "keys", "userfaultfd", "set the clock", "type into a terminal")
        + expect(
            "bounded", by: [.limits], "memory hog", "descriptor hog", "thread hog")
        + expect("denied", by: [.limits], "write a large file")
        + expect("allowed", by: [.limits], "listen on its own unix socket", "signal itself")

    static func check(_ table: String, _ expectations: [Expectation]) {
        let offered = Set(Confinement.offered().applied)
        var results: [String: String] = [:]
        for line in table.split(separator: "\n") {
            guard let colon = line.range(of: ": ") else { continue }
            results[String(line[..<colon.lowerBound])] = String(line[colon.upperBound...])
        }
        for expected in expectations {
            let result = results[expected.attempt]
            if offered.isDisjoint(with: expected.by) {
                let absent = Confinement.offered().missing.map(\.mechanism)
                #expect(Set(absent).isSuperset(of: expected.by), "\(expected.attempt)")
            } else {
                #expect(
                    result?.hasPrefix(expected.result) == true,
                    "\(expected.attempt): \(result ?? "not tried")\n\(table)")
            }
        }
    }

    /// A root with a journal, another plugin's data and the hostile one's own directory.
    static func makeRoot() throws -> (TemporaryDirectory, own: String) {
        let root = try TemporaryDirectory()
        let own = root("plugins/hostile/run")
        for path in [own, root("plugins/other/sqlite")] {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        }
        for path in [root("host.db"), root("plugins/other/sqlite/data")] {
            try "secret".write(toFile: path, atomically: false, encoding: .utf8)
        }
        return (root, own)
    }

    static func buildProgram(in directory: String) throws -> String {
        let program = directory + "/hostile"
        try Command.succeed([
            "/usr/bin/cc", "-std=c11", "-DHOSTILE_PROGRAM", "-pthread",
            "\(Repository.path)/Tests/Fixtures/plugins/hostile.c", "-o", program,
        ])
        return program
    }

    @Test func program_getsNothingThatItWasNotGiven() throws {
        let (root, own) = try Self.makeRoot()
        let program = try Self.buildProgram(in: root("plugins/hostile"))
        var confinement = Confinement(readable: [root("plugins/hostile")], writable: [own])
        confinement.descriptors = []
        confinement.limits.memoryBytesMax = 1 << 30
        confinement.limits.descriptorsMax = 256
        confinement.limits.fileBytesMax = 1 << 30
        let command = try Command.run(
            [HostProcess.binary, "confine"] + confinement.arguments + [program, root.path, own])
        #expect(command.status == 0, "\(command)")
        Self.check(
            command.errors,
            Self.common
                + Self.expect("allowed", by: [.limits], "write its own file", "fork")
                + Self.expect("denied", by: [.signals], "signal the parent", "signal process 1"))
        #expect(FileManager.default.fileExists(atPath: root("host.db")))
    }

    @Test func network_isThere_whenItIsGranted() throws {
        let (root, own) = try Self.makeRoot()
        let program = try Self.buildProgram(in: root("plugins/hostile"))
        var confinement = Confinement(readable: [root("plugins/hostile")], writable: [own])
        confinement.hasNetwork = true
        let command = try Command.run(
            [HostProcess.binary, "confine"] + confinement.arguments + [program, root.path, own])
        Self.check(
            command.errors,
            Self.expect("allowed", by: [.limits], "tcp socket", "tcp bind")
                + Self.expect("denied", by: [.systemCalls], "packet socket", "vsock socket")
                + Self.expect("denied", by: [.files], "read the journal"))
    }

    @Test func confine_saysWhatIsWrong() throws {
        let usage = try Command.run([HostProcess.binary, "confine", "--read"])
        #expect(usage.status == 2 && usage.errors.contains("usage"), "\(usage)")
        let path = try Command.run([
            HostProcess.binary, "confine", "--read", "/there/is/nothing", "--", "true",
        ])
        #expect(path.status == 126 && path.errors.contains("/there/is/nothing"), "\(path)")
        let program = try Command.run([HostProcess.binary, "confine", "--", "/bin/no-such-program"])
        #expect(program.status == 127 && program.errors.contains("no-such-program"), "\(program)")
    }

    @Test func serve_saysHowCodeIsConfined() throws {
        let host = try HostProcess(try Root())
        for line in Confinement.offered().lines {
            #expect(host.log.contains("confined \(line)"), "\(host.log)")
        }
    }
}
