import Foundation
import Glibc

/// One connection to a server, read and written byte by byte: it hides nothing that a test of a
/// server may want to see.
final class HTTPClient {
    enum Failure: Error, Equatable {
        case cannotConnect(errno: Int32)
        case closed(afterBytes: Int)
        case timedOut
        case reset(errno: Int32)
        case malformed(String)
    }

    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var consumed = 0
    private var isClosed = false

    /// Connects to a port of 127.0.0.1.
    init(port: UInt16, timeoutSeconds: Int = 90) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try connect(timeoutSeconds) {
            withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(descriptor, $0, size)
                }
            }
        }
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
    }

    /// Connects to a Unix socket.
    init(unixSocket path: String, timeoutSeconds: Int = 90) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        try connect(timeoutSeconds) {
            withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(descriptor, $0, size)
                }
            }
        }
    }

    deinit { if !isClosed { close(descriptor) } }

    private func connect(_ timeoutSeconds: Int, _ connect: () -> Int32) throws {
        var limit = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        guard connect() == 0 else { throw Failure.cannotConnect(errno: errno) }
    }

    // MARK: Whole exchanges

    func get(_ path: String, headers: [String: String] = [:]) throws -> HTTPResponse {
        try request("GET", path, headers: headers)
    }

    func request(
        _ method: String, _ path: String, headers: [String: String] = [:], body: String? = nil
    ) throws -> HTTPResponse {
        try send(method, path, headers: headers, body: body)
        return try readResponse(hasBody: method != "HEAD")
    }

    /// Sends a request and reads nothing: for pipelining and for long responses.
    func send(
        _ method: String, _ path: String, headers: [String: String] = [:], body: String? = nil
    ) throws {
        var text = "\(method) \(path) HTTP/1.1\r\nHost: test\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        if let body { text += "Content-Length: \(body.utf8.count)\r\n" }
        try send(raw: text + "\r\n" + (body ?? ""))
    }

    func send(raw text: String) throws { try send(raw: Array(text.utf8)) }

    func send(raw bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                throw errno == EAGAIN ? Failure.timedOut : Failure.reset(errno: errno)
            }
            sent += count
        }
    }

    /// Cuts the connection, as a client does that crashes; the server cannot take it for one that
    /// only has no more to say.
    func reset() {
        var none = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &none, socklen_t(MemoryLayout<linger>.size))
        isClosed = true
        close(descriptor)
    }

    // MARK: Reading

    /// Reads one response to its end, however its length is told.
    func readResponse(hasBody: Bool = true) throws -> HTTPResponse {
        var response = try readHead()
        while response.status == 100 { response = try readHead() }
        guard hasBody, response.status != 204, response.status != 304 else { return response }
        if response["transfer-encoding"]?.lowercased() == "chunked" {
            while let chunk = try readChunk() { response.body += chunk }
        } else if let length = response["content-length"] {
            guard let count = Int(length) else { throw Failure.malformed(length) }
            response.body = try read(exactly: count)
        } else {
            response.body = try readToEnd()
        }
        return response
    }

    /// Reads a status line and the headers.
    func readHead() throws -> HTTPResponse {
        let statusLine = try readLine()
        let words = statusLine.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            throw Failure.malformed(statusLine)
        }
        var response = HTTPResponse(status: status, headers: [], body: Data())
        while true {
            let line = try readLine()
            if line.isEmpty { return response }
            guard let colon = line.firstIndex(of: ":") else { throw Failure.malformed(line) }
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            response.headers.append((line[..<colon].lowercased(), value))
        }
    }

    /// Reads the next chunk of a chunked body; nil at its end.
    func readChunk() throws -> Data? {
        let line = try readLine()
        guard let count = Int(line.prefix { $0 != ";" }, radix: 16) else {
            throw Failure.malformed(line)
        }
        let piece = try read(exactly: count)
        if count == 0 {
            while try !readLine().isEmpty {}
            return nil
        }
        guard try readLine().isEmpty else { throw Failure.malformed("no CRLF after a chunk") }
        return piece
    }

    func readLine() throws -> String {
        var end = consumed
        while true {
            while end < buffer.count {
                if buffer[end] == UInt8(ascii: "\n") {
                    var line = buffer[consumed..<end]
                    if line.last == UInt8(ascii: "\r") { line.removeLast() }
                    consumed = end + 1
                    return String(decoding: line, as: UTF8.self)
                }
                end += 1
            }
            end -= consumed
            try receive()
            end += consumed
        }
    }

    func read(exactly count: Int) throws -> Data {
        while buffer.count - consumed < count { try receive() }
        defer { consumed += count }
        return Data(buffer[consumed..<consumed + count])
    }

    /// Reads until the server closes the connection.
    func readToEnd() throws -> Data {
        do {
            while true { try receive() }
        } catch Failure.closed {
            defer { consumed = buffer.count }
            return Data(buffer[consumed...])
        }
    }

    private func receive() throws {
        if consumed > 0 {
            buffer.removeFirst(consumed)
            consumed = 0
        }
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &piece, piece.count, 0)
            if count > 0 {
                buffer += piece[..<count]
                return
            }
            if count == 0 { throw Failure.closed(afterBytes: buffer.count) }
            if errno == EINTR { continue }
            throw errno == EAGAIN ? Failure.timedOut : Failure.reset(errno: errno)
        }
    }
}
