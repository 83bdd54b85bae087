import Synchronization

/// Whose turn it is on the thread of a reactor, as one atomic word.
///
/// Code that may not return soon is entered and left by one atomic operation each, and so is the
/// loop when that code calls back. The watchdog may take the loop only while the code itself runs;
/// whoever crosses finds out by the same operation. So the loop has one owner at any time, and no
/// lock.
///
/// - Shape: the low two bits are the `Side`; the rest counts the calls, so that a word never comes
///   back.
struct Crossing: ~Copyable {
    enum Side {
        /// The loop's own code runs, or waits.
        static let loop: UInt64 = 0
        /// Application code runs that may not return soon.
        static let code: UInt64 = 1
        /// That code has called back, and the loop is in use.
        static let callback: UInt64 = 2
        /// The loop has been taken from the thread.
        static let taken: UInt64 = 3
        static let mask: UInt64 = 3
    }

    static let step: UInt64 = 4

    let word = Atomic<UInt64>(Crossing.step)
    /// Whether the watchdog is to be woken before the next call.
    let watchdogSleeps = Atomic<Bool>(false)
    /// The thread that runs the loop, 0 when none does: as `pthread_self()`, and the kernel's id.
    let runner = Atomic<UInt>(0)
    let runnerID = Atomic<Int32>(0)
}

/// What application code is called for.
public enum CallKind: UInt8, Sendable {
    /// `Application.handle`.
    case handle
    /// `ExchangeObserver.onBody`.
    case body
    /// `ExchangeObserver.onWritable`.
    case writable
    /// `ExchangeObserver.onClosed`.
    case closed
}
