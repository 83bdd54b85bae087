/// What a process may still do once it has confined itself.
///
/// A process that is about to run code which is not trusted makes such a value and calls `apply`,
/// which cannot be taken back and binds all that the process starts. Each mechanism is the kernel's
/// own and optional: what the kernel does not offer is told in the report and never skipped in
/// silence.
public struct Confinement: Sendable, Hashable {
    /// Files and directories that may be read, with all that is below them.
    public var readable: [String]
    /// Directories in which files may be made, read, changed and removed.
    public var writable: [String]
    /// Whether there is a network, and connections to sockets of the machine.
    ///
    /// Sockets that were passed in, and connections that they accept, work in any case.
    public var hasNetwork = false
    /// Whether processes may be started, and programs of the system executed.
    public var hasProcesses = false
    /// Whether to move into namespaces, where the user of the process may.
    ///
    /// A network namespace takes the kernel up to some milliseconds, most of them after the end.
    public var usesNetworkNamespace = true
    /// What may be used up.
    public var limits = Limits()
    /// The control group (cgroup v2) that the process moves into; nil: it stays where it is.
    public var group: String?
    /// The descriptors that stay open beside the standard three; nil: all do.
    public var descriptors: [Int32]?

    /// What a process may use up; nil is as much as before.
    public struct Limits: Sendable, Hashable {
        /// Private memory that can be written, thread stacks included.
        ///
        /// - Units: bytes.
        public var memoryBytesMax: UInt64?
        /// The address space; shared memory counts here.
        ///
        /// - Units: bytes.
        public var addressBytesMax: UInt64?
        /// Processor time, of all threads together.
        public var processorSecondsMax: UInt64?
        /// Open descriptors.
        public var descriptorsMax: UInt64?
        /// Threads and processes; counts in a user namespace of its own only, and never for root.
        public var tasksMax: UInt64?
        /// The size of each file that is written.
        ///
        /// - Units: bytes.
        public var fileBytesMax: UInt64?

        /// No limits but what there are.
        public init() {}
    }

    /// Describes a process that may do next to nothing.
    public init(readable: [String] = [], writable: [String] = []) {
        self.readable = readable
        self.writable = writable
    }

    /// What programs and the C library read, and what says nothing about others.
    static let systemReadable = [
        "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/ld.so.conf",
        "/etc/ld.so.conf.d", "/etc/localtime", "/etc/timezone", "/etc/locale.alias",
        "/etc/mime.types", "/etc/ssl/certs", "/etc/ssl/openssl.cnf",
        "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/uptime",
        "/proc/loadavg", "/proc/version", "/proc/filesystems", "/proc/sys/vm/overcommit_memory",
        "/sys/devices/system/cpu", "/sys/devices/system/node",
        "/sys/kernel/mm/transparent_hugepage",
    ]
    /// The same for those that speak to the network.
    static let networkReadable = [
        "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf",
        "/etc/services", "/etc/protocols",
        "/run/systemd/resolve",
    ]
    /// The same for those that start programs.
    static let processesReadable = [
        "/etc/alternatives", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/python3",
        "/etc/python3.11", "/etc/python3.12", "/etc/python3.13",
    ]
    /// Devices that keep nothing.
    static let devices = [
        "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
    ]

    /// The part of an environment that says nothing but where programs and languages are.
    ///
    /// - Shape: `NAME=value`.
    public static func harmless(_ environment: [String]) -> [String] {
        environment.filter { entry in
            let name = entry.prefix { $0 != "=" }
            return ["PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH"].contains(name)
                || name.hasPrefix("LC_")
        }
    }
}
