import CLinux
import Glibc
import Synchronization

/// Notices calls that overrun their time, and has their reactors go on without them.
///
/// One thread looks at every reactor's `Crossing` a few times within the budget as long as calls
/// come, and sleeps until the next call when none has come for a while. A call costs nothing but
/// what `Crossing` costs.
///
/// A call overruns when its thread has slept in it, or has computed for as long as the budget. One
/// that merely waits for a processor does not: another thread would have to wait as well.
///
/// `@unchecked Sendable` because the handle is written once, before the watchdog is published.
final class Watchdog: @unchecked Sendable {
    /// What was seen of one reactor.
    private struct Sighting {
        var word: UInt64 = 0
        var since = ContinuousClock.now
        /// The processor time of its thread, when the call was first seen.
        var nanoseconds: Int64 = 0
    }

    /// The looks without a call after which the watchdog goes to sleep.
    private static let quietMax = 20

    private let reactors: [Reactor]
    private let budget: Duration
    private let period: Duration
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
        period = max(.milliseconds(1), budget / 2)
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
        while !isEnding.load(ordering: .acquiring) {
            quiet = look(&sightings) ? 0 : quiet + 1
            if quiet < Self.quietMax {
                pause()
            } else {
                sleep(&sightings)
                quiet = 0
            }
        }
    }

    /// Looks at every reactor; false when nothing has been called since the last look.
    private func look(_ sightings: inout [Sighting]) -> Bool {
        var isBusy = false
        for (index, reactor) in reactors.enumerated() {
            let word = unsafe reactor.crossing.pointee.word.load(ordering: .acquiring)
            let isInCall = word & Crossing.Side.mask != Crossing.Side.loop
            if (word ^ sightings[index].word) & ~Crossing.Side.mask != 0 {
                isBusy = true
                sightings[index] = Sighting(
                    word: word, nanoseconds: isInCall ? processorTime(reactor) : 0)
            } else if isInCall {
                isBusy = true
                if sightings[index].since.duration(to: .now) >= budget,
                    word & Crossing.Side.mask == Crossing.Side.code,
                    overruns(reactor, sightings[index])
                {
                    handOver(reactor, word)
                }
            }
        }
        return isBusy
    }

    private func overruns(_ reactor: Reactor, _ sighting: Sighting) -> Bool {
        let thread = unsafe reactor.crossing.pointee.runnerID.load(ordering: .relaxed)
        if linux_thread_sleeps(thread) == 1 { return true }
        return Duration.nanoseconds(processorTime(reactor) - sighting.nanoseconds) >= budget
    }

    private func processorTime(_ reactor: Reactor) -> Int64 {
        linux_thread_nanoseconds(unsafe reactor.crossing.pointee.runnerID.load(ordering: .relaxed))
    }

    /// Lets some time pass; the end cuts it short.
    private func pause() { bell.take(within: period) }

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
