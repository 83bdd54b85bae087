internal import CLedger

/// What an image holds of the process at one moment.
public struct LedgerSnapshot: Sendable, Equatable {
    /// One thread of this process.
    public struct Thread: Sendable, Equatable, CustomStringConvertible {
        /// The kernel's number of the thread; 0 while it is being started.
        public let tid: Int32
        /// The thread's name, at most 15 bytes.
        public let name: String

        /// The name and number, as they are reported.
        public var description: String { "\(name.isEmpty ? "thread" : name) (tid \(tid))" }
    }

    /// The threads born by the image that can still run its code.
    public let threads: [Thread]
    /// The threads on which thread-local objects of the image wait for their destructors.
    public let destructorThreads: [Thread]
    /// How many pthread keys the image has created and not deleted.
    public let keys: Int
    /// The numbers of the signals whose disposition the image has changed.
    public let signalHandlers: [Int32]

    init(image: UInt32) {
        threads = unsafe Self.threads { unsafe ledger_threads(image, $0, $1) }
        destructorThreads = unsafe Self.threads { unsafe ledger_destructor_threads(image, $0, $1) }
        keys = Int(ledger_key_count(image))
        signalHandlers = Self.numbers(in: ledger_signals(image))
    }

    static func numbers(in set: UInt64) -> [Int32] {
        (0..<64).filter { set >> $0 & 1 == 1 }.map { $0 + 1 }
    }

    /// At most 64 threads are named; the rest are as harmful, but no more telling.
    private static func threads(
        _ fill: (UnsafeMutablePointer<ledger_thread>, Int) -> Int
    ) -> [Thread] {
        unsafe withUnsafeTemporaryAllocation(of: ledger_thread.self, capacity: 64) { buffer in
            guard let base = buffer.baseAddress else { return [] }
            unsafe base.initialize(repeating: ledger_thread(), count: 64)
            let count = unsafe min(fill(base, 64), 64)
            return (0..<count).map { index in
                let name = unsafe withUnsafeBytes(of: buffer[index].name) { bytes in
                    unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                return unsafe Thread(tid: buffer[index].tid, name: name)
            }
        }
    }
}
