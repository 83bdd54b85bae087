import CLinux
import Glibc
import Synchronization

/// Notices calls that overrun their time, and has their reactors go on without them.
///
/// One thread looks at every reactor's `Crossing` once in a budget as long as calls come, and again
/// when the time of a call that it has seen is over; when none has come for a while it sleeps until
/// the next one. Each look costs some 30 us on a virtual machine, and a call nothing but what
/// `Crossing` costs.
///
/// A call overruns when its thread has slept in it, or has computed for as long as the budget. One
/// that merely waits for a processor does not: another thread would have to wait as well.
///
/// `@unchecked Sendable` because the handle is written once, before the watchdog is published.
final class Watchdog: @unchecked Sendable {
    /// What was seen of one reactor.
    private struct Sighting {
        var word: UInt64 = 0
        /// When the call began that was seen.
        var began = ContinuousClock.now
        /// The processor time of its thread at which it has certainly computed for the budget.
        var exhausted: Int64 = 0
        /// The thread at the last look, and its processor time then.
        var thread: Int32 = 0
        var nanoseconds: Int64 = 0
    }

    /// A moment by two clocks.
    private struct Moment {
        let instant = ContinuousClock.now
        let ticks = linux_ticks()

        /// When it was, by this clock, that the processor's counter stood at `ticks`; within the
        /// time since an earlier moment.
        func instant(at ticks: UInt64, since earlier: Moment) -> ContinuousClock.Instant {
            let all = self.ticks &- earlier.ticks
            let passed = ticks > earlier.ticks ? min(ticks &- earlier.ticks, all) : 0
            let share = all == 0 ? 1 : Double(passed) / Double(all)
            return earlier.instant + earlier.instant.duration(to: instant) * share
        }
    }

    /// The looks without a call after which the watchdog goes to sleep.
    private static let quietMax = 10

    private let reactors: [Reactor]
    private let budget: Duration
    private let bell: Baton
    private let handOver: (Reactor, _ word: UInt64) -> Void
    private let isEnding = Atomic<Bool>(false)
    private var handle = pthread_t()

    /// - Parameters:
    ///   - bell: wakes the watchdog; the reactors ring it.
    ///   - handOver: takes the reactor from its thread, if its crossing still has this word.
    init(
        reactors: [Reactor], budgetMilliseconds: Int, bell: Baton,
        handOver: @escaping (Reactor, _ word: UInt64) -> Void
    ) {
        self.reactors = reactors
        self.bell = bell
        self.handOver = handOver
        budget = .milliseconds(budgetMilliseconds)
    }

    func start() throws(ServerError) {
        let me = unsafe Unmanaged.passRetained(self)
        var handle = pthread_t()
        let result = unsafe pthread_create(
            &handle, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe linux_name_thread("watchdog")
                unsafe Unmanaged<Watchdog>.fromOpaque(argument).takeRetainedValue().watch()
                return nil
            }, me.toOpaque())
        guard result == 0 else {
            unsafe me.release()
            throw .kernel(-Int(result), doing: "start the watchdog's thread")
        }
        self.handle = handle
    }

    /// Ends the thread and waits for it.
    func end() {
        isEnding.store(true, ordering: .releasing)
        bell.pass()
        _ = pthread_join(handle, nil)
    }

    private func watch() {
        var sightings = [Sighting](repeating: Sighting(), count: reactors.count)
        var quiet = 0
        var last = Moment()
        while !isEnding.load(ordering: .acquiring) {
            let now = Moment()
            let (isBusy, next) = look(&sightings, now, since: last)
            last = now
            quiet = isBusy ? 0 : quiet + 1
            if quiet < Self.quietMax {
                pause(next)
            } else {
                sleep(&sightings)
                quiet = 0
                last = Moment()
            }
        }
    }

    /// Looks at every reactor, and says whether anything has been called since the last look, and
    /// when to look again.
    private func look(
        _ sightings: inout [Sighting], _ now: Moment, since last: Moment
    ) -> (isBusy: Bool, pause: Duration) {
        var isBusy = false
        var pause = budget
        for (index, reactor) in reactors.enumerated() {
            let word = unsafe reactor.crossing.pointee.word.load(ordering: .acquiring)
            let isInCall = word & Crossing.Side.mask != Crossing.Side.loop
            let isNew = (word ^ sightings[index].word) & ~Crossing.Side.mask != 0
            guard isNew || isInCall else {
                // What it computes from now on is not known to have been in a call.
                sightings[index].thread = 0
                continue
            }
            isBusy = true
            let thread = unsafe reactor.crossing.pointee.runnerID.load(ordering: .relaxed)
            let nanoseconds = linux_thread_nanoseconds(thread)
            if isNew {
                sightings[index].word = word
                let ticks = unsafe reactor.crossing.pointee.beganTicks.load(ordering: .relaxed)
                sightings[index].began = now.instant(at: ticks, since: last)
                let computed =
                    thread == sightings[index].thread
                    ? leastComputed(sightings[index], nanoseconds, now, since: last) : 0
                sightings[index].exhausted =
                    nanoseconds - computed + Int64(budget / .nanoseconds(1))
            }
            sightings[index].thread = thread
            sightings[index].nanoseconds = nanoseconds
            guard isInCall else { continue }
            let left = budget - sightings[index].began.duration(to: now.instant)
            if left > .zero {
                pause = min(pause, left)
            } else if word & Crossing.Side.mask == Crossing.Side.code {
                let lacking = sightings[index].exhausted - nanoseconds
                if lacking <= 0 || linux_thread_sleeps(thread) == 1 {
                    handOver(reactor, word)
                } else {
                    pause = min(pause, .nanoseconds(lacking))
                }
            } else {
                pause = .zero
            }
        }
        return (isBusy, max(pause, .milliseconds(1)))
    }

    /// How long, in nanoseconds, a thread has at least computed in a call that began since the last
    /// look: what it has computed since then, but for the time before the call.
    private func leastComputed(
        _ sighting: Sighting, _ nanoseconds: Int64, _ now: Moment, since last: Moment
    ) -> Int64 {
        let before = last.instant.duration(to: sighting.began) / .nanoseconds(1)
        return max(0, nanoseconds - sighting.nanoseconds - Int64(before))
    }

    /// Lets some time pass; the end cuts it short.
    private func pause(_ duration: Duration) { bell.take(within: duration) }

    /// Sleeps until a reactor begins a call, unless one has begun just now.
    private func sleep(_ sightings: inout [Sighting]) {
        for reactor in reactors {
            unsafe reactor.crossing.pointee.watchdogSleeps.store(
                true, ordering: .sequentiallyConsistent)
        }
        let isBusy = reactors.indices.contains { index in
            let word = unsafe reactors[index].crossing.pointee.word.load(
                ordering: .sequentiallyConsistent)
            return word != sightings[index].word & ~Crossing.Side.mask
        }
        if !isBusy, !isEnding.load(ordering: .acquiring) { bell.take() }
        for reactor in reactors {
            unsafe reactor.crossing.pointee.watchdogSleeps.store(false, ordering: .relaxed)
        }
    }
}
