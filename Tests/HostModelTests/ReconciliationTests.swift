import HostModel
import Testing

/// What should be, what is, and what follows from the difference.
@Suite struct ReconciliationTests {
    private typealias Found = Reconciliation.Found

    private let name: PluginName
    private let release: LifecycleEvent.Release
    private let bundle: Digest
    private let library: Digest
    private let other: Digest

    init() throws {
        func digest(_ byte: UInt8) throws -> Digest {
            try #require(Digest(bytes: [UInt8](repeating: byte, count: 32)))
        }
        name = try PluginName(checking: "demo")
        (bundle, library, other) = (try digest(1), try digest(2), try digest(3))
        release = LifecycleEvent.Release(
            version: SemanticVersion(1, 0, 0), bundleDigest: bundle, libraryDigest: library,
            mode: .inProcess)
    }

    private func record(isActive: Bool) -> PluginRecord {
        var record = PluginRecord(
            name: name, release: release, installedAt: Timestamp(milliseconds: 0))
        record.isActive = isActive
        return record
    }

    @Test func nothingIsDone_whereAllIsAsItShouldBe() {
        let serves = Found(
            hasDirectory: true, bundle: bundle, library: library, serving: library)
        #expect(Reconciliation.moves(for: record(isActive: true), found: serves).isEmpty)
        var rests = serves
        rests.serving = nil
        #expect(Reconciliation.moves(for: record(isActive: false), found: rests).isEmpty)
        let nothing = Found(hasDirectory: false, bundle: nil, library: nil, serving: nil)
        #expect(Reconciliation.moves(for: nil, found: nothing).isEmpty)
    }

    @Test func directory_thatComesOrGoes_isWrittenDown() {
        let there = Found(hasDirectory: true, bundle: bundle, library: library, serving: nil)
        #expect(Reconciliation.moves(for: nil, found: there) == [.adopt])
        let gone = Found(hasDirectory: false, bundle: nil, library: nil, serving: library)
        #expect(Reconciliation.moves(for: record(isActive: true), found: gone) == [.remove])
    }

    @Test func otherBundle_isInstalled_beforeTheLibraryIsLookedAt() {
        let found = Found(hasDirectory: true, bundle: other, library: other, serving: library)
        #expect(Reconciliation.moves(for: record(isActive: true), found: found) == [.installBundle])
    }

    @Test func otherLibrary_isServed_orNotedWhenThePluginRests() {
        var found = Found(hasDirectory: true, bundle: bundle, library: other, serving: library)
        #expect(Reconciliation.moves(for: record(isActive: true), found: found) == [.load])
        found.serving = nil
        #expect(Reconciliation.moves(for: record(isActive: true), found: found) == [.load])
        #expect(
            Reconciliation.moves(for: record(isActive: false), found: found)
                == [.noteLibrary(other)])
    }

    @Test func libraryThatIsMissing_isWaitedFor() {
        let found = Found(hasDirectory: true, bundle: bundle, library: nil, serving: library)
        #expect(Reconciliation.moves(for: record(isActive: true), found: found).isEmpty)
        #expect(Reconciliation.moves(for: record(isActive: false), found: found).isEmpty)
    }
}
