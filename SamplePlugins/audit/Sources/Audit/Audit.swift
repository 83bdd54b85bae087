import PluginKit

/// Keeps every event in SQLite: a JSON interface here, and a page in `priv/static`.
@main
struct Audit: Plugin {
    static var manifest: Manifest {
        Manifest(
            name: "audit", version: "1.0.0",
            description: "Keeps every event of the host and its plugins, to be searched.",
            services: [.log, .events])
    }

    /// With its name, the subscription goes on across reloads: the next generation is handed what
    /// this one has not taken. An event that cannot be written is handed over again.
    static var subscriptions: Subscriptions {
        Subscribe(">", name: "audit", queue: 16_384) { plugin, event in
            try plugin.store.add(event)
        }
    }

    static var routes: Routes {
        Get("/events", blocks: true) { plugin, request in
            .json(try plugin.store.find(try EventFilter(request.query)).json)
        }
        Get("/topics", blocks: true) { plugin, _ in .json(try plugin.store.topics()) }
        Get("/live") { plugin, request in
            let events = plugin.host.events.stream(request.query["topic"] ?? ">")
            return .events { client in
                for await event in events { try await client.send(event.topic) }
            }
        }
    }

    let host: HostContext
    let store: EventStore

    init(host: HostContext) throws {
        self.host = host
        store = EventStore(try Database(path: host.sqliteDirectory + "/audit.db"))
    }

    func start() throws {
        guard host.events.isGranted else {
            throw PluginError(
                "there are no events to be kept", reasons: ["ph.events/1 was not granted"],
                code: .serviceMissing)
        }
        let count = try store.prepare()
        host.log.info("audit has started with \(count) events")
    }

    func stop() {
        store.close()
    }
}
