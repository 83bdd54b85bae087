/// How a process that had a black box came to its end, and who brought that about.
public struct CrashRecord: Sendable, Equatable {
    /// What ended it.
    public enum End: Sendable, Equatable {
        /// A fatal signal: with the address that was touched, where it was raised by a fault, or
        /// the process that sent it, where another one did.
        case signal(Int32, address: UInt?, sender: Int32?)
        /// An image called `exit` or one of its kin.
        case exit(status: Int32)
        /// An image sent SIGKILL to the process.
        case kill
        /// An image closed a descriptor of the host's.
        case close(descriptor: Int32)
    }

    /// An image as it was announced.
    public struct Image: Sendable, Equatable {
        /// The plugin's name.
        public let name: String
        /// The plugin's version.
        public let version: String
        /// The digest of its file.
        public let digest: String
        /// The generation's number.
        public let generation: UInt64
    }

    /// What ended it.
    public let end: End
    /// The name of the thread on which it happened.
    public let thread: String
    /// The image whose doing it was; nil when nothing tells.
    public let culprit: Image?
    /// Where the thread was, innermost first, such as `crash-lab#3 handle+0x12`.
    public let backtrace: [String]
    /// The requests that plugins had and had not answered; nil when that is not known.
    public let requestsInFlight: Int?

    /// What ended it, such as `SIGSEGV at 0x0`.
    public var summary: String {
        switch end {
        case .signal(let number, let address, let sender):
            let name = ThrowawayProcess.name(ofSignal: number)
            if let sender { return "\(name) from process \(sender)" }
            return name + (address.map { " at 0x\(String($0, radix: 16))" } ?? "")
        case .exit(let status): return "a call of exit(\(status))"
        case .kill: return "a call that sent SIGKILL to the process"
        case .close(let descriptor):
            return "a call that closed descriptor \(descriptor), which is the host's"
        }
    }
}
