import Glibc
import HostModel

/// A control group for one process of a plugin and whatever it starts.
///
/// - Source: Documentation/admin-guide/cgroup-v2.rst of Linux.
final class ControlGroup: Sendable {
    /// How the groups of a plugin's processes are made.
    struct Plan: Sendable {
        var groups: ControlGroups
        var name: PluginName
        /// What each of the processes may use.
        var limits: Limits

        func make() throws(HostError) -> ControlGroup { try groups.make(for: name, limits) }
    }

    /// What the kernel bounds; nil: nothing.
    struct Limits: Sendable, Equatable {
        /// - Units: bytes.
        var memoryBytesMax: UInt64?
        /// Of one processor.
        var cpuPercentMax: UInt64?
        /// Threads and processes.
        var tasksMax: UInt64?

        /// The files of a group that say so, by the controller that reads them.
        var files: [(controller: String, name: String, text: String)] {
            var files: [(String, String, String)] = []
            if let memoryBytesMax {
                files.append(("memory", "memory.max", "\(memoryBytesMax)"))
                // Half of a process is worth nothing.
                files.append(("memory", "memory.oom.group", "1"))
            }
            if let cpuPercentMax {
                let microseconds = cpuPercentMax * Self.periodMicroseconds / 100
                files.append(("cpu", "cpu.max", "\(microseconds) \(Self.periodMicroseconds)"))
            }
            if let tasksMax { files.append(("pids", "pids.max", "\(tasksMax)")) }
            return files
        }

        private static let periodMicroseconds: UInt64 = 100_000
    }

    /// Its directory.
    let path: String

    init(at path: String) { self.path = path }

    /// Ends all that is in it, and removes it; on a thread that may wait.
    func end() {
        let path = path
        Task {
            await Blocking.run {
                // Before Linux 5.14 there is no such file; what the process has left behind shares
                // its process group, which is ended as well.
                try? Self.write("1", to: path + "/cgroup.kill")
                var tries = 0
                while !Self.remove(path), tries < Self.triesMax {
                    tries += 1
                    poll(nil, 0, Self.pauseMilliseconds)
                }
            }
        }
    }

    /// Does so when the process has ended that it is for.
    func end(with process: ChildProcess) {
        process.whenEnded { end in if end != .handedOver { self.end() } }
    }

    /// Removes a group without processes; false if there are some.
    static func remove(_ path: String) -> Bool { unsafe rmdir(path) == 0 || errno == ENOENT }

    /// What is killed takes a moment to be gone; what is left then goes at the next start.
    private static let triesMax = 500
    private static let pauseMilliseconds: Int32 = 10

    /// - Throws: `HostError` with code `system_call_failed`.
    static func write(_ text: String, to path: String) throws(HostError) {
        try Descriptor(opening: path, flags: O_WRONLY).write(text.utf8)
    }
}
