import Foundation
import Glibc
import Testing

/// A place in the machine's own hierarchy of control groups; nil where none can be made.
private enum Hierarchy {
    static let place: String? = {
        let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 2, fields[2] == "cgroup2" else { continue }
            let path = "\(fields[1])/plugin-host-tests-\(getpid())"
            if mkdir(path, 0o755) == 0 { return path }
        }
        return nil
    }()
}

/// Processes of plugins in control groups, where the machine lets the tests make one.
@Suite(.ownThreads, .timeLimit(.minutes(5)), .enabled(if: Hierarchy.place != nil))
struct ControlGroupTests {
    @Test func processes_haveGroupsOfTheirOwn_whichGoWithThem() throws {
        let place = try #require(Hierarchy.place)
        defer {
            rmdir(place + "/host")
            rmdir(place)
        }
        func groups() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: place)
                .filter { $0.hasPrefix("plugin-") }
        }
        let root = try Root()
        let host = try HostProcess(root, options: ["--cgroup", place])
        #expect(host.log.contains("has a control group below \(place)"), "\(host.log)")
        try root.must("install", Fixtures.bundle("sound"), "--mode", "isolated")
        #expect(try host.hello("sound") == hello)
        let pid = try #require(try root.status("sound")["workers"][0]["pid"].number)
        let own = try String(contentsOfFile: "/proc/\(Int(pid))/cgroup", encoding: .utf8)
        let group = try #require(try groups().first)
        #expect(group.hasPrefix("plugin-sound-") && own.contains("/\(group)\n"), "\(own)")
        kill(Int32(pid), SIGKILL)
        try eventually("the group has gone, and another one has come") {
            let now = try groups()
            return now.count == 1 && now != [group]
        }
        try root.must("remove", "sound")
        try eventually("no group is left") { try groups().isEmpty }
        #expect(try host.terminate() == 0)
    }
}
