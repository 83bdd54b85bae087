internal import Glibc
internal import HostModel

/// The directories of a bundle that is being unpacked, made as its entries need them.
///
/// Each component is opened from the directory above it without following links. Those on the way
/// to the last entry stay open: the next one is mostly beside it.
struct UnpackedTree: ~Copyable {
    /// A directory that is open, as long as somebody has it.
    final class Opened {
        let descriptor: Descriptor
        var number: Int32 { descriptor.number }

        init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

        func open(_ name: String, flags: Int32, mode: mode_t = 0) throws(HostError) -> Descriptor {
            try descriptor.open(name, flags: flags, mode: mode)
        }
    }

    let root: Descriptor
    /// Every directory that was made, in that order.
    private(set) var made: [[String]] = []
    /// The components of the way that is open, and the directory that each of them leads to.
    private var way: [(name: String, directory: Opened)] = []
    private let start: Opened

    init(_ path: String) throws(HostError) {
        let root = try Descriptor(directory: path)
        start = Opened(try root.open(".", flags: O_RDONLY | O_DIRECTORY))
        self.root = root
    }

    /// Opens a directory, making what is missing of it.
    mutating func open(_ path: ArraySlice<String>) throws(HostError) -> Opened {
        let shared = zip(way, path).prefix { $0.0.name == $0.1 }.count
        way.removeLast(way.count - shared)
        for name in path.dropFirst(shared) {
            let above = way.last?.directory ?? start
            let reached = path.prefix(way.count + 1)
            if unsafe mkdirat(above.number, name, 0o755) == 0 {
                guard unsafe fchmodat(above.number, name, 0o755, 0) == 0 else {
                    throw Self.failed(reached, errno)
                }
                made.append(Array(reached))
            } else if errno != EEXIST {
                throw Self.failed(reached, errno)
            }
            let next = try above.open(name, flags: O_RDONLY | O_DIRECTORY)
            way.append((name, Opened(next)))
        }
        return way.last?.directory ?? start
    }

    /// Opens a directory that is there, and leaves the way as it is.
    func descriptor(of path: ArraySlice<String>) throws(HostError) -> Descriptor {
        var current = try root.open(".", flags: O_RDONLY | O_DIRECTORY)
        for name in path { current = try current.open(name, flags: O_RDONLY | O_DIRECTORY) }
        return current
    }

    static func failed(_ path: ArraySlice<String>, _ number: Int32) -> HostError {
        .system(
            "the bundle could not be unpacked", subject: path.joined(separator: "/"), errno: number)
    }
}
