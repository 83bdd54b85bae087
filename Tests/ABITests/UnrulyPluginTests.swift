import CPluginABI
import Foundation
import Testing

/// What PluginKit does with a plugin that does what it should not.
@Suite(.serialized)
struct UnrulyPluginTests {
    private func withHost(_ body: (FakeHost) throws -> Void) throws {
        try SwiftPackage.live {
            try SwiftPackage.openUnruly()
        } body: { host in
            try host.start()
            try body(host)
            try host.stop()
            #expect(host.logLines.contains("background has ended, cancelled: true"))
            #expect(host.logLines.last == "stop")
        }
    }

    @Test(arguments: ["/header", "/waiting-header"])
    func headerWithLineBreak_isNeverSent(route: String) throws {
        try withHost { host in
            let good = try host.call("GET", route, query: "value=a%20b")
            #expect(good.status == 200)
            let evil = try host.call("GET", route, query: "value=a%0d%0aSet-Cookie:b")
            #expect(evil.status == 500)
            #expect(evil.text.contains("could not answer"))
            #expect(
                host.logLines.contains { $0.hasPrefix("request-1: the host refused a response") })
        }
    }

    @Test(arguments: ["code=0", "code=199", "code=600"])
    func statusOutOfRange_becomes500(query: String) throws {
        try withHost { host in
            let answer = try host.call("GET", "/status", query: query)
            #expect(answer.status == 500)
        }
    }

    @Test func errorOfTheAuthor_isLogged_andNotTold() throws {
        try withHost { host in
            let answer = try host.call("GET", "/secret")
            #expect(answer.status == 500)
            #expect(!answer.text.contains("swordfish"))
            #expect(host.logLines.contains { $0.contains("swordfish") })
        }
    }

    @Test func httpError_isToldAsAProblem() throws {
        try withHost { host in
            let answer = try host.call("GET", "/conflict")
            #expect(answer.status == 409)
            #expect(
                answer.text
                    == #"{"type":"about:blank","title":"Conflict","status":409,"#
                    + #""detail":"taken","by":"another"}"#)
        }
    }

    @Test func request_isReadWherever_theHostKeepsIt() throws {
        try withHost { host in
            let path = try host.call("GET", "/{first}/to/{rest...}", parameters: ["a", "b/ç"])
            #expect(path.text == #"["a","b/ç",""]"#)
            let query = try host.call("GET", "/query", query: "b=1&a=x+y%C3%A9&b=%zz&b&=c")
            #expect(
                query.text
                    == #"{"a":"x yé","all":["1","%zz",""],"raw":"b=1&a=x+y%C3%A9&b=%zz&b&=c"}"#)
            #expect(try host.call("GET", "/query").text == #"{"a":null,"all":[],"raw":""}"#)
            let fields = try host.call(
                "GET", "/fields",
                headers: [("X-Many", "1"), ("accept", "text/html"), ("x-many", "2")])
            #expect(
                fields.text == #"{"accept":"text/html","all":["1","2"],"method":true,"length":0}"#)
        }
    }

    @Test func methods_otherThanTheUsual_haveRoutesToo() throws {
        try withHost { host in
            let purged = try host.call("PURGE", "/cache")
            #expect(purged.text == "PURGE")
            let any = try host.call("*", "/any")
            #expect(any.text == "*")
        }
    }

    @Test func pieces_areAllRead_howeverManyTheyAre() throws {
        try withHost { host in
            let pieces = (0..<300).map { _ in Data(repeating: 7, count: 1_000) }
            #expect(try host.call("POST", "/pieces", body: pieces).text == "300000")
            #expect(try host.call("POST", "/pieces", body: [Data()]).text == "0")
            let late = try host.call("POST", "/late", body: pieces, fullEvery: 2)
            #expect(late.response.body.count == 300_000)
        }
    }

    @Test func manyLines_arrive_alsoAtASlowClient() throws {
        try withHost { host in
            let answer = try host.call("GET", "/lines", query: "count=2000", fullEvery: 5)
            #expect(answer.text == (1...2000).map { "line \($0)\n" }.joined())
        }
    }

    @Test(arguments: ["/short", "/long"])
    func bodyOfAnotherLength_cutsTheConnection(route: String) throws {
        try withHost { host in
            let answer = try host.call("GET", route)
            #expect(answer.response.state == .cut)
        }
    }

    @Test func request_tellsItsNameAndItsTrace() throws {
        try withHost { host in
            let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            let theirs = try host.call(
                "GET", "/identity",
                headers: [("traceparent", parent), ("tracestate", "a=1"), ("tracestate", "b=2")])
            #expect(theirs.text == #"{"id":"request-1","parent":"\#(parent)","state":"a=1,b=2"}"#)
            let ours = try host.call("GET", "/identity", headers: [("tracestate", "a=1")])
            #expect(ours.text.hasSuffix(#""state":null}"#))
            #expect(host.logLines.contains("request-1: asked"))
        }
    }

    @Test func trailers_followTheBody_unlessTheHostRefusesThem() throws {
        try withHost { host in
            let good = try host.call("GET", "/trailers")
            #expect(good.text == "body")
            #expect(good.response.trailers.map(\.0) == ["Digest"])
            let evil = try host.call("GET", "/trailers", query: "name=a%0d%0ab")
            #expect(evil.text == "body" && evil.response.state == .completed)
            #expect(evil.response.trailers.isEmpty)
            #expect(host.logLines.contains { $0.contains("refused a trailer") })
        }
    }

    @Test(arguments: [0, 3])
    func events_ofManyTasks_allArriveWhole(fullEvery: Int) throws {
        try withHost { host in
            let answer = try host.call(
                "GET", "/events", headers: [("last-event-id", "7")], fullEvery: fullEvery)
            let events = answer.text.components(separatedBy: "\n\n").dropLast()
            #expect(Set(events) == Set((8...47).map { "id: \($0)\ndata: \($0)" }))
            #expect(events.count == 40)
        }
    }

    @Test func idleEventStream_hasAHeartbeat_andEndsWithItsClient() throws {
        try withHost { host in
            let call = FakeCall()
            let answer = try host.begin("/heartbeats", call)
            #expect(answer.response.waitForBody(count: 12))
            #expect(answer.text.hasPrefix(": \n\n: \n\n"))
            let observer = try #require(answer.response.observer)
            observer.on_closed?(observer.context, .closed)
            var need = FakeResponse.Need.nothing
            #expect(answer.response.waitForNeed(&need, mayGiveBody: false))
            #expect(answer.response.state == .cut)
            withExtendedLifetime(call) {}
        }
    }

    @Test func eventStream_endsInOrder_whenTheNextGenerationServes() throws {
        try withHost { host in
            let call = FakeCall()
            let answer = try host.begin("/heartbeats", call)
            #expect(answer.response.waitForBody(count: 12))
            answer.response.drain()
            var need = FakeResponse.Need.nothing
            #expect(answer.response.waitForNeed(&need, mayGiveBody: false))
            #expect(answer.response.state == .completed)
            withExtendedLifetime(call) {}
        }
    }

    @Test(arguments: ["/until-cancelled", "/endless"])
    func clientThatLeaves_cancelsTheTask(route: String) throws {
        try withHost { host in
            let call = FakeCall()
            let answer = try host.begin(route, call)
            let observer = try #require(answer.response.observer)
            observer.on_closed?(observer.context, .closed)
            var need = FakeResponse.Need.nothing
            #expect(answer.response.waitForNeed(&need, mayGiveBody: false))
            #expect(answer.response.state == .cut)
            #expect(host.logLines.contains("cancelled"))
            withExtendedLifetime(call) {}
        }
    }

    @Test func stop_cancelsWaitingHandlers_andAnswersThem() throws {
        let calls = (0..<50).map { _ in FakeCall() }
        var answers: [FakeHost.Answer] = []
        try withHost { host in
            answers = try calls.map { try host.begin("/until-cancelled", $0) }
        }
        #expect(answers.count == 50)
        #expect(answers.allSatisfy { $0.response.state == .completed && $0.status == 503 })
    }

    @Test func stop_namesTasksThatDoNotEnd_andCutsTheirResponses() throws {
        let calls = [FakeCall(), FakeCall()]
        try SwiftPackage.live {
            try SwiftPackage.openUnruly()
        } body: { host in
            try host.start()
            let answers = try calls.map { try host.begin("/never", $0) }
            let failure = #expect(throws: FakeHost.Failure.self) { try host.stop() }
            #expect(failure?.description.contains("2 tasks did not end") == true)
            #expect(answers.allSatisfy { $0.response.state == .cut })
        }
    }

    @Test func stop_namesThreadsThatCannotBeJoined() throws {
        let call = FakeCall()
        try SwiftPackage.live {
            try SwiftPackage.openUnruly()
        } body: { host in
            try host.start()
            _ = try host.begin("/blocked", call)
            let failure = #expect(throws: FakeHost.Failure.self) { try host.stop() }
            #expect(failure?.description.contains("1 thread cannot be joined") == true)
            #expect(threadNames().contains { $0.hasPrefix("unruly-exec-") })
            // It ends by itself when it is no longer blocked; only then may the image be closed.
            try #require(eventually { !threadNames().contains { $0.hasPrefix("unruly-") } })
        }
    }

    @Test func sleeps_lastAsLongAsTheyShould_onEveryClock() throws {
        try withHost { host in
            let answer = try host.call("GET", "/clocks")
            let json = try #require(
                try JSONSerialization.jsonObject(with: answer.response.body) as? [String: Int])
            #expect(json.count == 6)
            for (name, milliseconds) in json {
                #expect(milliseconds >= (name == "past" ? 0 : 30), "\(name)")
                #expect(milliseconds < 2_000, "\(name)")
            }
        }
    }

    @Test func tasks_runOnThreadsOfThePlugin_only() throws {
        try withHost { host in
            let answer = try host.call("GET", "/threads")
            let json = try #require(
                try JSONSerialization.jsonObject(with: answer.response.body) as? [String: Any])
            let pool = try #require(json["pool"] as? [String])
            #expect(pool.count >= 1 && pool.count <= 4)
            #expect(pool.allSatisfy { $0.hasPrefix("unruly-exec-") })
            #expect((json["global"] as? String)?.hasPrefix("unruly-exec-") == true)
            #expect(json["main"] as? String == "unruly-main")
            #expect(json["same"] as? Bool == true)
        }
        #expect(!threadNames().contains { $0.hasPrefix("unruly-") })
    }

    @Test func refusals_tellTheReasonAndTheCure() throws {
        try SwiftPackage.live {
            try SwiftPackage.openUnruly(refusing: "refuse-init")
        } body: { host in
            let refused = #expect(throws: FakeHost.Failure.self) { try host.start() }
            #expect(
                refused?.description.hasSuffix(
                    """
                    the store cannot be opened (store.db)
                      why: it is locked
                      fix: close the other program
                    """) == true)
        }
        try SwiftPackage.live {
            try SwiftPackage.openUnruly(refusing: "refuse-start")
        } body: { host in
            let failed = #expect(throws: FakeHost.Failure.self) { try host.start() }
            #expect(failed?.description.contains(#"Secret(word: "start")"#) == true)
        }
    }

    @Test func health_isWhatThePluginSays() throws {
        try SwiftPackage.live {
            try SwiftPackage.openUnruly(refusing: "sick")
        } body: { host in
            try host.start()
            let (status, reason) = try #require(host.health())
            #expect(status == UInt32(PH_HEALTH_DEGRADED))
            #expect(reason == "it is sick")
            try host.stop()
        }
    }

    private func threadNames() -> [String] {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        return tasks.compactMap { task in
            let file = FileHandle(forReadingAtPath: "/proc/self/task/\(task)/comm")
            return try? file?.readToEnd().map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Waits for what no event tells: the end of a thread that nobody joins.
    private func eventually(_ condition: () -> Bool) -> Bool {
        let deadline = Date(timeIntervalSinceNow: 20)
        while !condition() {
            if Date() > deadline { return false }
            sched_yield()
        }
        return true
    }
}
