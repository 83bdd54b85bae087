import PluginKit
import Synchronization

/// A plugin that meets others in every way that PluginKit has: it hooks its own point and the calls
/// between plugins, hears of events in tasks, and has a method that waits.
@main
struct Extending: Plugin {
    static var manifest: Manifest {
        Manifest(
            name: "extending", version: "1.0.0", description: "Meets others.",
            services: [.hooks, .events, .rpc])
    }

    static var routes: Routes {
        Get("/point/{text}") { plugin, request in
            let payload = Array(request.parameters["text"].utf8)
            do throws(PointError) {
                let outcome = try plugin.shouting.run(payload) { bytes in
                    bytes + Array("!".utf8)
                }
                return .text(String(decoding: outcome, as: UTF8.self))
            } catch {
                return .text("\(error.code) \(error.message)")
            }
        }
        Get("/call/{name}/{text}") { plugin, request in
            let name = request.parameters["name"]
            let payload = Array(request.parameters["text"].utf8)
            do {
                let method = try plugin.host.plugin("extending").method(name)
                return .text(String(decoding: try await method.call(payload), as: UTF8.self))
            } catch {
                return .text("\(error)")
            }
        }
        Get("/publish/{text}") { plugin, request in
            .text("\(plugin.host.events.publish("extending.said", request.parameters["text"]))")
        }
        Get("/notes") { plugin, _ in
            .text(plugin.notes.all.joined(separator: "\n"))
        }
        Get("/hooked") { _, _ in .text("plain") }
    }

    static var hooks: Hooks {
        Hook.before { plugin, call in
            guard call.path == "/hooked" else { return .goOn }
            return .answer(.text("by a hook of \(String(call.plugin))"))
        }
        Hook.around(at: "extending/shout", priority: 1) { plugin, call in
            call.word = 7
            if call.payload.text == "secret" { throw PointError("not aloud", code: -40) }
            if call.payload.text == "broken" { throw Broken() }
            call.give(call.payload.array + Array("?".utf8))
        } leave: { plugin, call, outcome in
            plugin.notes.add("\(call.word) \(outcome.code) \(call.payload.text)")
        }
        Hook.replace(at: "extending/shout") { plugin, call in
            call.payload.text == "mine?" ? Array("replaced".utf8) : nil
        }
        Hook.before(at: "publish") { plugin, call in
            if call.payload.text.contains("unheard-of") { throw PointError("not to be told") }
        }
        Hook.after(at: "rpc", priority: -5) { plugin, call, outcome in
            plugin.notes.add(
                "\(String(call.plugin)) \(String(call.provider)) \(String(call.method))"
                    + " \(outcome.isDone) \(call.payload.text)")
        }
    }

    static var methods: Methods {
        Method(waiting: "patient") { plugin, payload in
            try await Task.sleep(for: .milliseconds(1))
            if payload.isEmpty { throw CallError.refused("nothing was sent", code: 12) }
            return .bytes(payload.reversed())
        }
        Method("quick") { plugin, call in .bytes(call.payload.array) }
    }

    static var subscriptions: Subscriptions {
        Subscribe("extending.>", name: "said") { plugin, event in
            await Task.yield()
            try await Task.sleep(for: .milliseconds(1))
            plugin.notes.add("heard \(event.text)")
        }
    }

    private struct Broken: Error {}

    let host: HostContext
    let shouting: Point
    let notes = Notes()

    init(host: HostContext) throws {
        self.host = host
        shouting = try host.point("shout")
    }

    func start() async throws {
        let (events, notes) = (host.events.stream("extending.>"), notes)
        host.background {
            for await event in events { notes.add("streamed \(event.text)") }
        }
    }
}

/// What the plugin has seen.
final class Notes: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func add(_ line: String) { lines.withLock { $0.append(line) } }
}
