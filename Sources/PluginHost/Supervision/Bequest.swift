internal import CLinux
internal import DynamicLibrary
internal import Glibc
package import HostModel

/// What a supervisor leaves to the program that it becomes: descriptors and children by their
/// numbers.
///
/// - Shape: `host supervise BEQUEST ARGUMENT...`, or with `--check` before the arguments to be
///   asked; BEQUEST is `1,LOCK,ADMIN,ACTIVATED,LISTENER.LISTENER...,ENGINE+ENGINE...`, an engine
///   `PID.PIDFD.WIRE.BOX`, the one that serves first; then, unless an older version has written it,
///   `,DOOR.DOOR...,CHILDREN`, the latter a file with what `KeptChild` tells.
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
    /// The further doors to the admin interface.
    let doors: [Int32]
    /// The file that tells of the children; -1: there is none.
    let children: Int32
    /// What is kept for the children.
    private let kept: [Int32]

    init(
        lock: Int32, admin: Int32, listeners: [Int32], activated: Int, processes: [[Int32]],
        doors: [Int32], children: Int32, kept: [Int32] = []
    ) {
        self.lock = lock
        self.admin = admin
        self.listeners = listeners
        self.activated = activated
        self.processes = processes
        self.doors = doors
        self.children = children
        self.kept = kept
    }

    /// - Throws: `bequest_invalid` for what another version of this program has written.
    package init(_ text: String) throws(HostError) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let numbers = parts.map { part in part.split(separator: ".").map { Int32($0) } }
        guard parts.count == 6 || parts.count == 8, parts[0] == Self.version,
            let lock = Int32(parts[1]),
            let admin = Int32(parts[2]), let activated = Int(parts[3])
        else { throw Self.invalid(text) }
        let listeners = numbers[4].compactMap(\.self)
        let processes = parts[5].split(separator: "+").map { one in
            one.split(separator: ".").compactMap { Int32($0) }
        }
        guard listeners.count == numbers[4].count, !processes.isEmpty,
            processes.allSatisfy({ $0.count == 4 })
        else { throw Self.invalid(text) }
        let isNewer = parts.count == 8
        self.init(
            lock: lock, admin: admin, listeners: listeners, activated: activated,
            processes: processes, doors: isNewer ? numbers[6].compactMap(\.self) : [],
            children: isNewer ? Int32(parts[7]) ?? -1 : -1)
    }

    var text: String {
        let listeners = listeners.map { String($0) }.joined(separator: ".")
        let engines = processes.map { $0.map { String($0) }.joined(separator: ".") }
        return [
            Self.version, "\(lock)", "\(admin)", "\(activated)", listeners,
            engines.joined(separator: "+"), doors.map { String($0) }.joined(separator: "."),
            "\(children)",
        ].joined(separator: ",")
    }

    var descriptors: [Int32] {
        [lock, admin] + listeners + processes.flatMap { $0.dropFirst() } + doors + kept
            + (children < 0 ? [] : [children])
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

    // MARK: - Children

    /// Writes down what the next program has to know of children.
    ///
    /// - Returns: the file; -1 when there is none.
    static func note(
        _ children: [KeptChild], last: Int32, _ engines: [EngineProcess]
    ) -> Int32 {
        let file = unsafe linux_memory_file("host-children")
        guard file >= 0 else { return -1 }
        let json: JSONValue = [
            "last": .number(JSONNumber(last)),
            "children": .array(
                children.map { child in
                    child.json(owner: engines.firstIndex { $0 === child.owner } ?? -1)
                }),
        ]
        var text = json.text()
        let written = text.withUTF8 { unsafe write(file, $0.baseAddress, $0.count) }
        guard written == text.utf8.count else {
            close(file)
            return -1
        }
        return file
    }

    /// Takes the children over.
    func takeChildren(_ engines: [EngineProcess]) -> ([KeptChild], last: Int32) {
        guard children >= 0, lseek(children, 0, SEEK_SET) == 0 else { return ([], 0) }
        let file = Descriptor(owning: children, path: "children")
        guard let bytes = try? file.readAll(bytesMax: Self.childrenBytesMax),
            let json = try? JSON.parse(bytes)
        else { return ([], 0) }
        let found = (json["children"]?.array ?? []).compactMap {
            KeptChild(json: $0, engines: engines)
        }
        for child in found {
            for descriptor in [child.pidfd] + child.descriptors {
                _ = linux_keep_open(descriptor, 0)
            }
        }
        return (found, json["last"]?.integer.flatMap { Int32(exactly: $0) } ?? 0)
    }

    private static let childrenBytesMax = 64 << 20

    private static func invalid(_ text: String) -> HostError {
        HostError(
            "bequest_invalid", what: "this process cannot take over from another program",
            subject: text, why: "that program is of another version, or there is none",
            fix: "use: host serve")
    }
}
