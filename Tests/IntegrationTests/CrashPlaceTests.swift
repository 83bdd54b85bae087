import Foundation
import Glibc
import Testing

/// Plugins that crash where the host or other plugins call them, and on threads of their own: it is
/// they who are blamed, and not whose request or call it was.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct CrashPlaceTests {
    static let places = [
        [
            "request-before", "request-enter", "request-replace", "request-leave", "request-after",
            "response", "install", "load", "load-leave", "unload",
        ],
        ["publish", "publish-leave", "event", "rpc", "rpc-leave", "method", "inline"],
        [
            "socket-open", "socket-message", "socket-closed", "health", "thread", "timer", "stop",
            "deinit",
        ],
    ]

    private let root: Root
    private let host: HostProcess
    private let plugin = "/plugin/crash-places/api"

    init() throws {
        root = try Root()
        host = try HostProcess(
            root, options: ["--restart-pause", "0", "--restarts-per-minute", "1000000"])
        for fixture in ["sound", "events", "rpc_ping", "rpc_pong"] {
            try root.must("install", Fixtures.bundle(fixture))
        }
    }

    /// Does what has the plugin called in that place.
    private func lead(to place: String) throws {
        switch place {
        case _ where place.hasPrefix("request") || place == "response":
            _ = try? host.get("/plugin/sound/api/hello")
        case "install": _ = try root.host("install", Fixtures.bundle("versioned_v1"))
        case "load", "load-leave": _ = try root.host("reload", "sound", "--force")
        case "unload": _ = try root.host("deactivate", "sound")
        case "publish", "publish-leave", "event":
            _ = try? host.get("/plugin/events/api/publish")
        case "rpc", "rpc-leave": _ = try? host.get("/plugin/rpc-ping/api/quick")
        case "method", "inline": _ = try root.host("call", "crash-places", place)
        case "socket-open": _ = try? SocketClient(host, "\(plugin)/socket").frame()
        case "socket-message", "socket-closed":
            guard let socket = try? SocketClient(host, "\(plugin)/socket") else { return }
            try? place == "socket-closed" ? socket.close() : socket.send("hello")
            _ = try? socket.frame()
        case "health": _ = try root.host("status", "crash-places")
        case "stop", "deinit": _ = try root.host("deactivate", "crash-places")
        default: break
        }
    }

    @Test(arguments: places) func crash_isAttributedToWhomTheCodeIs(_ places: [String]) throws {
        try root.must("install", Fixtures.bundle("crash_places"))
        for place in places {
            let before = try Chronicle(root)
            // Some places are there at once, and the answer does not always come before.
            _ = try? host.get("\(plugin)/arm?\(place)")
            try lead(to: place)
            let told = try eventually("\(place): it is told") { () -> JSON? in
                let after = try Chronicle(root)
                #expect(after.continues(before), "\(place)")
                return after.entries.dropFirst(before.entries.count)
                    .first { $0["event"].string == "engine_crashed_v1" }
            }
            let story: Comment = "\(place): \(told)\n\(host.log.suffix(2_000))"
            #expect(told["data"]["culprit"]["plugin"].string == "crash-places", story)
            #expect(
                told["data"]["backtrace"].strings.contains { $0.contains("crash_here") }, story)
            #expect(try host.get("/plugin/events/api/hello").text == hello, story)
            try root.must("activate", "crash-places")
            try root.must("activate", "sound")
            #expect(try host.get("\(plugin)/hello").text == hello, story)
        }
        #expect(try host.terminate() == 0)
    }

    @Test(arguments: [
        ["method", "inline", "event", "socket-open", "socket-message", "socket-closed"],
        ["health", "thread", "timer"],
    ])
    func crash_endsItsProcessAlone_whenItIsIsolated(_ places: [String]) throws {
        try root.must("install", Fixtures.bundle("crash_places"), "--mode", "isolated")
        let engine = host.engine
        for place in places {
            let before = try Chronicle(root).events("worker_ended_v1").count
            _ = try? host.get("\(plugin)/arm?\(place)")
            try lead(to: place)
            try eventually("\(place): the end of its process is told") {
                try Chronicle(root).events("worker_ended_v1").count > before
            }
            try eventually("\(place): it serves again") {
                try host.get("\(plugin)/hello").status == 200
            }
            #expect(try host.hello("sound") == hello, "\(place)")
            let told = try Chronicle(root).last("worker_ended_v1")
            #expect(told["plugin"].string == "crash-places", "\(told)")
            #expect(told["data"]["reason"].string?.contains("SIGSEGV") == true, "\(told)")
        }
        #expect(host.engine == engine)
        #expect(try host.terminate() == 0)
    }
}
