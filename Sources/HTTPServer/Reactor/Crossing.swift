public import CLinux
public import Synchronization

/// Whose turn it is on the thread of a reactor, as one atomic word.
///
/// Code that may not return soon is entered and left by one atomic operation each, and so is the
/// loop when that code calls back. The watchdog may take the loop only while the code itself runs;
/// whoever crosses finds out by the same operation. So the loop has one owner at any time, and no
/// lock.
///
/// - Shape: the low two bits are the `Side`; the rest counts the calls, so that a word never comes
///   back.
///
/// Inlined where it is crossed, in other modules too: a request that a plugin answers at once
/// spends about 40 instructions on it.
@usableFromInline
@safe
struct Crossing: ~Copyable {
    @usableFromInline
    enum Side {
        /// The loop's own code runs, or waits.
        @inlinable static var loop: UInt64 { 0 }
        /// Application code runs that may not return soon.
        @inlinable static var code: UInt64 { 1 }
        /// That code has called back, and the loop is in use.
        @inlinable static var callback: UInt64 { 2 }
        /// The loop has been taken from the thread.
        @inlinable static var taken: UInt64 { 3 }
        @inlinable static var mask: UInt64 { 3 }
    }

    @inlinable static var step: UInt64 { 4 }

    @usableFromInline let word = Atomic<UInt64>(4)
    /// Whether the watchdog is to be woken before the next call.
    @usableFromInline let watchdogSleeps = Atomic<Bool>(false)
    /// The thread that runs the loop, 0 when none does: what `linux_this_thread` says there, and
    /// the kernel's id.
    @usableFromInline let runner = Atomic<UInt>(0)
    let runnerID = Atomic<Int32>(0)
    /// When the last call began, by the processor's counter.
    @usableFromInline let beganTicks = Atomic<UInt64>(0)
    /// The exchange that is called for, and what for; the loop's own.
    @usableFromInline var calling: UnsafeMutableRawPointer?
    @usableFromInline var kind = CallKind.handle
    /// `Reactor.attention`, where every call finds it at hand.
    @usableFromInline var attention: UnsafeMutableRawPointer?
    /// `Reactor.applicationState`, at hand as well.
    @usableFromInline var applicationState: UnsafeMutableRawPointer?

    init() {
        unsafe applicationState = nil
        unsafe calling = nil
        unsafe attention = nil
    }

    /// Goes over to the code, at that time by the processor's counter; false when the watchdog has
    /// to be woken.
    @inlinable @inline(__always)
    func begin(at ticks: UInt64) -> (call: LoopCall, isWatched: Bool) {
        beganTicks.store(ticks, ordering: .relaxed)
        let former = word.load(ordering: .relaxed)
        let next = (former & ~Side.mask) &+ (Crossing.step | Side.code)
        // The exchange orders the word before the look at the sleeper, as the watchdog orders its
        // going to sleep before its look at the word: one of them sees the other.
        _ = word.exchange(next, ordering: .sequentiallyConsistent)
        return (LoopCall(word: next), !watchdogSleeps.load(ordering: .sequentiallyConsistent))
    }

    /// Comes back from the code; false when the loop has been taken meanwhile.
    @inlinable @inline(__always)
    func end(_ call: LoopCall) -> Bool {
        word.compareExchange(
            expected: call.word, desired: call.word & ~Side.mask, ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// Goes over from the code to the loop, if the calling thread has it.
    @inlinable @inline(__always)
    func enter() -> LoopEntry {
        let word = word.load(ordering: .acquiring)
        // Looked at after the word: whoever takes the loop becomes its runner before it changes the
        // word again, so a word of another runner is never taken for one's own.
        guard runner.load(ordering: .acquiring) == linux_this_thread() else {
            return LoopEntry(word: 0)
        }
        if word & Side.mask == Side.code {
            let isOpen = self.word.compareExchange(
                expected: word, desired: word &+ (Side.callback - Side.code),
                ordering: .acquiringAndReleasing
            ).exchanged
            return LoopEntry(word: isOpen ? word : 0)
        }
        return LoopEntry(word: word & Side.mask == Side.taken ? 0 : word)
    }

    /// Goes back to the code.
    @inlinable @inline(__always)
    func leave(_ entry: LoopEntry) {
        if entry.word & Side.mask == Side.code { word.store(entry.word, ordering: .releasing) }
    }
}

/// A call of application code that may not return soon; given by `Exchange.beginCall`, for
/// `endCall`.
public struct LoopCall {
    @usableFromInline let word: UInt64

    @inlinable
    init(word: UInt64) { self.word = word }
}

/// Whether the calling thread may use the loop; given by `Exchange.enterLoop`, for `leaveLoop`.
public struct LoopEntry {
    @usableFromInline let word: UInt64

    @inlinable
    init(word: UInt64) { self.word = word }

    /// Whether it may; else the way is `Exchange.remote`.
    @inlinable @inline(__always)
    public var isOpen: Bool { word != 0 }
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
    /// `ExchangeObserver.onDraining`.
    case draining
    /// What the application does before it answers, on its own account.
    case enter
    /// `Application.over`.
    case leave
    /// `Application.takesHead`.
    case head
}
