import DynamicLibrary
import HostModel

/// An image with all that the manager and the request path know of it.
final class HostedImage {
    let loaded: any PluginInstance
    /// What the reactors know of it; nil if it never came so far.
    let generation: Generation?
    /// The directory of the release that it was loaded from; empty when that is not known.
    let release: String
    var use = PluginStatus.Image.Use.serving
    let meter = ResourceMeter()
    /// How often in a row it has not said how it is, when asked.
    var silences = 0
    /// How it was when it was last asked; nil when it does not say.
    var health: (state: PluginHealth, reason: String)?
    /// When it is asked next how it is.
    var heartbeat: Deadline?
    /// When it has stood by long enough.
    var windowEnd: Deadline?
    /// Why it is still in memory, once it no longer serves.
    var reasons: [String] = []

    /// Requests that it has not completed.
    var requestsInFlight: Int { generation?.inFlight ?? 0 }

    /// WebSockets that it has not released.
    var openSockets: Int { generation?.sockets ?? 0 }

    /// Requests, of whatever plugin, that its hooks may still be called for.
    var requestsHooked: Int { generation?.hooked ?? 0 }

    /// Calls by other plugins and by the host that are inside, and its own that it waits for.
    var callsInFlight: Int { loaded.member.gate.inFlight }

    /// All of these together: while there are any, its code cannot go.
    var owed: Int { requestsInFlight + openSockets + requestsHooked + callsInFlight }

    /// What of it goes on, in words.
    var work: String {
        let (requests, sockets, calls) = (requestsInFlight, openSockets, callsInFlight)
        var parts: [String] = []
        let hooked = requestsHooked
        if requests > 0 || sockets + calls + hooked == 0 {
            parts.append("\(requests) request\(requests == 1 ? " is" : "s are") being answered")
        }
        if sockets > 0 {
            parts.append("\(sockets) WebSocket\(sockets == 1 ? " is" : "s are") open")
        }
        if hooked > 0 {
            parts.append("\(hooked) request\(hooked == 1 ? " has" : "s have") not left its hooks")
        }
        if calls > 0 {
            parts.append("\(calls) call\(calls == 1 ? " goes" : "s go") on")
        }
        return parts.joined(separator: " and ")
    }

    /// What of it never came to an end, a line each.
    var unfinished: [String] {
        var lines: [String] = []
        let (requests, calls) = (requestsInFlight + openSockets, callsInFlight)
        if requests > 0 {
            lines.append("\(requests) request\(requests == 1 ? "" : "s") never completed")
        }
        let hooked = requestsHooked
        if hooked > 0 {
            lines.append("\(hooked) request\(hooked == 1 ? "" : "s") never left its hooks")
        }
        if calls > 0 { lines.append("\(calls) call\(calls == 1 ? "" : "s") never came back") }
        return lines
    }

    /// Who is inside its code, and has been for a while, a line each.
    var holders: [String] { holders(longerThan: .milliseconds(100)) }

    func holders(longerThan duration: Duration) -> [String] {
        (generation?.holders(longerThan: duration) ?? [])
            + loaded.member.calls.holders(longerThan: duration)
    }

    /// Whether what pins it can come to an end.
    var mayStillLeave: Bool { loaded.mayStillLeave }

    /// What hooks are shown of it.
    var shown: JSONObject {
        PluginManager.shown(
            loaded.name, version: loaded.version, digest: loaded.digest,
            generation: loaded.number)
    }

    init(loaded: any PluginInstance, generation: Generation?, release: String = "") {
        self.loaded = loaded
        self.release = release
        self.generation = generation
    }
}

/// What the manager keeps for one name; only ever touched by the manager.
///
/// Operations on one plugin come one after the other: `isBusy` is held for the whole of one, and
/// the next in line is woken when it ends.
final class PluginSlot {
    let name: PluginName
    var isBusy = false
    var waiters: [CheckedContinuation<Void, Never>] = []

    /// Where the files of the release in force are; it goes on showing that release after an
    /// upgrade.
    var releaseDirectory = ""
    /// The image that serves.
    var current: HostedImage?
    /// The new image that gets a share of the connections beside it.
    var canary: CanaryTrial?
    /// Images that no longer serve and are kept up, in case the one that serves dies.
    var standbys: [HostedImage] = []
    /// Images that no longer serve and are still in memory, oldest first.
    var leaving: [HostedImage] = []
    /// The highest number given to a generation since the host started.
    var lastNumber = 0
    /// Stands in for `current` while requests wait.
    var held: Generation?
    var isLoading = false
    /// It should serve, and waits for what it requires.
    var isBlocked = false
    /// Services that it is given by the installation that is under way.
    var grantsToCome: [String] = []
    /// What the installation that is under way wants of its processes.
    var confinementToCome: ConfinementChoice?
    /// Services that were denied before the journal knew the plugin.
    var denials: [LifecycleEvent.Fact] = []
    var lastError: HostError?
    var lastUnload: UnloadReport?
    /// The configuration that was put together last.
    var lastConfiguration: ConfigurationSnapshot?
    /// Why a change of the configuration does not count.
    var configurationError: HostError?

    /// The plugin's files at the last full look.
    var seen: SeenFiles?
    /// Changes of the library that have not been looked at.
    var pendingChanges = 0
    var isFollowingChanges = false
    /// Changes of the bundle that have not been looked at.
    var pendingBundles = 0
    var isFollowingBundles = false

    /// What became of the requests of generations that are gone.
    var past = CallTotals()
    var pastCPU = CPUTime()
    /// What it had used when it was last looked at.
    var look: ResourceLook?
    var judge = ResourceJudge()
    /// How often it has begun to exceed its limits.
    var excesses: [Resource: Int] = [:]
    /// Whether it gets one request at a time.
    var isThrottled = false
    var unloads = 0
    var heap = HeapGrowth()
    var lastReloadMilliseconds: Double?
    /// Woken whenever an image has left memory or has turned out not to.
    var leaveWaiters: [CheckedContinuation<Void, Never>] = []

    init(name: PluginName) {
        self.name = name
    }

    var hasImagesThatMayLeave: Bool {
        leaving.contains { $0.use == .pinned && $0.mayStillLeave }
    }
}
