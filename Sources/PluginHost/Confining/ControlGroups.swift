import CLinux
import Glibc
package import HostModel

/// The control groups of plugins' processes, below a group that was given to the host.
///
/// - Shape: the host itself moves into `<group>/host`, because a group that has processes cannot
///   have bounded ones below it; each process of a plugin gets `<group>/plugin-<name>-<random>`.
package final class ControlGroups: Sendable {
    /// The group that was given to the host.
    let directory: String
    /// What can be bounded, of memory, cpu and pids.
    let controllers: Set<String>

    private static let ownName = "host"
    private static let prefix = "plugin-"
    private static let wanted = ["cpu", "memory", "pids"]

    // MARK: - The host's group

    /// Finds the group that the host was given, and prepares it.
    ///
    /// - Parameters:
    ///   - asked: the directory that the operator names; nil: the own one, if it was delegated.
    ///   - process: the directory of the own process in `/proc`.
    /// - Throws: `control_groups_missing` with the reason.
    package convenience init(
        asked: String?, process: String = "/proc/self"
    ) throws(HostError) {
        if let asked {
            try self.init(at: asked)
            return
        }
        let mounts = try Self.read(process + "/mountinfo")
        let groups = try Self.read(process + "/cgroup")
        guard let own = Self.directory(mounts: mounts, groups: groups) else {
            throw Self.missing("there is no hierarchy of cgroup v2", cure: "")
        }
        let given = own.hasSuffix("/" + Self.ownName) ? String(own.dropLast(5)) : own
        guard Self.isDelegated(given) else {
            throw Self.missing("\(given) was not delegated to the host", cure: Self.delegation)
        }
        try self.init(at: given)
    }

    /// Prepares a group.
    ///
    /// - Throws: `control_groups_missing` with the reason.
    init(at directory: String) throws(HostError) {
        self.directory = directory
        do throws(HostError) {
            try Self.leave(directory)
            controllers = Self.enable(in: directory)
            for entry in try Directory.entries(of: directory) where entry.hasPrefix(Self.prefix) {
                // Those that still have processes are another engine's.
                _ = ControlGroup.remove(directory + "/" + entry)
            }
        } catch {
            throw Self.missing(
                "\(error.what) (\(error.subject)): " + error.reasons.joined(separator: "; "),
                cure: Self.delegation)
        }
    }

    /// What the log says of them.
    package var told: String {
        let missing = Self.wanted.filter { !controllers.contains($0) }
        let bounds = controllers.isEmpty ? "nothing" : controllers.sorted().joined(separator: ", ")
        return "each process of a plugin has a control group below \(directory), which bounds"
            + " \(bounds)"
            + (missing.isEmpty
                ? "" : "; there is no controller for \(missing.joined(separator: ", "))")
    }

    /// Where a process stands in the hierarchy of cgroup v2; nil without one.
    ///
    /// - Parameters:
    ///   - mounts: `/proc/self/mountinfo`.
    ///   - groups: `/proc/self/cgroup`.
    static func directory(mounts: String, groups: String) -> String? {
        let own = groups.split(separator: "\n").first { $0.hasPrefix("0::") }
        guard let own = own.map({ String($0.dropFirst(3)) }) else { return nil }
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count,
                fields[dash + 1] == "cgroup2", fields.count > 4
            else { continue }
            let (root, point) = (String(fields[3]), String(fields[4]))
            if root == "/" { return point + (own == "/" ? "" : own) }
            if own == root { return point }
            if own.hasPrefix(root + "/") { return point + String(own.dropFirst(root.count)) }
        }
        return nil
    }

    /// Whether the service manager has left the group to the host.
    ///
    /// - Source: systemd.resource-control(5), Delegate=.
    private static func isDelegated(_ directory: String) -> Bool {
        unsafe linux_is_delegated(directory) == 1
    }

    /// Takes all processes out of a group, so that groups below it can be bounded.
    private static func leave(_ directory: String) throws(HostError) {
        let list = directory + "/cgroup.procs"
        // The root of the hierarchy may have both.
        guard unsafe access(directory + "/cgroup.type", F_OK) == 0 else { return }
        let own = directory + "/" + ownName
        try Directory.create(own, mode: 0o755)
        for _ in 0..<leaveTriesMax {
            let processes = try read(list).split(separator: "\n")
            if processes.isEmpty { return }
            for process in processes {
                // One that has ended meanwhile need not move.
                try? ControlGroup.write(String(process), to: own + "/cgroup.procs")
            }
        }
    }

    /// What is started while processes are moved is moved in the next round.
    private static let leaveTriesMax = 16

    /// Switches on for the groups below what there is; returns what is on.
    private static func enable(in directory: String) -> Set<String> {
        for controller in wanted {
            try? ControlGroup.write("+" + controller, to: directory + "/cgroup.subtree_control")
        }
        let on = (try? read(directory + "/cgroup.subtree_control")) ?? ""
        return Set(on.split { $0 == " " || $0 == "\n" }.map(String.init)).intersection(wanted)
    }

    // MARK: - The groups of plugins

    /// Makes a group for a process that is about to start.
    ///
    /// - Throws: `HostError` of what could not be done; nothing is left.
    func make(
        for name: PluginName, _ limits: ControlGroup.Limits
    ) throws(HostError) -> ControlGroup {
        let group = ControlGroup(at: "\(directory)/\(Self.prefix)\(name)-\(RandomName.make())")
        try Directory.create(group.path, mode: 0o755)
        do throws(HostError) {
            for (controller, file, text) in limits.files where controllers.contains(controller) {
                try ControlGroup.write(text, to: group.path + "/" + file)
            }
        } catch {
            _ = ControlGroup.remove(group.path)
            throw error
        }
        return group
    }

    // MARK: - Words

    private static func missing(_ reason: String, cure: String) -> HostError {
        HostError(
            "control_groups_missing", what: "processes of plugins have no control groups",
            why: reason, fix: cure)
    }

    private static let delegation =
        "have systemd start the host, with Delegate=yes in the unit; see: host generate unit"

    private static func read(_ path: String) throws(HostError) -> String {
        let file = try Descriptor(opening: path, flags: O_RDONLY)
        return String(decoding: try file.readAll(bytesMax: 1 << 20), as: UTF8.self)
    }
}

extension PluginManager {
    /// How the groups of a plugin's processes are made; nil where the host has been given none.
    func groupPlan(
        _ name: PluginName, _ resources: ResourceLimits, among instances: Int
    ) -> ControlGroup.Plan? {
        guard let groups = options.controlGroups else { return nil }
        let share = UInt64(max(1, instances))
        // As `Confinement.Limits.standing`: what somebody has chosen to happen comes first.
        func twice(_ value: Int?, atLeast least: UInt64 = 0) -> UInt64? {
            value.map { max(UInt64($0) * 2 / share, least) }
        }
        return ControlGroup.Plan(
            groups: groups, name: name,
            limits: ControlGroup.Limits(
                memoryBytesMax: twice(resources.memoryBytesMax),
                cpuPercentMax: twice(resources.cpuPercentMax, atLeast: 1),
                tasksMax: twice(resources.threadsMax, atLeast: 64) ?? 1_024))
    }
}
