internal import CLinux
internal import DynamicLibrary
internal import Glibc
package import HostModel

/// The engine's side of its supervisor: what it was given, and the wire between the two.
///
/// - Shape: `host engine SEAT ARGUMENT...`; SEAT is `SUPERVISOR,LISTENERS,ACTIVATED,DOORS,END`: the
///   supervisor's pid, the number of listeners, how many of them a service manager has opened, the
///   number of further doors to the admin interface, and how the engine before ended (`EngineEnd`).
///   The descriptors are in `Place`, the doors behind the listeners.
package struct EngineSeat: Sendable {
    /// Where the descriptors are that the engine is given.
    enum Place {
        static let wire: Int32 = 3
        static let lock: Int32 = 4
        static let box: Int32 = 5
        static let admin: Int32 = 6
        static let listeners: Int32 = 7
    }

    /// What the engine tells its supervisor, and the other way round.
    enum Word: String {
        /// It answers requests.
        case ready
        /// Whoever brought its predecessor down will not do so again.
        case forgiven
        /// It has looked for changes, as SIGHUP asks.
        case reloaded
        /// It ends by itself, with the exit status behind.
        case end
        /// Asks whether it answers, and says that it does.
        case ping, pong
        /// Asks it to change nothing any more; says that it does not; asks it to go on as before.
        case freeze, frozen, thaw
        /// Asks it to take leave of its clients and to end.
        case retire
        /// It wants another engine in its place.
        case replace
        /// It wants a child started that outlives it; it has been, or could not be.
        case launch, launched, refused
        /// Asks which children of other engines there are; tells one; there are no more.
        case children, child
        /// It goes on with a child of another engine; that one is told.
        case claim, taken
        /// A child has ended.
        case ended
        /// What another version of this program may say.
        case unknown
    }

    /// What an engine is told when it is started.
    struct Told {
        var supervisor: Int32
        var listeners: Int
        var activated: Int
        var doors: Int
        var end: EngineEnd

        var text: String { "\(supervisor),\(listeners),\(activated),\(doors),\(end.text)" }
    }

    /// The verb that stands before the seat.
    package static let verb = "engine"

    let supervisor: Int32
    let listeners: [Int32]
    /// How many of the listeners, the last ones, a service manager has opened.
    let activated: Int
    /// The further doors to the admin interface.
    let doors: [Int32]
    /// How the engine before this one ended, where it did not end well.
    let crash: CrashReport?

    /// Takes the place of an engine, and makes the black box this process's own; as the first act
    /// of the process.
    ///
    /// - Throws: `seat_invalid` when no supervisor has started the process.
    package init(_ text: String) throws(HostError) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 5, let supervisor = Int32(parts[0]), supervisor == getppid(),
            let count = Int32(parts[1]), (0...64).contains(count),
            let activated = Int(parts[2]), let doorCount = Int32(parts[3]),
            (0...32).contains(doorCount), let end = EngineEnd(String(parts[4]))
        else {
            throw HostError(
                "seat_invalid", what: "this process cannot be an engine",
                why: "no supervisor has started it", fix: "use: host serve")
        }
        self.supervisor = supervisor
        self.activated = activated
        unsafe linux_name_thread("host-engine")
        listeners = (0..<count).map { Place.listeners + $0 }
        doors = (0..<doorCount).map { Place.listeners + count + $0 }
        for descriptor in Place.wire..<(Place.listeners + count + doorCount) {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }
        do throws(LibraryError) {
            let box = try BlackBox(descriptor: Place.box)
            let record = box.takeRecord()
            crash = end.report(record)
            box.arm()
            linux_guard_descriptors(BlackBox.guardDescriptor)
            for descriptor in Place.wire..<(Place.listeners + count + doorCount) {
                BlackBox.guardDescriptor(descriptor)
            }
        } catch {
            throw HostError(error)
        }
    }

    var lock: Int32 { Place.lock }

    /// The admin socket, for a server that closes it; another one may be made later.
    var admin: Int32 { fcntl(Place.admin, F_DUPFD_CLOEXEC, Place.listeners) }

    /// The doors, for a server that closes them; others may be made later.
    var lentDoors: [Int32] { doors.map { fcntl($0, F_DUPFD_CLOEXEC, Place.listeners) } }

    /// Tells the supervisor; one that is gone has taken this process with it.
    func tell(_ word: Word, _ number: Int32 = 0) {
        _ = WireMessage(word: word, number: number).send(over: Place.wire, waits: true)
    }

    /// Says that the process ends by itself, with that status.
    package func end(_ status: Int32) { tell(.end, status) }
}

/// How an engine ended, as its supervisor saw it.
enum EngineEnd: Equatable {
    /// There was none before, or it ended well.
    case well
    case exited(Int32)
    case killed(Int32)
    /// The kernel killed processes for lack of memory meanwhile.
    case outOfMemory

    init?(_ text: String) {
        let parts = text.split(separator: ":")
        switch (parts.first, parts.dropFirst().first.flatMap { Int32($0) }) {
        case ("well", nil): self = .well
        case ("memory", nil): self = .outOfMemory
        case ("exited", let status?): self = .exited(status)
        case ("killed", let signal?): self = .killed(signal)
        default: return nil
        }
    }

    var text: String {
        switch self {
        case .well: "well"
        case .outOfMemory: "memory"
        case .exited(let status): "exited:\(status)"
        case .killed(let signal): "killed:\(signal)"
        }
    }

    /// What is told when the box tells nothing.
    var summary: String {
        switch self {
        case .well: "its own will"
        case .outOfMemory: "SIGKILL, from the kernel for lack of memory"
        case .exited(let status): "an exit with status \(status) that nobody announced"
        case .killed(SIGKILL): "SIGKILL, from outside or from the kernel"
        case .killed(let signal): ThrowawayProcess.name(ofSignal: signal)
        }
    }

    func report(_ record: CrashRecord?) -> CrashReport? {
        guard self != .well else { return nil }
        guard let record else { return CrashReport(cause: summary) }
        return CrashReport(
            cause: record.summary, thread: record.thread,
            culprit: record.culprit.flatMap { image in
                PluginName(image.name).map {
                    CrashReport.Culprit(
                        plugin: $0, version: image.version,
                        generation: Int(clamping: image.generation),
                        digest: Digest(hex: image.digest))
                }
            },
            backtrace: record.backtrace, requestsLost: record.requestsInFlight)
    }
}
