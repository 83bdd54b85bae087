import Confinement
import HostModel
import Testing

@testable import PluginHost

@Suite struct ProofOrderTests {
    private func plugin() throws -> InstanceOrder {
        var manifest = Manifest(
            name: try #require(PluginName("tides")), version: SemanticVersion(1, 2, 3),
            abi: ABIVersion(major: 1, minor: 0), library: Manifest.Library(file: "libtides.so"))
        manifest.services = ["ph.log/1"]
        manifest.limits.poolThreadsMax = 3
        return InstanceOrder(
            manifest: manifest, generation: 12, library: "/run/tides.12.so",
            digest: SHA256.digest(of: [1]), granted: ["ph.log/1", "ph.rpc/1"],
            configuration: ConfigurationSnapshot(
                crossing: [
                    "configuration": ["key": "secret", "depth": 1.5], "revision": .number64(4),
                ]), seconds: 7)
    }

    /// As it crosses.
    private func crossing(_ object: JSONObject) throws -> JSONValue {
        try JSON.parse(Array(JSONValue.object(object).text().utf8), source: "an order")
    }

    private func expectSame(_ found: InstanceOrder, _ order: InstanceOrder) {
        #expect(found.manifest == order.manifest)
        #expect(found.generation == 12 && found.library == order.library && found.seconds == 7)
        #expect(found.digest == order.digest && found.granted == order.granted)
        #expect(found.configuration.resolved.json == order.configuration.resolved.json)
        #expect(found.configuration.revision == 4)
    }

    @Test func proofsOrder_arrivesAsItWasGiven() throws {
        let plugin = try plugin()
        var confinement = Confinement(readable: [plugin.library], writable: ["/run/proof.12"])
        confinement.limits.memoryBytesMax = 1 << 30
        let place = PluginDirectory(path: "/run/proof.12", name: plugin.manifest.name)
        let order = ProofOrder(
            plugin, confinement: confinement, keeps: true, loadSeconds: 3,
            life: ProofOrder.Life(directory: place, asks: true))
        #expect(order.seconds == 3 + 8 * 7)
        let found = try ProofOrder(json: crossing(order.json))
        expectSame(found.plugin, plugin)
        #expect(found.confinement == confinement)
        #expect(found.keeps && found.loadSeconds == 3 && found.seconds == order.seconds)
        #expect(found.life?.directory.path == place.path)
        #expect(found.life?.asks == true)
        #expect(found.ticksPerSecond == TickClock.shared.ticksPerSecond)

        let short = ProofOrder(
            plugin, confinement: confinement, keeps: false, loadSeconds: 3, life: nil)
        #expect(short.seconds == 3)
        let other = try ProofOrder(json: crossing(short.json))
        #expect(other.life == nil && !other.keeps)
    }

    @Test func workersOrder_arrivesAsItWasGiven() throws {
        let plugin = try plugin()
        var work = WorkLimits()
        (work.poolThreadsMax, work.poolQueueMax, work.requestSeconds) = (5, 6, 7)
        var order = WorkerOrder(plugin, root: "/srv", work: work)
        (order.reactors, order.inlineBudgetMilliseconds, order.bodyBytesMax) = (2, 30, 4_096)
        (order.logLevel, order.party) = (.warning, 9)
        let json = try crossing(order.json)
        let found = try WorkerOrder(json: json)
        expectSame(found.plugin, plugin)
        #expect(found.root == "/srv" && found.reactors == 2 && found.bodyBytesMax == 4_096)
        #expect(found.inlineBudgetMilliseconds == 30 && found.party == 9)
        #expect(found.logLevel == .warning)
        #expect(found.work.poolThreadsMax == 5 && found.work.poolQueueMax == 6)
        #expect(found.work.requestSeconds == 7)
        // Where the copy lies is no reason not to go on with a process.
        #expect(WorkerOrder.essence(json)["library"] == nil)
        #expect(WorkerOrder.essence(json)["generation"] != nil)
    }

    @Test func order_isRefusedByTheMember_thatIsNotThere() throws {
        let order = ProofOrder(
            try plugin(), confinement: Confinement(), keeps: true, loadSeconds: 3, life: nil)
        let members = [
            "manifest", "generation", "library", "digest", "granted", "seconds", "confinement",
            "keeps", "load_seconds", "ticks_per_second",
        ]
        for member in members {
            var json = order.json
            json[member] = .null
            let error = #expect(throws: HostError.self) { try ProofOrder(json: .object(json)) }
            if member != "manifest" {
                #expect(error?.code == "record_unreadable")
                #expect(error?.reasons.first?.contains("\"\(member)\"") == true, "\(member)")
            }
        }
    }
}
