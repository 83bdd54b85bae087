import PluginKit
import Synchronization

/// A plugin in Embedded Swift with every kind of hook: it guards the routes of all plugins and the
/// calls between them, and has a point that it hooks itself.
///
/// It compares bytes: to compare strings takes libswiftUnicodeDataTables.a, which it does not link.
@main
struct Guarding: Plugin {
    static var manifest: Manifest {
        Manifest(
            name: "guarding", version: "1.0.0", description: "Guards others.",
            services: [.hooks, .rpc])
    }

    static var routes: Routes {
        Get("/point/{text}") { plugin, request in
            do throws(PointError) {
                let payload = Array(request.parameters["text"].utf8)
                let outcome = try plugin.whispering.run(payload) { bytes in
                    bytes + [UInt8(ascii: "!")]
                }
                return .text(String(decoding: outcome, as: UTF8.self))
            } catch {
                return .text("\(error.code) \(error.message)")
            }
        }
        Get("/seen") { plugin, _ in
            .json([
                "requests": .integer(plugin.seen.requests.load(ordering: .relaxed)),
                "refused": .integer(plugin.seen.refused.load(ordering: .relaxed)),
                "calls": .integer(plugin.seen.calls.load(ordering: .relaxed)),
                "leaks": .integer(plugin.seen.inside.load(ordering: .relaxed)),
            ])
        }
    }

    static var hooks: Hooks {
        Hook.before(priority: -10) { plugin, call throws(HTTPError) in
            if call.headers["x-refuse"] != nil {
                throw HTTPError(.forbidden, "not with that field")
            }
            return call.query["tea"] == nil
                ? .goOn : .answer(.text("tea for \(String(call.path))\n"))
        }
        Hook.around { plugin, call in
            plugin.seen.inside.wrappingAdd(1, ordering: .relaxed)
            call.word = 7
            return .goOn
        } leave: { plugin, call, outcome in
            plugin.seen.inside.wrappingSubtract(call.word == 7 ? 1 : 0, ordering: .relaxed)
        }
        Hook.after { plugin, _, outcome in
            plugin.seen.requests.wrappingAdd(1, ordering: .relaxed)
            if outcome.status == 403 { plugin.seen.refused.wrappingAdd(1, ordering: .relaxed) }
        }
        Hook.response { _, call, head in head.set("X-Guarded", to: String(call.plugin)) }
        Hook.before(at: "guarding/whisper") { _, call throws(PointError) in
            if call.payload.array == Array("secret".utf8) {
                throw PointError("not aloud", code: -40)
            }
            call.give(call.payload.array + [UInt8(ascii: "?")])
        }
        Hook.replace(at: "guarding/whisper", priority: 1) { _, call in
            call.payload.array == Array("mine?".utf8) ? Array("replaced".utf8) : nil
        }
        Hook.after(at: "rpc") { plugin, call, outcome in
            if outcome.isDone { plugin.seen.calls.wrappingAdd(1, ordering: .relaxed) }
        }
    }

    static var methods: Methods {
        Method("echo") { _, call in .bytes(call.payload.array) }
    }

    let whispering: Point
    let seen = Seen()

    init(host: HostContext) throws(PluginError) {
        whispering = try host.point("whisper")
    }
}

/// What the hooks have seen.
final class Seen: Sendable {
    let requests = Atomic<Int>(0)
    let refused = Atomic<Int>(0)
    let calls = Atomic<Int>(0)
    let inside = Atomic<Int>(0)
}
