import Confinement
import Glibc
import HostModel

extension Confinement.Limits {
    /// For code that is tried once: a quarter of the machine's memory, and no more of the rest than
    /// a plugin takes that has just begun.
    static var throwaway: Confinement.Limits {
        var limits = Confinement.Limits()
        let memory = UInt64(max(0, sysconf(Int32(_SC_PHYS_PAGES)))) * 4_096
        limits.memoryBytesMax = max(memory / 4, 512 << 20)
        limits.addressBytesMax = limits.memoryBytesMax.map { 16 * $0 }
        limits.descriptorsMax = 1_024
        limits.tasksMax = 512
        limits.fileBytesMax = 1 << 30
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
