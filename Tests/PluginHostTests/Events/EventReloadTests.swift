import Foundation
import HostModel
import Synchronization
import Testing

@testable import PluginHost

/// What becomes of subscriptions when generations change.
@Suite(.timeLimit(.minutes(10))) struct EventReloadTests {
    private let bus = EventBus()

    @Test func subscription_takesEffect_whenItsGenerationServes() async throws {
        let source = try EventPeer("source", on: bus)
        source.serve()
        let peer = try EventPeer("a", on: bus)
        let sink = EventSink()
        try peer.subscribe(sink, to: "source.>")
        source.publish("source.x", "early")
        peer.serve()
        source.publish("source.x", "in time")
        await sink.reach(1)
        bus.withdraw(peer.member)
        source.publish("source.x", "late")
        #expect(sink.texts == ["in time"])
        #expect(bus.accounts.isEmpty)
    }

    @Test func generationThatNeverServed_leavesNothing() throws {
        let peer = try EventPeer("a", on: bus)
        try peer.subscribe(EventSink(), to: ">")
        bus.withdraw(peer.member)
        #expect(bus.routes.0.elements(for: "a.b").isEmpty)
    }

    @Test func named_subscriptionPassesItsQueueOn_andTheCallInside_isAwaited() async throws {
        let source = try EventPeer("source", on: bus)
        source.serve()
        let semaphore = DispatchSemaphore(value: 0)
        let order = Mutex<[String]>([])
        let first = try EventPeer("a", on: bus)
        let former = EventSink { event in
            semaphore.wait()
            order.withLock { $0.append("former") }
            return .taken
        }
        try first.subscribe(former, to: "source.>", name: "all")
        first.serve()
        source.publish("source.x", "1")
        source.publish("source.x", "2")
        try await waitUntil { first.figures?.waiting == 1 }
        let second = try EventPeer("a", number: 2, on: bus)
        let next = EventSink { _ in
            order.withLock { $0.append("next") }
            return .taken
        }
        try second.subscribe(next, to: "source.>", name: "all")
        second.serve(after: first)
        source.publish("source.x", "3")
        semaphore.signal()
        await next.reach(2)
        #expect(former.texts == ["1"])
        #expect(next.texts == ["2", "3"])
        #expect(order.withLock { $0 } == ["former", "next", "next"])
        #expect(second.figures?.delivered == 3)
    }

    @Test func formerGeneration_thatHangs_isNotAwaitedForEver() async throws {
        var limits = EventLimits()
        limits.handOver = .milliseconds(1)
        let bus = EventBus(limits: limits)
        let source = try EventPeer("source", on: bus)
        source.serve()
        let semaphore = DispatchSemaphore(value: 0)
        let first = try EventPeer("a", on: bus)
        let stuck = EventSink { _ in
            semaphore.wait()
            return .failed
        }
        try first.subscribe(stuck, to: ">", name: "all")
        first.serve()
        for number in 1...3 { source.publish("source.x", String(number)) }
        try await waitUntil { first.figures?.waiting == 2 }
        let second = try EventPeer("a", number: 2, on: bus)
        let next = EventSink()
        try second.subscribe(next, to: ">", name: "all")
        second.serve(after: first)
        await next.reach(2)
        semaphore.signal()
        await stuck.reach(1)
        source.publish("source.x", "4")
        await next.reach(3)
        #expect(next.texts == ["2", "3", "4"])
    }

    @Test func eventThatTheFormerFailedToTake_comesToTheNext() async throws {
        let source = try EventPeer("source", on: bus)
        source.serve()
        let semaphore = DispatchSemaphore(value: 0)
        let first = try EventPeer("a", on: bus)
        let former = EventSink { _ in
            semaphore.wait()
            return .failed
        }
        try first.subscribe(former, to: ">", name: "all")
        first.serve()
        source.publish("source.x", "1")
        try await waitUntil { first.figures?.waiting == 0 }
        let second = try EventPeer("a", number: 2, on: bus)
        let next = EventSink()
        try second.subscribe(next, to: ">", name: "all")
        second.serve(after: first)
        semaphore.signal()
        await next.reach(1)
        #expect(next.texts == ["1"])
    }

    @Test func generationThatComesBack_hasItsSubscriptionsBack() async throws {
        let source = try EventPeer("source", on: bus)
        source.serve()
        let first = try EventPeer("a", on: bus)
        let (named, plain) = (EventSink(), EventSink())
        try first.subscribe(named, to: ">", name: "all")
        try first.subscribe(plain, to: ">")
        first.serve()
        source.publish("source.x", "1")
        await named.reach(1)
        await plain.reach(1)
        let second = try EventPeer("a", number: 2, on: bus)
        try second.subscribe(EventSink(), to: ">", name: "all")
        second.serve(after: first)
        first.serve(after: second)
        source.publish("source.x", "2")
        await named.reach(2)
        await plain.reach(2)
        bus.withdraw(first.member)
        first.serve()
        source.publish("source.x", "3")
        await named.reach(3)
        await plain.reach(3)
        #expect(plain.texts == ["1", "2", "3"])
    }

    @Test func subscriberThatWantsToKnow_hearsOfTheEnd_beforeItsGateIsEmpty() async throws {
        let source = try EventPeer("source", on: bus)
        source.serve()
        let semaphore = DispatchSemaphore(value: 0)
        let first = try EventPeer("a", on: bus)
        let (idle, busy, named) = (
            EventSink(),
            EventSink { _ in
                semaphore.wait()
                return .taken
            }, EventSink()
        )
        try first.subscribe(idle, to: "other.>", hearsOfEnd: true)
        try first.subscribe(busy, to: "source.>", hearsOfEnd: true)
        try first.subscribe(named, to: "source.>", name: "all", hearsOfEnd: true)
        first.serve()
        source.publish("source.x", "1")
        await named.reach(1)
        try await waitUntil {
            bus.accounts.allSatisfy { $0.figures.waiting == 0 }
        }
        let second = try EventPeer("a", number: 2, on: bus)
        let next = EventSink()
        try second.subscribe(next, to: "source.>", name: "all")
        second.serve(after: first)
        first.member.gate.close()
        await idle.wait { $0.ending == .withdrawn }
        await named.wait { $0.ending == .withdrawn }
        #expect(await !first.member.gate.waitUntilEmpty(deadline: .zero))
        semaphore.signal()
        await busy.wait { $0.ending == .withdrawn }
        #expect(await first.member.gate.waitUntilEmpty(deadline: .seconds(60)))
        source.publish("source.x", "2")
        await next.reach(1)
        #expect(next.texts == ["2"] && named.texts == ["1"])
        first.serve(after: second)
        source.publish("source.x", "3")
        #expect(bus.accounts.isEmpty)
    }

    @Test func hundredPublishers_andHundredSubscribers_loseNothing_whileTheyAreReloaded()
        async throws
    {
        let (publishers, subscribers, events, plugins) = (100, 100, 20, 10)
        let bus = bus
        let sinks = (0..<subscribers).map { _ in EventSink() }
        func generation(_ plugin: Int, _ number: UInt64) throws -> EventPeer {
            let peer = try EventPeer("p\(plugin)", number: number, on: bus)
            for index in stride(from: plugin, to: subscribers, by: plugins) {
                try peer.subscribe(
                    sinks[index], to: "s.>", name: "n\(index)", queue: EventLimits.queueCountMax)
            }
            return peer
        }
        var serving = try (0..<plugins).map { try generation($0, 1) }
        for peer in serving { peer.serve() }
        async let published: Void = withTaskGroup(of: Void.self) { group in
            for publisher in 0..<publishers {
                group.addTask {
                    let sender = bus.publisher("s\(publisher)")
                    for _ in 0..<events {
                        let topic = "s.\(publisher)"
                        _ = sender.publish(EventDraft(topic: topic, source: topic), on: bus)
                        await Task.yield()
                    }
                }
            }
        }
        for number in 2...20 {
            for plugin in 0..<plugins {
                let next = try generation(plugin, UInt64(number))
                next.serve(after: serving[plugin])
                serving[plugin] = next
            }
            await Task.yield()
        }
        await published
        for sink in sinks {
            await sink.reach(publishers * events)
            var last: [String: UInt64] = [:]
            for received in sink.received {
                let event = received.event
                #expect(event.sequence == (last[event.source] ?? 0) + 1)
                last[event.source] = event.sequence
            }
            #expect(last.count == publishers)
        }
        let figures = bus.accounts.map(\.figures)
        #expect(figures.allSatisfy { $0.dropped == 0 && $0.delivered == publishers * events })
    }
}
