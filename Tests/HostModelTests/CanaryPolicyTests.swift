import HostModel
import Testing

@Suite struct CanaryPolicyTests {
    private let policy = CanaryPolicy(percent: 10, seconds: 60)

    private func verdict(
        after seconds: Double, _ canary: (requests: Int, errors: Int),
        former: (requests: Int, errors: Int) = (1_000, 0), illness: String? = nil
    ) -> CanaryPolicy.Verdict {
        policy.verdict(
            elapsedSeconds: seconds,
            canary: .init(requests: canary.requests, errors: canary.errors),
            former: .init(requests: former.requests, errors: former.errors), illness: illness)
    }

    private func fails(_ verdict: CanaryPolicy.Verdict) -> Bool {
        if case .fail(let reason) = verdict { return !reason.isEmpty }
        return false
    }

    @Test func generationThatDoesWell_isPromoted_whenItsTimeIsOver() {
        #expect(verdict(after: 59.9, (500, 0)) == .goOn)
        #expect(verdict(after: 60, (500, 0)) == .promote)
        #expect(verdict(after: 60, (0, 0)) == .promote)
    }

    @Test func errors_endTheTrial_onceThereAreEnoughRequests() {
        #expect(verdict(after: 1, (19, 19)) == .goOn)
        #expect(fails(verdict(after: 1, (20, 1))))
        #expect(verdict(after: 1, (50, 1)) == .goOn)
        #expect(fails(verdict(after: 60, (3, 1))))
    }

    @Test func formerGeneration_isTheMeasure() {
        #expect(verdict(after: 60, (100, 20), former: (100, 20)) == .promote)
        #expect(verdict(after: 60, (100, 10), former: (100, 20)) == .promote)
        #expect(fails(verdict(after: 60, (100, 23), former: (100, 20))))
        // More than five in a hundred, and more than before, though within the margin.
        #expect(fails(verdict(after: 60, (100, 6), former: (100, 5))))
        #expect(verdict(after: 60, (100, 5), former: (100, 4)) == .promote)
    }

    @Test func illness_endsTheTrialAtOnce() {
        #expect(fails(verdict(after: 0, (0, 0), illness: "a cold")))
        #expect(fails(verdict(after: 0, (0, 0), illness: "")))
    }

    @Test func text_isPercentAndSeconds() {
        #expect(CanaryPolicy("10")?.percent == 10)
        #expect(CanaryPolicy("10")?.seconds == 60)
        #expect(CanaryPolicy("25:5")?.seconds == 5)
        var rest = CanaryPolicy(percent: 1, seconds: 7)
        rest.requestsMin = 3
        #expect(CanaryPolicy("10", rest: rest)?.seconds == 7)
        #expect(CanaryPolicy("10:9", rest: rest)?.requestsMin == 3)
        for text in ["", "0", "100", "10:", ":10", "10:0", "ten", "10:5:1", "10 : 5"] {
            #expect(CanaryPolicy(text) == nil, "\(text)")
        }
    }

    @Test func manifest_saysHowNewGenerationsAreTried() throws {
        let text = """
            {"name": "a", "version": "1.0.0", "abi": "1.0",
             "canary": {"percent": 5, "seconds": 30, "marginPercent": 1, "requestsMin": 7}}
            """
        let manifest = try Manifest(parsing: text.utf8)
        var wanted = CanaryPolicy(percent: 5, seconds: 30)
        wanted.marginPercent = 1
        wanted.requestsMin = 7
        #expect(manifest.canary == wanted)
        #expect(try CanaryPolicy(json: wanted.json) == wanted)
        let wrong = Manifest.read(
            try JSON.parse(
                text.replacing("\"percent\": 5", with: "\"percent\": 100")
                    .replacing("requestsMin", with: "requests")))
        #expect(
            wrong.objections.map(\.path).sorted() == ["/canary/percent", "/canary/requests"])
    }
}
