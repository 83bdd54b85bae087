internal import Dispatch
internal import Glibc
package import HostModel

extension AdminClient {
    /// What the daemon tells while it is followed.
    package enum Told: Sendable {
        case item(JSONValue)
        /// Something was missed, in words.
        case gap(String)
    }

    /// Has the daemon tell what happens, until it ends.
    ///
    /// - Parameter each: called for each item, on a thread of its own.
    /// - Throws: the `HostError` that the daemon sent; `daemon_unreachable`; `admin_socket_failed`.
    package func follow(
        _ path: String, query: [String: String] = [:],
        _ each: @escaping @Sendable (Told) -> Void
    ) async throws(HostError) {
        // A client of HTTP/1.0 is sent no chunks.
        let request = Array(
            """
            GET \(Self.target(path, query)) HTTP/1.0\r
            Host: localhost\r
            Accept: text/event-stream\r
            \r

            """.utf8)
        let socket = self.path
        let outcome = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(returning: Self.outcome(socket, request, each))
            }
        }
        try outcome.get()
    }

    private static func outcome(
        _ path: String, _ request: [UInt8], _ each: (Told) -> Void
    ) -> Result<Void, HostError> {
        do throws(HostError) {
            try read(path, request, each)
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    private static func read(
        _ path: String, _ request: [UInt8], _ each: (Told) -> Void
    ) throws(HostError) {
        let descriptor = try connect(path, request)
        var lines = LineReader(descriptor.number)
        guard let first = lines.next(), let status = Int(first.dropFirst(9).prefix(3)) else {
            throw gone(path)
        }
        while let line = lines.next(), !line.isEmpty {}
        guard status == 200 else {
            var body = ""
            while let line = lines.next() { body += line + "\n" }
            throw try error(status, body)
        }
        var (name, data) = ("", "")
        while let line = lines.next() {
            if line.isEmpty {
                if !data.isEmpty, let json = try? JSON.parse(data) {
                    each(name == "gap" ? .gap(json.string ?? data) : .item(json))
                }
                (name, data) = ("", "")
            } else if line.hasPrefix("data: ") {
                data += line.dropFirst(6)
            } else if line.hasPrefix("event: ") {
                name = String(line.dropFirst(7))
            }
        }
    }

    /// What the daemon says is wrong: as its JSON, or as a problem document.
    private static func error(_ status: Int, _ body: String) throws(HostError) -> HostError {
        let json = try JSON.parse(body, source: "the daemon's answer")
        guard let detail = json["detail"]?.string else { return try HostError(json: json) }
        return HostError(
            "request_invalid", what: "the daemon refused to tell (\(status))", why: detail)
    }
}

/// The lines of what comes over a socket.
private struct LineReader {
    private let descriptor: Int32
    private var bytes: [UInt8] = []
    private var start = 0
    private var hasEnded = false

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// The next line without its end; nil when there are no more.
    mutating func next() -> String? {
        var searched = start
        while true {
            if let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { start = end + 1 }
                let line = bytes[start..<end]
                return String(
                    decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line,
                    as: UTF8.self)
            }
            guard !hasEnded else { return nil }
            searched = bytes.count - start
            bytes.removeFirst(start)
            start = 0
            fill()
        }
    }

    private mutating func fill() {
        let room = 64 << 10
        let old = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: room))
        while true {
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(descriptor, buffer.baseAddress.map { unsafe $0 + old }, room)
            }
            if count < 0, errno == EINTR { continue }
            bytes.removeLast(room - max(0, count))
            hasEnded = count <= 0
            return
        }
    }
}
