import Foundation
import Glibc

/// The calls by which one host process changes files, and the one at which it is to die.
///
/// A library is preloaded into the process that counts them (Tests/Fixtures/killpoints); both share
/// a small file.
final class KillPoints {
    private enum Field: Int {
        case armed = 0
        case seen = 4
        case killAt = 8
        case tells = 12
        case failure = 16
        case place = 20
    }
    private static let bytes = 128

    private let directory: TemporaryDirectory
    private let memory: UnsafeMutableRawPointer

    init() throws {
        directory = try TemporaryDirectory()
        let path = try directory.write("points", Data(count: Self.bytes))
        let file = open(path, O_RDWR | O_CLOEXEC)
        defer { close(file) }
        let memory = mmap(nil, Self.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        guard let memory, memory != MAP_FAILED else {
            throw POSIXError(.init(rawValue: errno) ?? .EIO)
        }
        self.memory = memory
    }

    deinit { munmap(memory, Self.bytes) }

    /// What the process is to be started with.
    func environment() throws -> [String: String] {
        ["LD_PRELOAD": try Self.library.get(), "KILL_POINTS": directory("points")]
    }

    /// Begins to count.
    ///
    /// - Parameters:
    ///   - point: Where the process dies, counted from 1; 0: nowhere.
    ///   - failure: What the call there fails with instead, an errno; 0: the process dies.
    ///   - tells: Whether the points are told on the standard error of the process.
    func arm(killingAt point: Int = 0, failure: Int32 = 0, tells: Bool = false) {
        store(0, .armed)
        store(UInt32(failure), .failure)
        store(UInt32(point), .killAt)
        store(0, .seen)
        store(tells ? 1 : 0, .tells)
        store(1, .armed)
    }

    func disarm() { store(0, .armed) }

    /// Begins anew with the same point.
    func armAgain() {
        store(0, .seen)
        store(1, .armed)
    }

    /// Whether a point is chosen.
    var hasPoint: Bool { memory.load(fromByteOffset: Field.killAt.rawValue, as: UInt32.self) > 0 }

    /// How many points there were since `arm`.
    var seen: Int { Int(memory.load(fromByteOffset: Field.seen.rawValue, as: UInt32.self)) }

    /// The call at which the process died, or that failed, with its file.
    var place: String {
        let bytes = UnsafeRawBufferPointer(start: memory, count: Self.bytes)
        return String(
            decoding: bytes[Field.place.rawValue...].prefix { $0 != 0 }, as: UTF8.self)
    }

    private func store(_ value: UInt32, _ field: Field) {
        memory.storeBytes(of: value, toByteOffset: field.rawValue, as: UInt32.self)
    }

    private static let library = Result { () throws -> String in
        let library = "\(Repository.products)/fixtures/kill_points.so"
        try FileManager.default.createDirectory(
            atPath: "\(Repository.products)/fixtures", withIntermediateDirectories: true)
        try Command.succeed([
            "/usr/bin/gcc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
            "\(Repository.path)/Tests/Fixtures/killpoints/kill_points.c", "-o", library, "-ldl",
        ])
        return library
    }
}
