import HostModel

/// On whose behalf a call is made, as that crosses between processes: so that circles and depth are
/// found out where the next call is made, and deadlines hold for what is called in turn.
struct CallOrigin: Sendable {
    /// How deep the call is in others.
    var depth = 0
    /// Who waits for it, as parties of the engine.
    var waiting: [UInt32] = []
    /// Whether a thread waits for this very call.
    var isAwaited = false
    /// How long it may take; 0: as long as any.
    var milliseconds: UInt32 = 0

    /// The most parties that are passed on.
    private static let waitingMax = 64

    /// That of the calls that the calling thread makes.
    static var here: CallOrigin {
        let frames = unsafe CallFramesPointer.current
        let expires = unsafe frames.pointee.expires
        var origin = CallOrigin()
        origin.depth = unsafe frames.pointee.depth
        origin.waiting = unsafe frames.pointee.imagesElsewhere
        if expires != 0 {
            let left = (expires &- min(expires, PooledCall.now)) / 1_000_000
            origin.milliseconds = max(1, UInt32(clamping: left))
        }
        return origin
    }

    init() {}

    /// Reads one that has crossed; what is malformed is left out.
    init(json: JSONValue) {
        depth = json["depth"]?.integer.flatMap { Int(exactly: $0) } ?? 0
        waiting = (json["waiting"]?.array ?? []).prefix(Self.waitingMax).compactMap {
            $0.integer.flatMap { UInt32(exactly: $0) }
        }
        isAwaited = json["awaited"]?.bool == true
        milliseconds = json["milliseconds"]?.integer.flatMap { UInt32(exactly: $0) } ?? 0
    }

    var json: JSONObject {
        var known: [UInt32] = []
        for party in waiting where party != 0 && !known.contains(party) { known.append(party) }
        return [
            "depth": .number(JSONNumber(depth)),
            "waiting": .array(known.suffix(Self.waitingMax).map { .number(JSONNumber($0)) }),
            "awaited": .bool(isAwaited), "milliseconds": .number(JSONNumber(milliseconds)),
        ]
    }

    /// Makes a call on that behalf, on a thread that is in no other.
    func stand<Result>(_ body: () -> Result) -> Result {
        let frames = unsafe CallFramesPointer.current
        unsafe frames.pointee.depth = min(max(0, depth), CallFrames.depthMax)
        unsafe frames.pointee.depthElsewhere = frames.pointee.depth
        unsafe frames.pointee.imagesElsewhere = waiting
        unsafe frames.pointee.isAwaitedElsewhere = isAwaited
        defer {
            unsafe frames.pointee.depth = 0
            unsafe frames.pointee.depthElsewhere = 0
            unsafe frames.pointee.imagesElsewhere = []
            unsafe frames.pointee.isAwaitedElsewhere = false
        }
        return body()
    }
}
