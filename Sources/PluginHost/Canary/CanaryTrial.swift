import HostModel

/// A generation that is being tried on a share of the connections; only ever touched by the
/// manager.
final class CanaryTrial {
    /// The new generation.
    let image: HostedImage
    /// The one that goes on serving all others.
    let former: HostedImage
    let policy: CanaryPolicy
    let drain: DrainPolicy
    let began: ContinuousClock.Instant
    /// How long it took to bring the new one up.
    let bringingUp: Duration
    /// What is written to the journal once it serves.
    let facts: [LifecycleEvent.Fact]
    /// What the former one had answered when the trial began.
    private let baseline: Traffic
    /// When it is judged next.
    var look: Deadline?

    init(
        _ image: HostedImage, beside former: HostedImage, _ policy: CanaryPolicy,
        drain: DrainPolicy, began: ContinuousClock.Instant, bringingUp: Duration,
        facts: [LifecycleEvent.Fact]
    ) {
        self.image = image
        self.former = former
        self.policy = policy
        self.drain = drain
        self.began = began
        self.bringingUp = bringingUp
        self.facts = facts
        baseline = former.generation?.traffic ?? Traffic()
    }

    /// How often it is judged.
    var interval: Duration { min(.seconds(1), .seconds(policy.seconds) / 4) }

    /// What the new generation has answered.
    var figures: CanaryPolicy.Figures {
        CanaryPolicy.Figures(image.generation?.traffic ?? Traffic())
    }

    /// What the former one has answered meanwhile.
    var formerFigures: CanaryPolicy.Figures {
        CanaryPolicy.Figures((former.generation?.traffic ?? baseline) - baseline)
    }

    /// What stands in the dispatch table.
    var share: CanaryShare? {
        guard let former = former.generation, let canary = image.generation else { return nil }
        return CanaryShare(former: former, canary: canary, percent: policy.percent)
    }

    func elapsedSeconds(at now: ContinuousClock.Instant) -> Double {
        (now - began) / .seconds(1)
    }
}

extension CanaryPolicy.Figures {
    fileprivate init(_ traffic: Traffic) {
        self.init(requests: traffic.requests, errors: traffic.errors)
    }
}
