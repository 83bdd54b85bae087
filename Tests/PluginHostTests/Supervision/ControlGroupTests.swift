import Foundation
import HostModel
import Testing

@testable import PluginHost

/// What is made of the kernel's control groups, on a directory that looks like one.
@Suite struct ControlGroupTests {
    private static let mounts = """
        25 1 0:22 / /proc rw,nosuid shared:5 - proc proc rw
        30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
        """

    @Test(arguments: [
        (
            "0::/system.slice/plugin-host.service\n",
            "/sys/fs/cgroup/system.slice/plugin-host.service"
        ),
        ("0::/\n", "/sys/fs/cgroup"),
        ("4:memory:/a\n0::/b c\n", "/sys/fs/cgroup/b c"),
    ])
    func ownGroup_isFound(_ groups: String, _ directory: String) {
        #expect(ControlGroups.directory(mounts: Self.mounts, groups: groups) == directory)
    }

    @Test func ownGroup_isFound_whereAPartOfTheHierarchyIsMounted() {
        let mounts = "30 23 0:26 /outer /sys/fs/cgroup rw - cgroup2 none rw"
        #expect(
            ControlGroups.directory(mounts: mounts, groups: "0::/outer/inner")
                == "/sys/fs/cgroup/inner")
        #expect(
            ControlGroups.directory(mounts: mounts, groups: "0::/outer") == "/sys/fs/cgroup")
        #expect(ControlGroups.directory(mounts: mounts, groups: "0::/other") == nil)
        #expect(ControlGroups.directory(mounts: mounts, groups: "1:cpu:/") == nil)
        let older = "30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"
        #expect(ControlGroups.directory(mounts: older, groups: "0::/") == nil)
    }

    @Test func limits_areWritten_asTheKernelReadsThem() {
        let limits = ControlGroup.Limits(
            memoryBytesMax: 1 << 20, cpuPercentMax: 150, tasksMax: 64)
        let files = limits.files.map { "\($0.controller) \($0.name) \($0.text)" }
        #expect(
            files == [
                "memory memory.max 1048576", "memory memory.oom.group 1",
                "cpu cpu.max 150000 100000", "pids pids.max 64",
            ])
        #expect(ControlGroup.Limits().files.isEmpty)
    }

    @Test func groups_areMadeBelowTheOneThatWasGiven_andStaleOnesGo() throws {
        let directory = NSTemporaryDirectory() + "groups-" + UUID().uuidString
        let files = FileManager.default
        for group in ["", "/plugin-stale", "/plugin-busy", "/other"] {
            try files.createDirectory(
                atPath: directory + group, withIntermediateDirectories: true)
        }
        defer { try? files.removeItem(atPath: directory) }
        // A group with processes cannot be removed, nor can a directory with files.
        for file in ["plugin-busy/x", "cgroup.subtree_control"] {
            try Data().write(to: URL(fileURLWithPath: "\(directory)/\(file)"))
        }
        let groups = try ControlGroups(at: directory)
        #expect(groups.told.contains(directory))
        let left = try Set(files.contentsOfDirectory(atPath: directory))
        #expect(left == ["plugin-busy", "other", "cgroup.subtree_control"])
        // The plain file keeps the last line that was written to it.
        #expect(groups.controllers.isEmpty)
        let name = try #require(PluginName("notes"))
        let group = try groups.make(for: name, ControlGroup.Limits(memoryBytesMax: 1))
        #expect(group.path.hasPrefix(directory + "/plugin-notes-"))
        #expect(files.fileExists(atPath: group.path))
        #expect(ControlGroup.remove(group.path))
        #expect(!files.fileExists(atPath: group.path))
    }

    @Test func absence_isExplained() throws {
        let directory = NSTemporaryDirectory() + "process-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(directory)/\(name)"))
        }
        try write("mountinfo", "30 23 0:26 / \(directory) rw - cgroup2 cgroup2 rw")
        try write("cgroup", "0::/")
        let error = #expect(throws: HostError.self) {
            try ControlGroups(asked: nil, process: directory)
        }
        #expect(error?.code == "control_groups_missing")
        #expect(error?.reasons.first?.contains("was not delegated") == true)
        #expect(error?.remedy.contains("Delegate=yes") == true)
        #expect(throws: HostError.self) { try ControlGroups(asked: directory + "/none") }
    }
}
