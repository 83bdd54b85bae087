import Foundation

/// The connections of a server as the kernel sees them, those included that it keeps by itself to
/// send what is left.
///
/// A client's end says little: what has arrived and was not read hides that the server has let go.
struct ServerSockets {
    /// What the kernel holds for the client of each open connection.
    let unacknowledgedBytes: [Int]

    /// - Source: proc(5), `/proc/net/tcp`.
    init(port: UInt16) throws {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/net/tcp"))
        let table = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
        let suffix = ":" + String(format: "%04X", Int(port))
        unacknowledgedBytes = table.split(separator: "\n").dropFirst().compactMap { line in
            let words = line.split(separator: " ")
            guard words.count > 4, words[1].hasSuffix(suffix) else { return nil }
            // Neither listening nor in TIME_WAIT.
            return words[3] != "0A" && words[3] != "06"
                ? Int(words[4].prefix { $0 != ":" }, radix: 16) : nil
        }
    }

    /// Looks at a server's connections again and again until they are as wanted; nil after a
    /// minute.
    static func wait(
        port: UInt16, until isWanted: (ServerSockets) -> Bool
    ) throws -> ServerSockets? {
        let end = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < end {
            let sockets = try ServerSockets(port: port)
            if isWanted(sockets) { return sockets }
            _ = poll(nil, 0, 10)
        }
        return nil
    }
}
