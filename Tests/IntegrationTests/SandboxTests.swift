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
            "open the memory of the parent", "open the kernel's log", "list the processes")
        + expect(
            "denied", by: [.systemCalls], "netlink socket", "packet socket", "vsock socket",
            "connect to the host's socket", "command the host", "command the host as an orphan",
            "read the parent's memory", "trace the parent", "mount",
            "unmount", "change the root", "unshare", "clone into a namespace", "load a bpf program",
            "perf events", "io_uring",
            "keys", "userfaultfd", "set the clock", "type into a terminal")
        + expect(
            "bounded", by: [.limits], "memory hog", "descriptor hog", "thread hog")
        + expect("denied", by: [.limits], "write a large file")
        + expect(
            "allowed", by: [.limits], "listen on its own unix socket", "signal itself",
            "look at its own thread")

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
            Self.common + Self.ofPrograms + Self.ofPlugins)
        #expect(FileManager.default.fileExists(atPath: root("host.db")))
    }

    /// What holds for a plugin that is a library, beside what is common.
    static let ofLibraries =
        expect(
            "denied", by: [.systemCalls], "fork", "execute a program", "join the parent's group",
            "tcp socket", "ipv6 socket")
        + expect("denied", by: [.files], "read the command line of process 1")

    /// What holds for a program, whose sockets lead nowhere.
    static let ofPrograms =
        expect("allowed", by: [.limits], "fork")
        + expect("allowed", by: [.networkNamespace], "tcp socket", "ipv6 socket")
        + expect("denied", by: [.networkNamespace], "tcp connect", "udp datagram")
        + expect("denied", by: [.ports], "tcp bind")

    /// What is denied to signals, and allowed to files, of whatever process of a plugin.
    static let ofPlugins =
        expect("allowed", by: [.limits], "write its own file")
        + expect("denied", by: [.signals], "signal the parent", "signal process 1")

    /// A host in which nothing but the attempts happens to a plugin.
    static func quietHost(_ root: Root, _ options: String...) throws -> HostProcess {
        try FileManager.default.createDirectory(
            atPath: root.plugin("other") + "/sqlite", withIntermediateDirectories: true)
        try "secret".write(
            toFile: root.plugin("other") + "/sqlite/data", atomically: false, encoding: .utf8)
        return try HostProcess(
            root,
            options: ["--ping-seconds", "0", "--monitor-seconds", "0", "--request-timeout", "0"]
                + options)
    }

    /// Whether threads of a plugin's process can gain privileges no more: a thread that was there
    /// before the process was confined would not be bound.
    static func areBound(_ root: Root, _ plugin: String) throws -> Set<Bool> {
        let pid = try #require(try root.status(plugin)["workers"][0]["pid"].number)
        let tasks = "/proc/\(Int(pid))/task"
        return try Set(
            FileManager.default.contentsOfDirectory(atPath: tasks).compactMap {
                // A thread may have ended meanwhile.
                try? String(contentsOfFile: "\(tasks)/\($0)/status", encoding: .utf8)
                    .contains("NoNewPrivs:\t1")
            })
    }

    /// What the kernel holds a plugin's process to, by name.
    static func limits(_ root: Root, _ plugin: String) throws -> [String: String] {
        let pid = try #require(try root.status(plugin)["workers"][0]["pid"].number)
        let text = try String(contentsOfFile: "/proc/\(Int(pid))/limits", encoding: .utf8)
        var limits: [String: String] = [:]
        for line in text.split(separator: "\n").dropFirst() {
            let name = line.prefix(26).trimmingCharacters(in: .whitespaces)
            limits[name] = line.dropFirst(26).split(separator: " ").first.map(String.init)
        }
        return limits
    }

    /// Packs the hostile program as a plugin.
    static func programBundle(_ directory: TemporaryDirectory) throws -> String {
        let path = directory("bundle")
        try FileManager.default.createDirectory(
            atPath: path + "/lib", withIntermediateDirectories: true)
        _ = try buildProgram(in: path + "/lib")
        try """
        {"name": "hostile", "version": "1.0.0", "abi": "1.0", "mode": "process",
         "process": {"command": ["lib/hostile"]}}
        """.write(toFile: path + "/manifest.json", atomically: false, encoding: .utf8)
        try Fixtures.pack(path, as: directory("bundle.tar.gz"))
        return directory("bundle.tar.gz")
    }

    @Test func isolatedPlugin_getsNothingThatItWasNotGiven_andThatIsWhatTheReadmeSays() throws {
        let root = try Root()
        let host = try Self.quietHost(root)
        try root.must("install", Fixtures.bundle("hostile"), "--mode", "isolated")
        #expect(try root.status("hostile")["confinement"].string == "default")
        #expect(try Self.areBound(root, "hostile") == [true])
        if Confinement.offered().applied.contains(.networkNamespace) {
            let pid = try #require(try root.status("hostile")["workers"][0]["pid"].number)
            let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
            #expect(
                try FileManager.default.destinationOfSymbolicLink(
                    atPath: "/proc/\(Int(pid))/ns/net") != own)
        }
        let library = try host.get("/plugin/hostile/api/attempts").text
        Self.check(library, Self.common + Self.ofLibraries + Self.ofPlugins)
        #expect(FileManager.default.fileExists(atPath: root.path + "/host.db"))

        try root.must("remove", "hostile")
        let directory = try TemporaryDirectory()
        try root.must("install", try Self.programBundle(directory))
        let program = try host.get("/plugin/hostile/api/attempts").text
        Self.check(
            program,
            Self.common + Self.ofPrograms + Self.ofPlugins
                + Self.expect("allowed", by: [.limits], "read the command line of process 1"))
        try Self.checkReadme(library, program)
    }

    /// The README's table has a row for attempts with the same results: `| files | ATTEMPT,
    /// ATTEMPT, ... | RESULT | RESULT |`, of the library and of the program.
    static func checkReadme(_ library: String, _ program: String) throws {
        guard Confinement.offered().missing.isEmpty else { return }
        let readme = try String(contentsOfFile: "\(Repository.path)/README.md", encoding: .utf8)
        let head = try #require(readme.range(of: "| resource | attempt | library | program |\n"))
        var told = 0
        for line in readme[head.upperBound...].split(separator: "\n").dropFirst() {
            guard line.hasPrefix("| ") else { break }
            let cells = line.split(separator: "|").map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            try #require(cells.count == 4, "\(line)")
            for attempt in cells[1].components(separatedBy: ", ") {
                for (table, result) in [(library, cells[2]), (program, cells[3])]
                where result != "not tried" {
                    #expect(table.contains("\(attempt): \(result)"), "\(attempt)\n\(table)")
                }
                told += 1
            }
        }
        #expect(told > 40)
    }

    @Test func operator_decidesWhatIsGranted_andWhetherThereIsAnyConfinement() throws {
        let root = try Root()
        let host = try Self.quietHost(root, "--grant-default", "harmless")
        let draft = try DraftBundle(copying: "hostile")
        let text = String(decoding: try draft.read("manifest.json"), as: UTF8.self)
        let end = try #require(text.lastIndex(of: "}"))
        let members = """
            , "services": ["host.network/1", "host.processes/1"],
            "resources": {"descriptorsMax": 100, "memoryBytesMax": 67108864}
            """
        try draft.write("manifest.json", text[..<end] + members + text[end...])
        let bundle = try draft.pack()
        let told = try root.must("install", bundle, "--mode", "isolated")
        #expect(told.output.contains("it asks for host.network/1, which is not granted"), "\(told)")
        try root.must("grant", "hostile", "host.network/1", "host.processes/1")
        Self.check(
            try host.get("/plugin/hostile/api/attempts").text,
            Self.common.filter { !$0.attempt.contains("socket") }
                + Self.expect(
                    "allowed", by: [.limits], "tcp socket", "tcp bind", "ipv6 socket", "fork")
                + Self.expect("denied", by: [.systemCalls], "packet socket", "vsock socket"))

        // Twice what its manifest says, and of memory somewhat more.
        let limits = try Self.limits(root, "hostile")
        #expect(limits["Max open files"] == "200")
        #expect(limits["Max data size"] == "\(2 * (64 << 20) + 512 << 20)")
        #expect(limits["Max core file size"] == "0")
        #expect(try Self.areBound(root, "hostile") == [true])
        let off = try root.must("install", bundle, "--confine", "off")
        #expect(off.output.contains("NOT CONFINED"), "\(off)")
        #expect(try Self.areBound(root, "hostile") == [false])
        #expect(try root.status("hostile")["confinement"].string == "off")
        #expect(try root.must("status", "hostile").output.contains("NOT CONFINED"))
        #expect(host.log.contains("its processes are not confined"))
        #expect(try root.must("events", "--json").output.contains("confinement_chosen_v1"))
        // A choice outlives releases, and the host.
        try root.must("reload", "hostile", "--force")
        #expect(try Self.areBound(root, "hostile") == [false])
        #expect(try host.terminate() == 0)
        let again = try Self.quietHost(root)
        #expect(try Self.areBound(root, "hostile") == [false])
        try root.must("install", bundle, "--confine", "default")
        #expect(try Self.areBound(root, "hostile") == [true])
        #expect(try again.get("/plugin/hostile/api/hello").status == 200)
        withExtendedLifetime(draft) {}
    }

    @Test func plugin_getsNothingInItsProof_onWhateverThread() throws {
        let root = try Root()
        let host = try Self.quietHost(root)
        try root.must("install", Fixtures.bundle("sound"))
        let refusal = try root.host("install", Fixtures.bundle("hostile_in_proof"))
        expectRefusal(refusal, "in GET /attempts: ", "SIGABRT", "not denied:")
        let words = refusal.errors.components(separatedBy: "not denied:").last ?? ""
        let notDenied =
            words.split(separator: "\n").first?.split(separator: ";")
            .map { $0.trimmingCharacters(in: .whitespaces) } ?? []
        let offered = Set(Confinement.offered().applied)
        let expectations =
            Self.common + Self.ofLibraries + Self.ofPlugins
            + Self.expect("denied", by: [.files], "read the journal on another thread")
            + Self.expect("allowed", by: [.limits], "signal its threads")
        for expected in expectations where !offered.isDisjoint(with: expected.by) {
            #expect(
                notDenied.contains(expected.attempt) == (expected.result == "allowed"),
                "\(expected.attempt)\n\(refusal)")
        }
        #expect(try host.hello("sound") == hello)
        #expect(try root.list() == ["sound"])
    }

    @Test func environmentOfAProgram_doesNotCount_beforeItIsConfined() throws {
        // What the loader goes by would run in the process that confines itself.
        let directory = try TemporaryDirectory()
        let source = try directory.write(
            "early.c",
            Data(
                """
                #include <stdio.h>
                #include <sys/prctl.h>
                __attribute__((constructor)) static void tell(void) {
                    int bound = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
                    fprintf(stderr, "no new privileges: %d\\n", bound);
                }
                """.utf8))
        let bundle = try Self.programBundle(directory)
        let lib = directory("bundle") + "/lib"
        try Command.succeed([
            "/usr/bin/cc", "-shared", "-fPIC", source, "-o", lib + "/early.so",
        ])
        try """
        {"name": "hostile", "version": "1.0.0", "abi": "1.0", "mode": "process",
         "process": {"command": ["lib/hostile"], "environment": {"LD_PRELOAD": "lib/early.so"}}}
        """.write(
            toFile: directory("bundle") + "/manifest.json", atomically: false, encoding: .utf8)
        try FileManager.default.removeItem(atPath: bundle)
        try Fixtures.pack(directory("bundle"), as: bundle)
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", bundle)
        try eventually("it has spoken") { host.log.contains("no new privileges: ") }
        #expect(!host.log.contains("no new privileges: 0"), "\(host.log)")
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
