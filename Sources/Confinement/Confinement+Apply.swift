internal import CConfinement
import Glibc

extension Confinement {
    /// Gives up everything that is not allowed here, for this process and all that it starts.
    ///
    /// 1. The process moves into its control group, and descriptors that were not passed on purpose
    ///    are closed.
    /// 2. It moves into its own user namespace, and a network namespace without interfaces
    ///    if it has no network. Only a process with one thread can.
    /// 3. What may be used up is bounded, and no core file is written.
    /// 4. All capabilities are given up, and none is gained by executing.
    /// 5. Landlock: files, TCP, signals to others.
    /// 6. Seccomp: the system calls that are left.
    ///
    /// To be called before the process has other threads: steps 4 and 5 bind the calling thread and
    /// those that it starts.
    ///
    /// - Returns: what is in force, and what the kernel did not offer.
    /// - Throws: `ConfinementError` when a path is not there or the kernel refused what it offers.
    @discardableResult
    public func apply() throws(ConfinementError) -> ConfinementReport {
        var report = ConfinementReport()
        if let group {
            try Self.check(
                unsafe confinement_join(group), "cannot join the control group", group)
        }
        if let descriptors {
            let kept = descriptors.sorted()
            try Self.check(
                unsafe confinement_close_all_but(kept, kept.count), "cannot close descriptors", "")
            report.note(.descriptors)
        }
        let version = confinement_landlock_version()
        enterNamespaces(&report)
        try bound(&report)
        try Self.check(confinement_drop_capabilities(), "cannot give up capabilities", "")
        try Self.check(confinement_no_new_privileges(), "cannot give up privileges", "")
        report.note(.privileges)
        try restrictFiles(version, &report)
        try filterCalls(signalsAreBound: version >= Self.signalsVersion, &report)
        return report
    }

    /// What the kernel offers to processes like this one; nothing is applied.
    public static func offered() -> ConfinementReport {
        var report = ConfinementReport()
        for mechanism: ConfinementReport.Mechanism in [.descriptors, .limits, .privileges] {
            report.note(mechanism)
        }
        report.note(.userNamespace, unless: confinement_try_unshare(0))
        report.note(.networkNamespace, unless: confinement_try_unshare(1))
        let version = confinement_landlock_version()
        report.note(.files, unless: version)
        report.noteLandlock(version, ports: true)
        report.note(.systemCalls, unless: confinement_has_filters())
        return report
    }

    // MARK: - Steps

    private func enterNamespaces(_ report: inout ConfinementReport) {
        let wantsNetworkNamespace = usesNetworkNamespace && !hasNetwork
        var result = confinement_unshare(wantsNetworkNamespace ? 1 : 0)
        if wantsNetworkNamespace {
            report.note(.networkNamespace, unless: result)
            if result < 0 { result = confinement_unshare(0) }
        }
        report.note(.userNamespace, unless: result)
    }

    private func bound(_ report: inout ConfinementReport) throws(ConfinementError) {
        let bounds: [(confinement_resource, UInt64?, String)] = [
            (confinement_core_size, 0, "RLIMIT_CORE"),
            (confinement_data, limits.memoryBytesMax, "RLIMIT_DATA"),
            (confinement_address_space, limits.addressBytesMax, "RLIMIT_AS"),
            (confinement_processor_seconds, limits.processorSecondsMax, "RLIMIT_CPU"),
            (confinement_descriptors, limits.descriptorsMax, "RLIMIT_NOFILE"),
            (confinement_processes, tasksMax(report), "RLIMIT_NPROC"),
            (confinement_file_size, limits.fileBytesMax, "RLIMIT_FSIZE"),
        ]
        for (resource, maximum, name) in bounds {
            guard let maximum else { continue }
            try Self.check(confinement_limit(resource, maximum), "cannot set a limit", name)
        }
        report.note(.limits)
    }

    /// Outside a namespace all processes of the user count, whoever started them.
    private func tasksMax(_ report: ConfinementReport) -> UInt64? {
        report.applied.contains(.userNamespace) ? limits.tasksMax : nil
    }

    private func restrictFiles(
        _ version: Int32, _ report: inout ConfinementReport
    ) throws(ConfinementError) {
        report.note(.files, unless: version)
        report.noteLandlock(version, ports: !hasNetwork)
        guard version >= 1 else { return }
        let rules = confinement_landlock_create(version, hasNetwork ? 0 : 1, 1)
        try Self.check(rules, "cannot make rules for files", "landlock")
        let reading = hasProcesses ? confinement_read_execute : confinement_read
        var system = Self.systemReadable
        if hasNetwork { system += Self.networkReadable }
        if hasProcesses { system += Self.processesReadable }
        // What a system does not have need not be allowed.
        for path in system { _ = unsafe confinement_landlock_allow(rules, version, path, reading) }
        for path in Self.devices {
            _ = unsafe confinement_landlock_allow(rules, version, path, confinement_device)
        }
        for path in readable {
            unsafe try Self.check(
                confinement_landlock_allow(rules, version, path, reading),
                "cannot allow to read", path)
        }
        for path in writable {
            unsafe try Self.check(
                confinement_landlock_allow(rules, version, path, confinement_write),
                "cannot allow to write", path)
        }
        if hasProcesses {
            // Other programs have other entries in /proc, and look at their threads as processes.
            // Of strangers they see what everybody does; memory, files and environments are denied.
            _ = unsafe confinement_landlock_allow(rules, version, "/proc", confinement_read_file)
        } else {
            // A rule for /proc/self is one for the entry that is there now: as long as it is open,
            // the kernel does not make another one.
            _ = unsafe confinement_hold("/proc/self")
            confinement_redirect_threads()
        }
        try Self.check(
            confinement_landlock_enforce(rules), "cannot enforce rules for files", "landlock")
    }

    private func filterCalls(
        signalsAreBound: Bool, _ report: inout ConfinementReport
    ) throws(ConfinementError) {
        let offered = confinement_has_filters()
        report.note(.systemCalls, unless: offered)
        guard offered >= 0 else { return }
        var allowances: UInt32 = 0
        if hasNetwork { allowances |= UInt32(confinement_with_network) }
        if hasProcesses { allowances |= UInt32(confinement_with_processes) }
        // Servers of many languages make a socket before they take the one that they are given.
        if hasProcesses, report.applied.contains(.networkNamespace) {
            allowances |= UInt32(confinement_with_idle_sockets)
        }
        // Processes that it starts must be able to signal each other and themselves.
        if signalsAreBound || hasProcesses { allowances |= UInt32(confinement_with_signals) }
        try Self.check(
            confinement_filter_calls(allowances), "cannot filter system calls", "seccomp")
    }

    fileprivate static let signalsVersion: Int32 = 6
    fileprivate static let portsVersion: Int32 = 4

    private static func check(
        _ result: Int32, _ what: String, _ subject: String
    ) throws(ConfinementError) {
        guard result < 0 else { return }
        throw ConfinementError(what, subject, result)
    }
}

extension ConfinementReport {
    fileprivate mutating func note(_ mechanism: Mechanism, unless result: Int32) {
        if result >= 0 {
            note(mechanism)
        } else {
            note(mechanism, absent: ConfinementError.text(ofErrno: -result))
        }
    }

    /// What Landlock has beside files depends on its version.
    fileprivate mutating func noteLandlock(_ version: Int32, ports: Bool) {
        let parts: [(Mechanism, Int32)] =
            (ports ? [(.ports, Confinement.portsVersion)] : [])
            + [(.signals, Confinement.signalsVersion)]
        for (mechanism, needed) in parts {
            if version >= needed {
                note(mechanism)
            } else if version > 0 {
                note(mechanism, absent: "it needs version \(needed), the kernel has \(version)")
            } else {
                note(mechanism, absent: "the kernel has no Landlock")
            }
        }
    }
}
