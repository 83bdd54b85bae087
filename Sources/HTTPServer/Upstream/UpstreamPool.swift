import Synchronization

/// One reactor's connections to one upstream.
final class UpstreamPool {
    let upstream: Upstream
    private(set) var lanes: [UpstreamLane] = []
    private var version = -1
    private var turn = 0

    init(_ upstream: Upstream) { self.upstream = upstream }

    /// The endpoint that a request should go to; nil when there is none.
    ///
    /// - Parameter other: one that has just failed and is taken only if there is no other.
    func lane(otherThan other: UpstreamLane? = nil) -> UpstreamLane? {
        if version != upstream.version.load(ordering: .acquiring) { renew() }
        if lanes.count == 1 { return lanes[0] }
        guard !lanes.isEmpty else { return nil }
        turn = turn + 1 < lanes.count ? turn + 1 : 0
        var best: UpstreamLane?
        for step in 0..<lanes.count {
            let lane = lanes[(turn + step) % lanes.count]
            if lane === other { continue }
            if best.map({ lane.busy < $0.busy }) ?? true { best = lane }
        }
        return best
    }

    /// Takes up what has changed about the endpoints.
    private func renew() {
        version = upstream.version.load(ordering: .acquiring)
        let endpoints = upstream.endpoints
        let former = lanes
        lanes = endpoints.map { endpoint in
            former.first { $0.endpoint === endpoint } ?? UpstreamLane(endpoint, of: self)
        }
        for lane in former where !lanes.contains(where: { $0 === lane }) { lane.end() }
    }

    /// Closes what is idle, and what is under way once it is done.
    func end() {
        for lane in lanes { lane.end() }
        lanes = []
    }
}

/// One reactor's connections to one endpoint.
final class UpstreamLane {
    let endpoint: Upstream.Endpoint
    /// Kept by its lanes as long as requests are under way there; `end` lets go of them.
    let pool: UpstreamPool
    /// Connections that wait for a request; the one that was used last is used next.
    var idle: [UpstreamConnection] = []
    /// Connections that have one.
    var busy = 0
    /// Whether the endpoint is gone, so that no connection is kept.
    private(set) var isEnded = false

    init(_ endpoint: Upstream.Endpoint, of pool: UpstreamPool) {
        self.endpoint = endpoint
        self.pool = pool
    }

    func end() {
        isEnded = true
        while let connection = idle.last { connection.close() }
    }
}
