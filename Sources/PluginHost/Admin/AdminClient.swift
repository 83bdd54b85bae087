internal import Dispatch
internal import Glibc
package import HostModel

/// The command's end of the admin socket: one connection for each request.
package struct AdminClient: Sendable {
    /// The largest answer that is believed.
    static let answerBytesMax = 64 << 20

    let path: String

    /// Finds the daemon at a socket; nil when none answers there.
    package init?(socket path: String) {
        self.path = path
        do throws(HostError) {
            guard let descriptor = try AdminSocket.connect(to: path) else { return nil }
            close(descriptor)
        } catch {
            // There is one, and `send` says why it cannot be talked to.
        }
    }

    /// Sends a request and returns what the daemon answered.
    ///
    /// It waits as long as the daemon works on it.
    ///
    /// - Throws: the `HostError` that the daemon sent; `daemon_unreachable` when it ended
    ///   meanwhile; `admin_socket_failed`.
    package func send(
        _ method: String, _ path: String, body: JSONValue? = nil, query: [String: String] = [:]
    ) async throws(HostError) -> JSONValue {
        let request = Self.bytes(method, Self.target(path, query), body)
        let socket = self.path
        let outcome = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(returning: Self.outcome(socket, request))
            }
        }
        let answer = try outcome.get()
        let json = try JSON.parse(answer.body, source: "the daemon's answer")
        guard (200...299).contains(answer.status) else { throw try HostError(json: json) }
        return json
    }

    private static func bytes(_ method: String, _ path: String, _ body: JSONValue?) -> [UInt8] {
        let text = body?.text() ?? ""
        return Array(
            """
            \(method) \(path) HTTP/1.1\r
            Host: localhost\r
            Connection: close\r
            Content-Length: \(text.utf8.count)\r
            \r
            \(text)
            """.utf8)
    }

    /// What stands in a request's first line for a path and a query.
    static func target(_ path: String, _ query: [String: String]) -> String {
        let segments = path.split(separator: "/", omittingEmptySubsequences: false)
        let members = query.sorted { $0.key < $1.key }.map { name, value in
            PercentCode.encoded(name) + "=" + PercentCode.encoded(value)
        }
        return segments.map { PercentCode.encoded(String($0)) }.joined(separator: "/")
            + (members.isEmpty ? "" : "?" + members.joined(separator: "&"))
    }

    private static func outcome(
        _ path: String, _ request: [UInt8]
    ) -> Result<AdminAnswer, HostError> {
        do throws(HostError) {
            return .success(try ask(path, request))
        } catch {
            return .failure(error)
        }
    }

    /// One exchange, on a thread that may block.
    private static func ask(_ path: String, _ request: [UInt8]) throws(HostError) -> AdminAnswer {
        let descriptor = try connect(path, request)
        let bytes: [UInt8]
        do throws(HostError) {
            bytes = try descriptor.readAll(bytesMax: answerBytesMax)
        } catch {
            throw gone(path)
        }
        guard let answer = AdminAnswer(bytes) else { throw gone(path) }
        return answer
    }

    /// Connects, and sends a request.
    static func connect(_ path: String, _ request: [UInt8]) throws(HostError) -> Descriptor {
        guard let number = try AdminSocket.connect(to: path) else { throw gone(path) }
        let descriptor = Descriptor(owning: number, path: path)
        var sent = 0
        while sent < request.count {
            let count = unsafe request.withUnsafeBytes { bytes in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[sent...])
                return unsafe Glibc.send(
                    descriptor.number, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if errno != EINTR {
                // It may have answered before it had read everything.
                break
            }
        }
        return descriptor
    }

    static func gone(_ path: String) -> HostError {
        HostError(
            "daemon_unreachable", what: "the daemon did not answer", subject: path,
            why: "it ended, or is stopping",
            fix: "see its log, and try again when it runs or has ended")
    }
}

/// A response of the daemon, taken apart.
struct AdminAnswer {
    let status: Int
    let body: [UInt8]

    /// Reads a whole response with a Content-Length; nil when it is cut short or is something else.
    init?(_ bytes: [UInt8]) {
        let mark = Array("\r\n\r\n".utf8)
        guard
            let end = bytes.indices.first(where: { bytes[$0...].starts(with: mark) }),
            let status = Int(String(decoding: bytes.dropFirst(9).prefix(3), as: UTF8.self))
        else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        let name = "content-length:"
        guard let line = lines.first(where: { $0.lowercased().hasPrefix(name) }),
            let length = Int(line.dropFirst(name.count).drop { $0 == " " }),
            bytes.count - end - mark.count == length
        else { return nil }
        self.status = status
        body = Array(bytes[(end + mark.count)...])
    }
}
