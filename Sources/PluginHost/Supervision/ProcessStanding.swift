internal import CLinux
internal import Glibc
internal import HostModel

/// What the kernel says of a process's place among others, and of what it is held to.
///
/// - Source: proc(5): /proc/pid/status and /proc/pid/task/tid/children.
struct ProcessStanding: Sendable {
    private(set) var parent: Int32 = 0
    private(set) var session: Int32 = 0
    /// Whether it has ended and only waits to be reaped; it is bound by nothing any more then.
    private(set) var hasEnded = false
    private var gainsNothing = false
    private var filters = 0

    /// - Returns: nil when there is no such process.
    init?(_ pid: Int32) {
        guard let status = ProcessFigures.text("/proc/\(pid)/status") else { return nil }
        for line in status.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
            guard words.count > 1 else { continue }
            switch words[0] {
            case "State:": hasEnded = ["Z", "X"].contains(words[1])
            case "PPid:": parent = Int32(words[1]) ?? 0
            case "NSsid:": session = Int32(words[1]) ?? 0
            case "NoNewPrivs:": gainsNothing = words[1] == "1"
            case "Seccomp_filters:": filters = Int(words[1]) ?? 0
            default: break
            }
        }
    }

    /// Whether the process is held to more than another one, as those of plugins are that are
    /// confined.
    func isBound(moreThan other: ProcessStanding) -> Bool {
        filters > other.filters || gainsNothing && !other.gainsNothing
    }

    /// The children of this process, those that fell to it included.
    static var ownChildren: [Int32] {
        var found: [Int32] = []
        for task in (try? Directory.entries(of: "/proc/self/task")) ?? [] {
            let text = ProcessFigures.text("/proc/self/task/\(task)/children") ?? ""
            found += text.split(separator: " ").compactMap { Int32($0) }
        }
        return found
    }
}
