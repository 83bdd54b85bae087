internal import CLinux
internal import DynamicLibrary
internal import Glibc
package import HostModel

/// What a supervisor leaves to the program that it becomes: descriptors and children by their
/// numbers.
///
/// - Shape: `host supervise BEQUEST ARGUMENT...`, or with `--check` before the arguments to be
///   asked; BEQUEST is `1,LOCK,ADMIN,ACTIVATED,LISTENER.LISTENER...,ENGINE+ENGINE...`, an engine
///   `PID.PIDFD.WIRE.BOX`, the one that serves first.
package struct Bequest: Sendable {
    /// The verb that stands before it.
    package static let verb = "supervise"
    package static let check = "--check"
    private static let version = "1"

    let lock: Int32
    let admin: Int32
    let listeners: [Int32]
    let activated: Int
    let processes: [[Int32]]

    init(
        lock: Int32, admin: Int32, listeners: [Int32], activated: Int, processes: [[Int32]]
    ) {
        self.lock = lock
        self.admin = admin
        self.listeners = listeners
        self.activated = activated
        self.processes = processes
    }

    /// - Throws: `bequest_invalid` for what another version of this program has written.
    package init(_ text: String) throws(HostError) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let numbers = parts.map { part in part.split(separator: ".").map { Int32($0) } }
        guard parts.count == 6, parts[0] == Self.version, let lock = Int32(parts[1]),
            let admin = Int32(parts[2]), let activated = Int(parts[3])
        else { throw Self.invalid(text) }
        let listeners = numbers[4].compactMap(\.self)
        let processes = parts[5].split(separator: "+").map { one in
            one.split(separator: ".").compactMap { Int32($0) }
        }
        guard listeners.count == numbers[4].count, !processes.isEmpty,
            processes.allSatisfy({ $0.count == 4 })
        else { throw Self.invalid(text) }
        self.init(
            lock: lock, admin: admin, listeners: listeners, activated: activated,
            processes: processes)
    }

    var text: String {
        let listeners = listeners.map { String($0) }.joined(separator: ".")
        let engines = processes.map { $0.map { String($0) }.joined(separator: ".") }
        return [
            Self.version, "\(lock)", "\(admin)", "\(activated)", listeners,
            engines.joined(separator: "+"),
        ].joined(separator: ",")
    }

    var descriptors: [Int32] {
        [lock, admin] + listeners + processes.flatMap { $0.dropFirst() }
    }

    /// Takes the children over, and keeps the descriptors from those that come later.
    func engines() throws(HostError) -> [EngineProcess] {
        for descriptor in descriptors { _ = linux_keep_open(descriptor, 0) }
        var engines: [EngineProcess] = []
        for process in processes {
            do throws(LibraryError) {
                engines.append(
                    EngineProcess(
                        pid: process[0], pidfd: process[1], wire: process[2],
                        box: try BlackBox(descriptor: process[3])))
            } catch {
                throw HostError(error)
            }
        }
        return engines
    }

    private static func invalid(_ text: String) -> HostError {
        HostError(
            "bequest_invalid", what: "this process cannot take over from another program",
            subject: text, why: "that program is of another version, or there is none",
            fix: "use: host serve")
    }
}
