import Foundation
import Glibc

/// What the kernel tells about a running process.
struct ProcessState {
    let pid: pid_t

    /// A whole file of /proc/PID; empty when the process has gone. `String(contentsOfFile:)` would
    /// stop after the first page.
    private func text(_ name: String) -> String {
        let file = FileHandle(forReadingAtPath: "/proc/\(pid)/\(name)")
        let data = try? file?.readToEnd()
        return String(decoding: (data ?? nil) ?? Data(), as: UTF8.self)
    }

    /// The lines of /proc/PID/maps; none when the process has gone.
    var maps: [String] {
        text("maps").split(separator: "\n").map(String.init)
    }

    /// The lines of the maps that name a file below a directory.
    func maps(below directory: String) -> [String] { maps.filter { $0.contains(directory + "/") } }

    var threads: [String] {
        let tasks =
            (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return tasks.map { text("task/\($0)/comm").trimmingCharacters(in: .newlines) }
            .filter { !$0.isEmpty }
    }

    /// The processes that it has started and that have not been waited for.
    var children: [pid_t] {
        let tasks =
            (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return tasks.flatMap { text("task/\($0)/children").split(separator: " ") }
            .compactMap { pid_t($0) }
    }

    /// Its command line; empty when it has ended.
    var arguments: [String] { text("cmdline").split(separator: "\0").map(String.init) }

    /// Whether it has not ended.
    var isAlive: Bool {
        let stat = text("stat")
        guard let end = stat.lastIndex(of: ")") else { return false }
        let state = stat[end...].dropFirst(2).first
        // The first thread may have ended before the others.
        return state != "Z" && state != "X" || threads.count > 1
    }

    var fileDescriptorCount: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd"))?.count ?? 0
    }

    /// Bytes of resident memory.
    var residentBytes: Int {
        let line = text("status").split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line.flatMap { Int($0.filter(\.isNumber)) }.map { $0 * 1_024 } ?? 0
    }
}
