import PluginKit

/// The smallest Swift plugin: Embedded Swift has no runtime library to link.
@main
struct HelloEmbedded: Plugin {
    static var manifest: Manifest {
        Manifest(
            name: "hello-embedded", version: "1.0.0",
            description: "Says hello from Embedded Swift.")
    }

    static var routes: Routes {
        Get("/hello") { _, _ in .json(literal: #"{"message":"Hello, World!"}"#) }
        Get("/hello/{name}") { _, request in .text("Hello, \(request.parameters["name"])!\n") }
        Get("/square/{number}") { _, request throws(HTTPError) in
            let number = try request.parameters.integer("number")
            guard number.magnitude <= 3_000_000_000 else {
                throw HTTPError(.badRequest, "a square of that number does not fit")
            }
            return .json(["number": .integer(number), "square": .integer(number * number)])
        }
        Get("/events") { plugin, _ in .events { plugin.audience.add($0) } }
        Post("/say") { plugin, request in
            .json(["heard": .integer(plugin.audience.send(ServerEvent(request.body.text)))])
        }
        Get("/version") { plugin, _ in
            .json([
                "name": .string(plugin.host.pluginName), "version": "1.0.0",
                "generation": .integer(Int(plugin.host.generation)),
            ])
        }
    }

    let host: HostContext
    let audience = EventAudience()

    init(host: HostContext) {
        self.host = host
    }
}
