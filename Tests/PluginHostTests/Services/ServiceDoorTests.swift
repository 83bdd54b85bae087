import HostModel
import Synchronization
import Testing

@testable import PluginHost

/// What a plugin is handed when it asks for a service.
@Suite struct ServiceDoorTests {
    /// The denials that a door has told of, as `SERVICE: REASON`.
    private final class Denials: Sendable {
        private let lines = Mutex<[String]>([])

        var all: [String] { lines.withLock { $0 } }

        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }

    private let denials = Denials()
    private let door: ServiceDoor

    init() throws {
        var manifest = Manifest(
            name: try #require(PluginName("a")), version: SemanticVersion(1, 0, 0),
            abi: ABIVersion(major: 1, minor: 0), library: Manifest.Library(file: "liba.so"))
        manifest.services = ["ph.log/1", "ph.websocket/1"]
        let denials = denials
        door = ServiceDoor(
            member: Member(manifest: manifest, number: 1), granted: ["ph.log/1"],
            switchboard: Switchboard(), log: HostLog(minimum: .error)
        ) { service, reason in
            denials.add("\(service): \(reason)")
        }
    }

    private func isGiven(_ service: String) -> Bool {
        withText(service) { unsafe door.open($0) != nil }
    }

    @Test func grantedService_isGiven_eachTime() {
        for _ in 0..<3 { #expect(isGiven("ph.log/1")) }
        #expect(denials.all.isEmpty)
    }

    @Test func denial_isToldOnceForEachService_withItsReason() {
        for _ in 0..<3 {
            #expect(!isGiven("ph.websocket/1"))
            #expect(!isGiven("ph.events/1"))
            #expect(!isGiven("ph.log/2"))
        }
        #expect(
            denials.all == [
                "ph.websocket/1: it is not granted; grant it with: host grant a ph.websocket/1",
                "ph.events/1: its manifest does not ask for it",
                "ph.log/2: this host does not have it",
            ])
    }

    @Test func permission_hasNoFunctions() {
        #expect(ServiceDoor.offered.isSuperset(of: Permission.all))
        for permission in Permission.all { #expect(!isGiven(permission)) }
        #expect(denials.all.count == Permission.all.count)
        #expect(denials.all.allSatisfy { $0.contains("it is a permission") })
    }

    @Test func pluginThatMakesUpServices_isNotToldOfForEver() {
        for number in 1...1_000 { #expect(!isGiven("made.up/\(number)")) }
        #expect(denials.all.count == 64)
    }

    @Test func default_isWhatIsHarmless() {
        #expect(ManagerOptions().grants == .harmless)
        #expect(GrantPolicy.sensitive.isDisjoint(with: ["ph.log/1", "ph.events/1"]))
    }
}
