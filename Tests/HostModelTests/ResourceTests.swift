import HostModel
import Testing

@Suite struct ResourceTests {
    private func usage(
        cpu: Double = 0, memory: Int = 0, threads: Int = 0, descriptors: Int? = nil,
        inFlight: Int = 0
    ) -> ResourceUsage {
        ResourceUsage(
            cpuPercent: cpu, memoryBytes: memory, threads: threads, descriptors: descriptors,
            inFlight: inFlight)
    }

    @Test func limit_isExceeded_whenItIsSoAtTwoLooksInARow() {
        var limits = ResourceLimits()
        limits.cpuPercentMax = 50
        limits.threadsMax = 4
        var judge = ResourceJudge()
        #expect(judge.judge(usage(cpu: 51), limits).begun.isEmpty)
        #expect(judge.judge(usage(cpu: 50, threads: 5), limits).begun.isEmpty)
        #expect(judge.judge(usage(cpu: 80), limits).begun.isEmpty)
        let begun = judge.judge(usage(cpu: 90), limits).begun
        #expect(begun == [.init(resource: .cpu, value: 90, limit: 50)])
        #expect(judge.exceeded == [.cpu])
        // It is told once.
        #expect(judge.judge(usage(cpu: 90), limits).begun.isEmpty)
        let (_, ended) = judge.judge(usage(cpu: 1), limits)
        #expect(ended == [.cpu])
        #expect(judge.exceeded.isEmpty)
    }

    @Test func whatIsNotKnown_orNotLimited_isNotExceeded() {
        var limits = ResourceLimits()
        limits.descriptorsMax = 1
        var judge = ResourceJudge()
        for _ in 0..<3 {
            #expect(judge.judge(usage(cpu: 900, memory: .max, inFlight: 9), limits).begun.isEmpty)
        }
        for _ in 0..<2 { _ = judge.judge(usage(descriptors: 2), limits) }
        #expect(judge.exceeded == [.descriptors])
        // A limit that is lifted is not exceeded any more.
        #expect(judge.judge(usage(descriptors: 2), ResourceLimits()).ended == [.descriptors])
    }

    @Test func operator_hasTheLastWord() throws {
        let manifest = try Manifest(
            parsing: """
                {"name": "a", "version": "1.0.0", "abi": "1.0",
                 "resources": {"cpuPercentMax": 50, "inFlightMax": 7, "action": "throttle"}}
                """.utf8)
        #expect(manifest.resources[.cpu] == 50)
        #expect(manifest.resources[.memory] == nil)
        let file = try ConfigurationFile(
            parsing: """
                {"plugins": {"a": {"resources": {"cpuPercentMax": 20, "memoryBytesMax": 1000}}}}
                """.utf8, source: "local.json")
        let name = try PluginName(checking: "a")
        let own = try #require(file.plugins[name]?.resources)
        let limits = manifest.resources.changed(by: own)
        #expect(limits[.cpu] == 20)
        #expect(limits[.memory] == 1_000)
        #expect(limits[.inFlight] == 7)
        #expect(limits.action == .throttle)
        #expect(!limits.isEmpty)
        #expect(ResourceLimits().isEmpty)
    }

    @Test func limits_thatMakeNoSense_areRefused() throws {
        let reading = Manifest.read(
            try JSON.parse(
                """
                {"name": "a", "version": "1.0.0", "abi": "1.0",
                 "resources": {"cpuPercentMax": 0, "memoryMax": 1, "action": "explode"}}
                """))
        #expect(
            reading.objections.map(\.path).sorted() == [
                "/resources/action", "/resources/cpuPercentMax", "/resources/memoryMax",
            ])
    }
}
