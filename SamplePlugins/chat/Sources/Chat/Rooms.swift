import PluginKit

/// Who is in which room, and what has been said there last.
///
/// A room is there as long as somebody is in it, or something has been said in it.
actor Rooms {
    /// How much of a conversation is kept for those who come later.
    static let historyMax = 50
    static let roomsMax = 1_000

    private struct Room {
        var visitors: [Name: WebSocket] = [:]
        var history: [Line] = []
    }

    private var rooms: [Name: Room] = [:]

    /// Lets somebody in, and tells the others.
    ///
    /// - Returns: what the visitor is told; nil when the name is taken, or there is no more room.
    func enter(_ name: Name, _ nick: Name, _ socket: WebSocket) -> Event? {
        guard rooms[name] != nil || rooms.count < Self.roomsMax else { return nil }
        var room = rooms[name] ?? Room()
        guard room.visitors[nick] == nil else { return nil }
        tell(.entered(nick), room)
        room.visitors[nick] = socket
        rooms[name] = room
        let present = room.visitors.keys.sorted { $0.text < $1.text }
        return .welcome(present: present, history: room.history)
    }

    /// Tells everybody in the room, and keeps it.
    func say(_ line: Line, in name: Name) {
        guard var room = rooms[name] else { return }
        room.history.append(line)
        if room.history.count > Self.historyMax { room.history.removeFirst() }
        rooms[name] = room
        tell(.said(line), room)
    }

    func leave(_ name: Name, _ nick: Name) {
        guard var room = rooms[name] else { return }
        room.visitors[nick] = nil
        let isOver = room.visitors.isEmpty && room.history.isEmpty
        rooms[name] = isOver ? nil : room
        tell(.left(nick), room)
    }

    func history(of name: Name) -> [Line] { rooms[name]?.history ?? [] }

    /// - Shape: `[{"room":"lobby","present":["ann"]}]`.
    func list() -> JSON {
        .array(
            rooms.sorted { $0.key.text < $1.key.text }.map { name, room in
                let present = room.visitors.keys.map(\.text).sorted()
                return [
                    "room": .string(name.text),
                    "present": .array(present.map { .string($0) }),
                ]
            })
    }

    /// Nobody is waited for: whoever cannot keep up is sent away, and finds the last lines when
    /// coming back.
    private func tell(_ event: Event, _ room: Room) {
        let sockets = Array(room.visitors.values)
        let deliveries = WebSocket.post(.text(event.text), to: sockets)
        for (socket, delivery) in zip(sockets, deliveries) {
            if case .dropped = delivery { socket.close(1008, "too slow") }
        }
    }
}
