import Foundation
import HostModel
import Synchronization
import Testing

@testable import PluginHost

@Suite(.timeLimit(.minutes(10))) struct EventBusTests {
    private let bus = EventBus()

    /// Holds a subscriber until it is opened.
    private final class Door: Sendable {
        private let semaphore = DispatchSemaphore(value: 0)

        func pass() {
            semaphore.wait()
            semaphore.signal()
        }

        func open() { semaphore.signal() }
    }

    // MARK: - Delivery

    @Test func event_reachesEachSubscriptionThatMatches_once() async throws {
        let peer = try EventPeer("a", on: bus)
        peer.serve()
        let patterns = [">", "a.>", "a.*", "a.b", "*.b", "a.b.c", "b.>"]
        let sinks = patterns.map { _ in EventSink() }
        for (sink, pattern) in zip(sinks, patterns) { try peer.subscribe(sink, to: pattern) }
        peer.publish("a.b", "first")
        peer.publish("a.b.c", "last")
        await sinks[0].reach(2)
        await sinks[1].reach(2)
        await sinks[4].reach(1)
        await sinks[5].reach(1)
        let topics = sinks.map(\.topics)
        #expect(
            topics == [
                ["a.b", "a.b.c"], ["a.b", "a.b.c"], ["a.b"], ["a.b"], ["a.b"], ["a.b.c"], [],
            ])
        let event = try #require(sinks[0].received.first?.event)
        #expect(event.type == "a.b" && event.contentType == "application/json")
        #expect(event.sequence == 1 && event.id.hasSuffix("-1"))
    }

    @Test func events_ofOnePublisher_keepTheirOrder_forEachSubscriber() async throws {
        let peer = try EventPeer("a", on: bus)
        peer.serve()
        let sinks = (0..<10).map { _ in EventSink() }
        for sink in sinks { try peer.subscribe(sink, to: "a.>", queue: 10_000) }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask { for _ in 0..<500 { peer.publish("a.b") } }
            }
        }
        for sink in sinks {
            await sink.reach(2_000)
            #expect(sink.received.map(\.event.sequence) == Array(1...2_000))
        }
    }

    @Test func slowSubscriber_holdsUpNobodyElse_noMatterHowMany() async throws {
        let door = Door()
        let peer = try EventPeer("a", on: bus, threads: 64)
        peer.serve()
        for _ in 0..<40 {
            try peer.subscribe(
                EventSink { _ in
                    door.pass()
                    return .taken
                }, to: ">", queue: 4)
        }
        let quick = EventSink()
        try peer.subscribe(quick, to: ">")
        for _ in 0..<100 { #expect(peer.publish("a.b") == .accepted) }
        await quick.reach(100)
        let slow = bus.accounts.prefix(40).map(\.figures)
        #expect(slow.allSatisfy { $0.dropped >= 95 && $0.waiting <= 4 && $0.delivered == 0 })
        door.open()
    }

    // MARK: - Overflow

    @Test(arguments: [
        (EventQueue.Policy.dropOldest, ["0", "3", "4"]), (.dropNewest, ["0", "1", "2"]),
    ])
    func fullQueue_dropsWhatWasChosen(policy: EventQueue.Policy, kept: [String]) async throws {
        let door = Door()
        let peer = try EventPeer("a", on: bus)
        peer.serve()
        let sink = EventSink { _ in
            door.pass()
            return .taken
        }
        try peer.subscribe(sink, to: ">", policy, queue: 2)
        peer.publish("a.b", "0")
        // The first is in hand before the queue fills.
        try await waitUntil { peer.figures?.waiting == 0 }
        for number in 1...4 { peer.publish("a.b", String(number)) }
        #expect(peer.figures?.dropped == 2)
        door.open()
        await sink.reach(3)
        #expect(sink.texts == kept)
    }

    @Test func fullQueue_disconnects_whereThatWasChosen() async throws {
        let door = Door()
        let peer = try EventPeer("a", on: bus)
        peer.serve()
        let sink = EventSink { _ in
            door.pass()
            return .taken
        }
        try peer.subscribe(sink, to: ">", .disconnect, queue: 1, hearsOfEnd: true)
        peer.publish("a.b")
        try await waitUntil { peer.figures?.waiting == 0 }
        for _ in 0..<4 { peer.publish("a.b") }
        #expect(bus.accounts.isEmpty)
        #expect(sink.messages == ["was disconnected: its queue was full"])
        door.open()
        await sink.wait { $0.ending == .overflowed }
        #expect(sink.received.count == 1)
    }

    @Test func fullQueue_holdsUpItsPublishers_butNotTheHost() async throws {
        let door = Door()
        let peer = try EventPeer("a", on: bus)
        peer.serve()
        let sink = EventSink { _ in
            door.pass()
            return .taken
        }
        let other = EventSink()
        try peer.subscribe(sink, to: ">", .holdUp, queue: 2)
        try peer.subscribe(other, to: ">")
        #expect(peer.publish("a.b", "0") == .accepted)
        try await waitUntil { bus.accounts[0].figures.waiting == 0 }
        #expect(peer.publish("a.b", "1") == .accepted)
        #expect(peer.publish("a.b", "2") == .full)
        #expect(peer.publish("a.b", "3") == .heldUp)
        bus.publish("host.here", ["x": 1])
        await other.reach(4)
        #expect(other.topics == ["a.b", "a.b", "a.b", "host.here"])
        door.open()
        await sink.reach(3)
        #expect(peer.publish("a.b", "4") == .accepted)
        await other.reach(5)
        #expect(other.received.last?.event.sequence == 4)
    }

    @Test func queue_isBoundedInBytes_too() async throws {
        let door = Door()
        let peer = try EventPeer("a", on: bus)
        peer.serve()
        let sink = EventSink { _ in
            door.pass()
            return .taken
        }
        try peer.subscribe(sink, to: ">")
        let megabyte = String(repeating: "x", count: 1 << 20)
        for _ in 0..<40 { peer.publish("a.b", megabyte) }
        #expect(try #require(peer.figures).waiting <= 17)
        door.open()
    }

    // MARK: - Failures

    @Test func failingSubscriber_isSuspended_andTakesEventsAgain() async throws {
        var limits = EventLimits()
        limits.failuresMax = 3
        limits.firstSuspension = .milliseconds(1)
        let bus = EventBus(limits: limits)
        let peer = try EventPeer("a", on: bus)
        peer.serve()
        let isBroken = Atomic<Bool>(true)
        let sink = EventSink { _ in isBroken.load(ordering: .relaxed) ? .failed : .taken }
        let other = EventSink()
        try peer.subscribe(sink, to: ">")
        try peer.subscribe(other, to: ">")
        for number in 0..<5 { peer.publish("a.b", String(number)) }
        await other.reach(5)
        await sink.wait { $0.messages.contains { $0.contains("is suspended") } }
        await sink.reach(5)
        isBroken.store(false, ordering: .relaxed)
        peer.publish("a.b", "last")
        await sink.wait { $0.messages.contains("takes events again") }
        // Without a name, no event comes twice.
        #expect(sink.texts == ["0", "1", "2", "3", "4", "last"])
        #expect(peer.figures?.failed == 5)
        #expect(peer.figures?.delivered == 1)
    }

    @Test func suspension_isVisible_andEventsWaitMeanwhile() async throws {
        var limits = EventLimits()
        limits.failuresMax = 1
        limits.firstSuspension = .seconds(3_600)
        let bus = EventBus(limits: limits)
        let peer = try EventPeer("a", on: bus)
        peer.serve()
        let sink = EventSink { _ in .failed }
        try peer.subscribe(sink, to: ">")
        peer.publish("a.b")
        await sink.wait { $0.messages.contains { $0.contains("is suspended") } }
        peer.publish("a.b")
        let figures = try #require(peer.figures)
        #expect(figures.isSuspended && figures.waiting == 1 && figures.failed == 1)
    }

    @Test func subscriptionWithAName_isHandedAnEventAgain_untilItIsGivenUp() async throws {
        var limits = EventLimits()
        limits.attemptsMax = 4
        limits.firstRetry = .milliseconds(1)
        limits.firstSuspension = .milliseconds(1)
        let bus = EventBus(limits: limits)
        let peer = try EventPeer("a", on: bus)
        peer.serve()
        let sink = EventSink { event in
            String(decoding: event.data, as: UTF8.self) == "bad" ? .failed : .taken
        }
        try peer.subscribe(sink, to: ">", name: "all")
        peer.publish("a.b", "bad")
        peer.publish("a.b", "good")
        await sink.reach(5)
        #expect(sink.texts == ["bad", "bad", "bad", "bad", "good"])
        try await waitUntil { peer.figures?.delivered == 1 }
        #expect(peer.figures?.failed == 1)
    }

    @Test func rest_growsToItsLimit() {
        let limits = EventLimits()
        #expect(limits.rest(afterFailures: 4, isNamed: false) == nil)
        #expect(limits.rest(afterFailures: 5, isNamed: false) == .seconds(1))
        #expect(limits.rest(afterFailures: 8, isNamed: false) == .seconds(8))
        #expect(limits.rest(afterFailures: 1_000, isNamed: false) == .seconds(60))
        #expect(limits.rest(afterFailures: 1, isNamed: true) == .milliseconds(100))
        #expect(limits.rest(afterFailures: 3, isNamed: true) == .milliseconds(400))
    }

    // MARK: - Ends

    @Test func unsubscribe_waitsForTheCallInside_thenSaysSo() async throws {
        let door = Door()
        let peer = try EventPeer("a", on: bus)
        peer.serve()
        let sink = EventSink { _ in
            door.pass()
            return .taken
        }
        let id = try peer.subscribe(sink, to: ">", hearsOfEnd: true)
        for _ in 0..<3 { peer.publish("a.b") }
        try await waitUntil { peer.figures?.waiting == 2 }
        #expect(bus.unsubscribe(peer.member, id))
        #expect(!bus.unsubscribe(peer.member, id))
        door.open()
        await sink.wait { $0.ending == .unsubscribed }
        #expect(sink.received.count == 1)
    }

    @Test func idleSubscription_isToldOfItsEnd() async throws {
        let peer = try EventPeer("a", on: bus)
        peer.serve()
        let sink = EventSink()
        let id = try peer.subscribe(sink, to: ">", hearsOfEnd: true)
        #expect(bus.unsubscribe(peer.member, id))
        await sink.wait { $0.ending == .unsubscribed }
        peer.publish("a.b")
        #expect(sink.received.isEmpty)
    }

    @Test func subscriptions_haveTheirLimits() throws {
        let peer = try EventPeer("a", on: bus)
        try peer.subscribe(EventSink(), to: ">", name: "x")
        #expect(throws: EventBus.Refusal.nameTaken) {
            try peer.subscribe(EventSink(), to: "a", name: "x")
        }
        for _ in 1..<EventLimits.subscriptionsMax { try peer.subscribe(EventSink(), to: ">") }
        #expect(throws: EventBus.Refusal.tooMany) { try peer.subscribe(EventSink(), to: ">") }
        bus.withdraw(peer.member)
        #expect(throws: EventBus.Refusal.ended) { try peer.subscribe(EventSink(), to: ">") }
    }

    // MARK: - Retained values

    @Test func lastValue_isHandedToLateSubscribers_asSuch() async throws {
        let peer = try EventPeer("a", on: bus)
        peer.serve()
        for text in ["old", "new"] { peer.publish("a.state", text, retain: true) }
        peer.publish("a.gone", "x", retain: true)
        peer.publish("a.gone", "", retain: true)
        peer.publish("a.other", "y", retain: true)
        let sink = EventSink()
        try peer.subscribe(sink, to: "a.*")
        peer.publish("a.state", "newest", retain: true)
        await sink.reach(3)
        #expect(sink.texts == ["new", "y", "newest"])
        #expect(sink.received.map(\.isOld) == [true, true, false])
    }

    @Test func lastValues_outliveAReload_andGoWithTheirPlugin() async throws {
        let first = try EventPeer("a", on: bus)
        first.serve()
        first.publish("a.state", "1", retain: true)
        let second = try EventPeer("a", number: 2, on: bus)
        let early = EventSink()
        try second.subscribe(early, to: ">")
        second.serve(after: first)
        await early.reach(1)
        #expect(early.received[0].isOld)
        bus.withdraw(second.member)
        let third = try EventPeer("b", on: bus)
        third.serve()
        let late = EventSink()
        try third.subscribe(late, to: ">")
        third.publish("b.x")
        await late.reach(1)
        #expect(late.topics == ["b.x"])
    }

    @Test func lastValues_areBounded() throws {
        let peer = try EventPeer("a", on: bus)
        for number in 0..<EventLimits.retainedCountMax {
            #expect(peer.publish("a.\(number)", retain: true) == .accepted)
        }
        #expect(peer.publish("a.more", retain: true) == .retainsTooMuch)
        #expect(peer.publish("a.0", "2", retain: true) == .accepted)
        #expect(peer.publish("a.0", "", retain: true) == .accepted)
        #expect(peer.publish("a.more", retain: true) == .accepted)
    }
}

/// Waits for what announces itself through no event; the suite's time limit bounds it.
func waitUntil(_ condition: () -> Bool) async throws {
    while !condition() {
        try Task.checkCancellation()
        await Task.yield()
    }
}
