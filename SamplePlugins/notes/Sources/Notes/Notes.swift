import PluginKit

/// Notes kept in SQLite: a JSON interface here, and a page in `priv/static`.
@main
struct Notes: Plugin {
    static var manifest: Manifest {
        Manifest(
            name: "notes", version: "1.0.0",
            description: "Keeps notes in SQLite, with a page and a JSON interface.",
            services: [.log])
    }

    static var routes: Routes {
        Get("/notes") { plugin, request in
            let page = try request.query.integer("page", in: 1...1_000_000, absent: 1)
            let size = try request.query.integer("per_page", in: 1...100, absent: 20)
            let search = request.query["q"] ?? ""
            return .json(try await plugin.store.list(search: search, page: page, size: size).json)
        }
        Post("/notes", body: .whole(bytesMax: NoteText.bodyBytesMax)) { plugin, request in
            let note = try await plugin.store.add(try NoteText(request.body))
            plugin.changes.tell("added", note.id)
            return .json(note.json, status: .created).adding("Location", "notes/\(note.id)")
        }
        Get("/notes/{id}") { plugin, request in
            let id = try request.parameters.integer("id")
            return .json(try await plugin.store.note(id).json)
        }
        Put("/notes/{id}", body: .whole(bytesMax: NoteText.bodyBytesMax)) { plugin, request in
            let id = try request.parameters.integer("id")
            let note = try await plugin.store.change(id, to: try NoteText(request.body))
            plugin.changes.tell("changed", id)
            return .json(note.json)
        }
        Delete("/notes/{id}") { plugin, request in
            let id = try request.parameters.integer("id")
            try await plugin.store.remove(id)
            plugin.changes.tell("removed", id)
            return .empty()
        }
        Get("/events") { plugin, _ in .events(plugin.changes.listen()) }
        Get("/version") { plugin, _ in
            .json([
                "name": .string(plugin.host.pluginName), "version": "1.0.0",
                "generation": .integer(Int(plugin.host.generation)),
            ])
        }
    }

    let host: HostContext
    let store: NoteStore
    let changes = Changes()

    /// Another generation may have the same database open: it is in WAL mode, and each change is
    /// one transaction.
    init(host: HostContext) throws {
        self.host = host
        store = NoteStore(try Database(path: host.sqliteDirectory + "/notes.db"))
    }

    func start() async throws {
        let count = try await store.prepare()
        host.log.info("notes has started with \(count) notes")
    }

    func stop() async {
        await store.close()
        host.log.info("notes has stopped")
    }
}
