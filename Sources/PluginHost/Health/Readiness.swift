internal import HostModel
internal import Synchronization

/// Whether the host and every plugin that should serve do, for whoever sends clients here.
struct Readiness: Sendable, Equatable {
    /// What the host itself is doing.
    enum Stage: String, Sendable {
        case starting, serving, stopping
    }

    /// A plugin that should serve and does not, or says that it is unhealthy.
    struct Obstacle: Sendable, Equatable {
        var plugin: PluginName
        var state: String
        var reason: String
    }

    var stage = Stage.starting
    var obstacles: [Obstacle] = []

    var isReady: Bool { stage == .serving && obstacles.isEmpty }

    /// - Shape: `{"ready":true|false,"host":"starting"|"serving"|"stopping","plugins":[{"name",
    ///   "state","reason"}, ...]}`; only the plugins that are in the way.
    var json: JSONValue {
        [
            "ready": .bool(isReady), "host": .string(stage.rawValue),
            "plugins": .array(
                obstacles.map {
                    [
                        "name": .string($0.plugin.text), "state": .string($0.state),
                        "reason": .string($0.reason),
                    ]
                }),
        ]
    }
}

/// Where the manager writes down how things are, and reactors read it without asking anybody.
final class ReadinessBoard: Sendable {
    private let state = Mutex(Readiness())

    var current: Readiness { state.withLock { $0 } }

    func set(_ obstacles: [Readiness.Obstacle]) { state.withLock { $0.obstacles = obstacles } }

    func set(_ stage: Readiness.Stage) { state.withLock { $0.stage = stage } }
}
