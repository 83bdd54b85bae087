import Foundation
import Testing

/// A room full of people who all talk at once.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct ChatTests {
    private static let visitors = 4
    private static let lines = 100

    /// Reads until everybody's lines have come; what each of them has said, in the order in which
    /// it came.
    private func listen(_ socket: SocketClient) throws -> [String: [String]] {
        var heard: [String: [String]] = [:]
        var count = 0
        while count < Self.visitors * Self.lines {
            let frame = try socket.frame()
            // A ping, or the end.
            guard frame.first & 0x0F == 1 else {
                if frame.code != nil { break }
                continue
            }
            let event = try JSON(parsing: frame.payload)
            guard event["event"].string == "said" else { continue }
            heard[event["nick"].string ?? "", default: []].append(event["text"].string ?? "")
            count += 1
        }
        return heard
    }

    @Test(arguments: ["in-process", "isolated"])
    func everybody_hearsEverything_inOrder(_ mode: String) throws {
        guard let bundle = Repository.sampleBundle("chat") else { return }
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", bundle, "--mode", mode)
        let names = (0..<Self.visitors).map { "visitor-\($0)" }
        let room = "/plugin/chat/api/rooms/all?nick="
        let sockets = try names.map { try SocketClient(host, room + $0) }
        // Whoever is greeted is in the room.
        for socket in sockets {
            var text = ""
            while !text.contains("welcome") { text = try socket.frame().text }
        }
        let said = (0..<Self.lines).map { "line \($0)" }
        for line in said {
            for socket in sockets { try socket.send(line) }
        }
        for (name, socket) in zip(names, sockets) {
            let heard = try listen(socket)
            for other in names { #expect(heard[other] == said, "\(name) of \(other)") }
        }
        #expect(try host.terminate() == 0)
    }
}
