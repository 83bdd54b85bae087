import HostModel
import Testing

@Suite struct RestartPolicyTests {
    private func policy(_ change: (inout RestartPolicy) -> Void = { _ in }) -> RestartPolicy {
        var policy = RestartPolicy()
        change(&policy)
        return policy
    }

    /// The pauses of ends that follow one another at once.
    private func pauses(_ count: Int, _ policy: RestartPolicy, chance: Double) -> [Duration?] {
        var record = RestartRecord(policy)
        var now = Duration.zero
        return (0..<count).map { _ in
            record.started(at: now)
            guard case .restart(let pause) = record.ended(at: now, chance: chance) else {
                return nil
            }
            now += pause
            return pause
        }
    }

    @Test func firstRestart_comesAtOnce_andFurtherPausesDouble() {
        let policy = policy { $0.restartsMax = 100 }
        #expect(
            pauses(5, policy, chance: 0) == [
                .zero, .milliseconds(100), .milliseconds(200), .milliseconds(400),
                .milliseconds(800),
            ])
    }

    @Test func pause_neverExceedsTheLongest_butForItsJitter() {
        let policy = policy {
            $0.restartsMax = 1_000
            $0.window = .seconds(1_000_000)
        }
        #expect(pauses(40, policy, chance: 0).last == .seconds(30))
        #expect(pauses(40, policy, chance: 1).last == .seconds(36))
        #expect(pauses(40, policy, chance: 7).last == .seconds(36))
    }

    @Test func moreEndsThanTheIntensity_withinTheWindow_fail() {
        let policy = policy { $0.restartsMax = 3 }
        var record = RestartRecord(policy)
        for second in 0..<3 {
            let decision = record.ended(at: .seconds(second), chance: 0)
            if case .failed = decision { Issue.record("it failed at \(second)") }
        }
        #expect(record.ended(at: .seconds(3), chance: 0) == .failed(ends: 4))
        #expect(record.restarts == 3)
    }

    @Test func endsOutsideTheWindow_areForgotten() {
        let policy = policy { $0.restartsMax = 1 }
        var record = RestartRecord(policy)
        for minute in 0..<10 {
            let decision = record.ended(at: .seconds(60 * minute), chance: 0)
            if case .failed = decision { Issue.record("it failed in minute \(minute)") }
        }
        #expect(record.ended(at: .seconds(9 * 60 + 59), chance: 0) == .failed(ends: 2))
    }

    @Test func steadyRun_beginsThePausesAnew() {
        var record = RestartRecord(policy { $0.restartsMax = 100 })
        record.started(at: .zero)
        #expect(record.ended(at: .zero, chance: 0) == .restart(after: .zero))
        #expect(record.ended(at: .zero, chance: 0) == .restart(after: .milliseconds(100)))
        record.started(at: .seconds(1))
        #expect(record.ended(at: .seconds(12), chance: 0) == .restart(after: .zero))
    }

    @Test func noRestartsAllowed_failsAtTheFirstEnd() {
        var record = RestartRecord(policy { $0.restartsMax = 0 })
        #expect(record.ended(at: .zero, chance: 0) == .failed(ends: 1))
    }

    @Test func reset_forgetsWhatHasBeen() {
        var record = RestartRecord(policy { $0.restartsMax = 1 })
        _ = record.ended(at: .zero, chance: 0)
        #expect(record.ended(at: .zero, chance: 0) == .failed(ends: 2))
        record.reset()
        #expect(record.ended(at: .zero, chance: 0) == .restart(after: .zero))
    }

    @Test func manifest_changesWhatItNames_andIsHeldToBounds() throws {
        func read(_ restart: String) throws -> Manifest.Reading {
            Manifest.read(
                try JSON.parse(
                    Array(
                        """
                        {"name": "a", "version": "1.0.0", "abi": "1.0", "restart": \(restart)}
                        """.utf8)))
        }
        let one = try #require(
            try read(#"{"restartsMax": 100, "pauseMilliseconds": 0}"#).manifest)
        let policy = RestartPolicy().changed(by: one.restart)
        var wanted = RestartPolicy()
        wanted.restartsMax = 100
        wanted.pauseFirst = .zero
        #expect(policy == wanted)
        #expect(pauses(50, policy, chance: 1).allSatisfy { $0 == .zero })
        let other = try #require(
            try read(#"{"windowSeconds": 10, "pauseMillisecondsMax": 50}"#).manifest)
        let slow = RestartPolicy().changed(by: other.restart)
        #expect(slow.window == .seconds(10) && slow.restartsMax == 8)
        #expect(pauses(3, slow, chance: 0) == [.zero, .milliseconds(50), .milliseconds(50)])
        #expect(
            try read(#"{"windowSeconds": 0, "restarts": 1}"#).objections.map(\.path).sorted()
                == ["/restart/restarts", "/restart/windowSeconds"])
    }

}

@Suite struct PingRecordTests {
    @Test func questions_arePutEachInterval_andAnsweredOnesMissNothing() {
        var record = PingRecord(interval: .seconds(1), missesMax: 2, from: .zero)
        #expect(record.look(at: .zero) == .wait(until: .seconds(1)))
        for number in 1...5 {
            #expect(record.look(at: .seconds(number)) == .ask(UInt64(number)))
            record.answered(UInt64(number), at: .seconds(number) + .milliseconds(3))
            #expect(record.roundTrip == .milliseconds(3))
        }
        #expect(record.misses == 0)
    }

    @Test func missesInARow_giveUp_andOneAnswerForgivesThem() {
        var record = PingRecord(interval: .seconds(1), missesMax: 3, from: .zero)
        _ = record.look(at: .seconds(1))
        _ = record.look(at: .seconds(2))
        #expect(record.look(at: .seconds(3)) == .ask(3))
        #expect(record.misses == 2)
        record.answered(1, at: .seconds(3))
        #expect(record.misses == 0)
        #expect(record.look(at: .seconds(4)) == .ask(4))
        #expect(record.look(at: .seconds(5)) == .ask(5))
        #expect(record.look(at: .seconds(6)) == .giveUp(misses: 3))
    }

    @Test func supervisorThatWasHeldUp_countsOneMissAtTheMost() {
        var record = PingRecord(interval: .seconds(1), missesMax: 2, from: .zero)
        #expect(record.look(at: .seconds(1)) == .ask(1))
        #expect(record.look(at: .seconds(100)) == .ask(2))
        #expect(record.misses == 1)
    }

    @Test func answerToAQuestionThatWasNotPut_provesNothing() {
        var record = PingRecord(interval: .seconds(1), missesMax: 3, from: .zero)
        _ = record.look(at: .seconds(1))
        _ = record.look(at: .seconds(2))
        record.answered(7, at: .seconds(2))
        record.answered(0, at: .seconds(2))
        #expect(record.misses == 1)
    }
}
