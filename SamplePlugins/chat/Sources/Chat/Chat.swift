import PluginKit

/// Rooms to talk in: WebSockets here, and a page in `priv/static`.
@main
struct Chat: Plugin {
    static var manifest: Manifest {
        Manifest(
            name: "chat", version: "1.0.0",
            description: "Rooms to talk in, over WebSockets, with a page.",
            services: [.log, .webSocket])
    }

    static var routes: Routes {
        Socket("/rooms/{room}", options: options) { plugin, request in
            let room = try Name(request.parameters["room"], of: "room")
            let nick = try Name(request.query["nick"] ?? "", of: "nick")
            return { socket in try await plugin.talk(over: socket, as: nick, in: room) }
        }
        Get("/rooms") { plugin, _ in .json(await plugin.rooms.list()) }
        Get("/rooms/{room}/messages") { plugin, request in
            let room = try Name(request.parameters["room"], of: "room")
            return .json(.array(await plugin.rooms.history(of: room).map(\.json)))
        }
    }

    private static var options: WebSocketOptions {
        var options = WebSocketOptions()
        options.compression = .eachMessage
        options.messageBytesMax = UInt64(Line.bytesMax) * 2
        return options
    }

    let host: HostContext
    let rooms = Rooms()

    init(host: HostContext) { self.host = host }

    /// One visitor's stay in a room, from the greeting to the farewell.
    private func talk(over socket: WebSocket, as nick: Name, in room: Name) async throws {
        guard let welcome = await rooms.enter(room, nick, socket) else {
            return socket.close(1008, "somebody here is called \(nick.text) already")
        }
        do {
            try await socket.send(welcome.text)
            try await listen(to: socket, as: nick, in: room)
        } catch {
            await rooms.leave(room, nick)
            throw error
        }
        await rooms.leave(room, nick)
    }

    private func listen(to socket: WebSocket, as nick: Name, in room: Name) async throws {
        for await message in socket {
            if case .text(let text) = message, let line = Line(text, from: nick) {
                await rooms.say(line, in: room)
            } else {
                try await socket.send(Event.refused(Line.rule).text)
            }
        }
    }
}
