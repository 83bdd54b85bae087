import DynamicLibrary
import HostModel
import Synchronization

/// One generation of a plugin, as the services know it through which plugins find, extend and call
/// each other.
final class Member: Sendable {
    let name: PluginName
    let number: UInt64
    let version: SemanticVersion
    let manifest: Manifest
    /// How the log speaks of it.
    let subject: HostLog.Subject
    let gate = CallGate()
    let events = EventMembership()
    let configuration = GenerationConfiguration()
    /// Its part in the calls between plugins.
    let calls = MemberCalls()
    private let imageNumber = Atomic<UInt32>(0)
    private let partyNumber = Atomic<UInt32>(0)
    /// Above the numbers of images.
    private static let lastParty = Atomic<UInt32>(1 << 31)
    private let threads = Mutex<BlockingPool?>(nil)
    private let serving = Mutex<Generation?>(nil)
    /// Its hooks, in the order in which they were added.
    let hooks = Mutex<[RegisteredHook]>([])

    init(manifest: Manifest, number: UInt64) {
        name = manifest.name
        version = manifest.version
        self.number = number
        self.manifest = manifest
        subject = HostLog.Subject(
            plugin: manifest.name.text, version: manifest.version.description, generation: number)
    }

    /// The number of its image in the ledger's books; 0 until it is mapped.
    var image: UInt32 {
        get { imageNumber.load(ordering: .relaxed) }
        set { imageNumber.store(newValue, ordering: .relaxed) }
    }

    /// What it is known by among those who wait for each other: the number of its image, or one of
    /// its own where its code is in another process.
    var party: UInt32 {
        get {
            let own = partyNumber.load(ordering: .relaxed)
            return own == 0 ? image : own
        }
        set { partyNumber.store(newValue, ordering: .relaxed) }
    }

    static func newParty() -> UInt32 { lastParty.wrappingAdd(1, ordering: .relaxed).newValue }

    /// The threads for calls of it that may take their time; nil until its `init` has returned.
    var pool: BlockingPool? {
        get { threads.withLock { $0 } }
        set { threads.withLock { $0 = newValue } }
    }

    /// What its hooks need to know of it as a generation that serves; nil until its `init` has
    /// returned.
    var generation: Generation? {
        get { serving.withLock { $0 } }
        set { serving.withLock { $0 = newValue } }
    }

    /// Calls into its code from outside.
    ///
    /// - Returns: nil, without a call, once it no longer takes any.
    @inline(__always)
    func call<Result>(_ body: () -> Result) -> Result? {
        guard gate.enter() else { return nil }
        defer { gate.leave() }
        let context = ImageContext.enter(image)
        defer { ImageContext.leave(context) }
        return body()
    }
}
