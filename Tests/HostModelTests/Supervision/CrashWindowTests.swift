import HostModel
import Testing

@Suite struct CrashWindowTests {
    /// What a window says to crashes at these seconds.
    private func answers(_ window: CrashWindow, _ seconds: [Int]) -> [Bool] {
        var window = window
        return seconds.map { window.note(at: .seconds($0)) }
    }

    @Test func window_forgivesItsNumber_andNotOneMore() {
        let window = CrashWindow(countMax: 2, within: .seconds(10))
        #expect(answers(window, [1, 2, 3]) == [true, true, false])
    }

    @Test func window_forgetsWhatIsLongAgo() {
        let window = CrashWindow(countMax: 1, within: .seconds(10))
        #expect(answers(window, [1, 11, 20]) == [true, true, false])
    }

    @Test func whatIsForgiven_doesNotCount() {
        var window = CrashWindow(countMax: 1, within: .seconds(10))
        window.forgive()
        for moment in 1...5 {
            _ = window.note(at: .seconds(moment))
            window.forgive()
        }
        #expect(window.count == 0)
        #expect(answers(window, [6, 7]) == [true, false])
    }
}

@Suite struct QuarantineTests {
    private func name(_ text: String) throws -> PluginName { try #require(PluginName(text)) }

    private func installed() throws -> PluginAggregate {
        let digest = try #require(Digest(hex: String(repeating: "ab", count: 32)))
        var aggregate = PluginAggregate(name: try name("notes"))
        let release = LifecycleEvent.Release(
            version: try #require(SemanticVersion("1.0.0")), bundleDigest: digest,
            libraryDigest: digest, mode: .inProcess)
        evolve(&aggregate, .installed(release))
        evolve(&aggregate, .activated)
        return aggregate
    }

    private func evolve(
        _ aggregate: inout PluginAggregate, _ fact: LifecycleEvent.Fact, at seconds: Int64 = 1
    ) {
        aggregate.evolve(
            LifecycleEvent(
                fact, plugin: aggregate.name, time: Timestamp(milliseconds: seconds * 1_000)))
    }

    @Test func quarantine_holdsUntilItIsLifted_orAnotherGenerationServes() throws {
        var aggregate = try installed()
        let quarantine = Quarantine(reason: "SIGSEGV at 0x0", generation: 3, digest: nil)
        evolve(&aggregate, .quarantined(quarantine))
        #expect(aggregate.record?.quarantine == quarantine)
        #expect(try aggregate.decide(.quarantine(quarantine)).isEmpty)
        let lifted = try aggregate.decide(.liftQuarantine(reason: "host activate"))
        #expect(lifted == [.quarantineLifted(reason: "host activate")])
        for fact in lifted { evolve(&aggregate, fact) }
        #expect(aggregate.record?.quarantine == nil)
        #expect(try aggregate.decide(.liftQuarantine(reason: "again")).isEmpty)

        evolve(&aggregate, .quarantined(quarantine))
        let digest = try #require(Digest(hex: String(repeating: "cd", count: 32)))
        evolve(&aggregate, .loaded(generation: 4, libraryDigest: digest, milliseconds: 1))
        #expect(aggregate.record?.quarantine == nil)
    }

    @Test func chosenMode_holds_untilAReleaseComesWithAnother() throws {
        var aggregate = try installed()
        let chosen = try aggregate.decide(.chooseMode(.isolated, reason: "SIGSEGV"))
        #expect(chosen == [.modeChosen(.isolated, reason: "SIGSEGV")])
        for fact in chosen { evolve(&aggregate, fact) }
        let record = try #require(aggregate.record)
        #expect(record.release.chosenMode == .isolated && record.modeReason == "SIGSEGV")
        #expect(try aggregate.decide(.chooseMode(.isolated, reason: "again")).isEmpty)
        var next = record.release
        next.version = try #require(SemanticVersion("2.0.0"))
        evolve(&aggregate, .upgraded(from: record.release.version, to: next))
        #expect(aggregate.record?.modeReason == "SIGSEGV")
        next = LifecycleEvent.Release(
            version: next.version, bundleDigest: next.bundleDigest,
            libraryDigest: next.libraryDigest, chosen: .inProcess)
        evolve(&aggregate, .upgraded(from: next.version, to: next))
        #expect(aggregate.record?.release.chosenMode == .inProcess)
        #expect(aggregate.record?.modeReason == nil)
    }

    @Test func manifest_mayAskForIsolation_andNotToBeForgiven() throws {
        func read(_ policy: String) throws -> CrashPolicy? {
            try Manifest(
                parsing: """
                    {"name": "a", "version": "1.0.0", "abi": "1.0", "onCrash": "\(policy)"}
                    """.utf8
            ).onCrash
        }
        #expect(try read("isolate") == .isolate)
        #expect(try read("quarantine") == .quarantine)
        #expect(throws: HostError.self) { try read("restart") }
    }

    @Test func pluginThatCrashesAgainAndAgain_isToldFromOneThatDidOnce() throws {
        var aggregate = try installed()
        let crash = LifecycleEvent.Fact.engineCrashed(CrashReport(cause: "SIGSEGV"))
        for second: Int64 in [0, 100, 110, 120] { evolve(&aggregate, crash, at: second) }
        let record = try #require(aggregate.record)
        #expect(record.crashesTooOften(at: Timestamp(milliseconds: 121_000)))
        #expect(!record.crashesTooOften(at: Timestamp(milliseconds: 165_000)))
    }

    @Test func factsOfCrashes_readBackAsTheyWereWritten() throws {
        let digest = try #require(Digest(hex: String(repeating: "ab", count: 32)))
        let culprit = CrashReport.Culprit(
            plugin: try name("notes"), version: "1.0.0", generation: 3, digest: digest)
        let facts: [LifecycleEvent.Fact] = [
            .engineCrashed(
                CrashReport(
                    cause: "SIGSEGV at 0x0", thread: "reactor-0", culprit: culprit,
                    backtrace: ["notes#3 handle+0x1", "host +0x2"], requestsLost: 4)),
            .engineCrashed(CrashReport(cause: "SIGKILL")),
            .quarantined(Quarantine(reason: "SIGSEGV", generation: 3, digest: digest)),
            .quarantined(Quarantine(reason: "it keeps threads", generation: 3, digest: nil)),
            .quarantineLifted(reason: "host activate"),
        ]
        for fact in facts {
            let again = try LifecycleEvent.Fact(name: fact.name, payload: fact.payload)
            #expect(again == fact)
        }
    }
}
