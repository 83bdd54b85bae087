import Confinement
import Glibc
import HostModel

extension Confinement.Limits {
    /// For code that is tried once: a quarter of the machine's memory, but at least 512 MiB and at
    /// most 4 GiB, and no more of the rest than a plugin takes that has just begun.
    static var throwaway: Confinement.Limits {
        var limits = Confinement.Limits()
        let memory = UInt64(max(0, sysconf(Int32(_SC_PHYS_PAGES)))) * 4_096
        limits.memoryBytesMax = min(max(memory / 4, 512 << 20), 4 << 30)
        limits.addressBytesMax = limits.memoryBytesMax.map { 16 * $0 }
        limits.descriptorsMax = 1_024
        limits.tasksMax = 512
        limits.fileBytesMax = 1 << 30
        return limits
    }

    /// For a process that serves.
    ///
    /// What a plugin may use is held against what it does use every few seconds, which leads to the
    /// action that somebody has chosen. The kernel's limit is twice that, so that the action comes
    /// first, and nobody gets far in between. What it reserves and never touches counts as well
    /// where it is private and could be written, for which there is some room.
    static func standing(_ resources: ResourceLimits) -> Confinement.Limits {
        func twice(_ value: Int?, atLeast least: UInt64 = 0) -> UInt64? {
            value.map { max(UInt64($0) * 2, least) }
        }
        var limits = Confinement.Limits()
        limits.memoryBytesMax = twice(resources.memoryBytesMax).map { $0 + 512 << 20 } ?? 4 << 30
        limits.descriptorsMax = twice(resources.descriptorsMax, atLeast: 64) ?? 4_096
        limits.tasksMax = twice(resources.threadsMax, atLeast: 64) ?? 1_024
        limits.fileBytesMax = 32 << 30
        return limits
    }
}

extension HostError {
    /// Tells that a process could not give up its rights.
    init(_ error: ConfinementError) {
        self.init(
            "confinement_failed", what: error.what, subject: error.subject, why: error.reason,
            fix: error.remedy, systemError: error.errno)
    }
}
