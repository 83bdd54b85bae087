import Glibc
import HostModel

/// What the kernel counts of one process.
///
/// - Source: proc(5): /proc/pid/stat, /proc/pid/fd, /proc/pid/limits, and `btime` of /proc/stat.
struct ProcessFigures: Sendable, Equatable {
    /// Processor time, in user mode and in the kernel.
    var cpuSeconds: Double
    var residentBytes: Int
    var virtualBytes: Int
    var threads: Int
    /// Nil when they may not be looked at.
    var openDescriptors: Int?
    var maxDescriptors: Int?
    /// Seconds since 1970.
    var startSeconds: Double

    /// - Returns: nil when there is no such process.
    init?(pid: Int32) {
        guard let stat = Self.text("/proc/\(pid)/stat"),
            let end = stat.lastIndex(of: ")")
        else { return nil }
        // From the third field on; the name before may hold anything.
        let fields = stat[end...].dropFirst().split(separator: " ").map(String.init)
        func field(_ number: Int) -> Double {
            fields.indices.contains(number - 3) ? Double(fields[number - 3]) ?? 0 : 0
        }
        let ticksPerSecond = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        cpuSeconds = (field(14) + field(15)) / ticksPerSecond
        threads = Int(field(20))
        startSeconds = Self.bootSeconds + field(22) / ticksPerSecond
        virtualBytes = Int(field(23))
        residentBytes = Int(field(24)) * sysconf(Int32(_SC_PAGESIZE))
        // The one that looks is not counted.
        openDescriptors = Self.entries("/proc/\(pid)/fd").map { pid == getpid() ? $0 - 1 : $0 }
        maxDescriptors = Self.text("/proc/\(pid)/limits").flatMap { limits in
            limits.split(separator: "\n").first { $0.hasPrefix("Max open files") }
                .flatMap { $0.split(separator: " ").dropFirst(3).first }
                .flatMap { Int($0) }
        }
    }

    /// This process.
    static var own: ProcessFigures? { ProcessFigures(pid: getpid()) }

    private static let bootSeconds: Double = {
        let lines = text("/proc/stat")?.split(separator: "\n") ?? []
        let line = lines.first { $0.hasPrefix("btime ") }
        return line.flatMap { Double($0.dropFirst(6)) } ?? 0
    }()

    /// What a file of /proc holds; nil when it is gone.
    static func text(_ path: String) -> String? {
        do throws(HostError) {
            let bytes = try Descriptor(opening: path, flags: O_RDONLY).readAll(bytesMax: 1 << 20)
            return String(decoding: bytes, as: UTF8.self)
        } catch {
            return nil
        }
    }

    /// How many entries a directory has.
    private static func entries(_ path: String) -> Int? {
        guard let directory = unsafe opendir(path) else { return nil }
        defer { unsafe closedir(directory) }
        var count = 0
        while unsafe readdir(directory) != nil { count += 1 }
        return count - 2
    }
}
