import Testing

@testable import Confinement

@Suite struct ArgumentsTests {
    @Test func everything_comesBack_asItWasWritten() throws {
        var confinement = Confinement(
            readable: ["/a", "/with space"], writable: ["/w", "--network"])
        confinement.hasProcesses = true
        confinement.usesNetworkNamespace = false
        confinement.descriptors = [7, 3]
        confinement.group = "/a group"
        confinement.limits.memoryBytesMax = 1
        confinement.limits.addressBytesMax = 2
        confinement.limits.processorSecondsMax = 3
        confinement.limits.descriptorsMax = 4
        confinement.limits.tasksMax = 5
        confinement.limits.fileBytesMax = .max
        for network in [false, true] {
            confinement.hasNetwork = network
            let words = confinement.arguments + ["command", "--network"]
            let (parsed, rest) = try #require(Confinement.parse(words))
            #expect(parsed == confinement)
            #expect(rest == ["command", "--network"])
        }
        let (empty, rest) = try #require(Confinement.parse(Confinement().arguments))
        #expect(empty == Confinement() && rest.isEmpty)
    }

    @Test(arguments: [
        [], ["--network"], ["--read"], ["--read", "/a"], ["--memory", "much", "--"],
        ["--memory", "-1", "--"], ["--keep", "x", "--"], ["--keep", "-1", "--"],
        ["--unknown", "1", "--"], ["command"],
    ])
    func words_areRefused_whenTheyAreOfAnotherShape(_ words: [String]) {
        #expect(Confinement.parse(words) == nil)
    }

    @Test func environment_isStripped_toWhatSaysNothing() {
        let environment = [
            "PATH=/bin", "HOME=/home/me", "AWS_SECRET_ACCESS_KEY=x", "LC_ALL=C", "LANG=C",
            "TZ=UTC", "LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/l", "PATHS=/x", "EMPTY",
        ]
        #expect(
            Confinement.harmless(environment)
                == ["PATH=/bin", "LC_ALL=C", "LANG=C", "TZ=UTC", "LD_LIBRARY_PATH=/l"])
    }

    @Test func everyMechanism_isOfferedOrItsAbsenceIsExplained() {
        let report = Confinement.offered()
        let told = Set(report.applied).union(report.missing.map(\.mechanism))
        #expect(told == Set(ConfinementReport.Mechanism.allCases))
        #expect(report.missing.allSatisfy { !$0.reason.isEmpty })
        #expect(Set(report.applied).isDisjoint(with: report.missing.map(\.mechanism)))
    }
}
