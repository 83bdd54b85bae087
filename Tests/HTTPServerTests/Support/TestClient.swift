import CLinux
import COpenSSL
import Glibc

/// A blocking socket with a receive timeout, for requests written byte by byte.
///
/// `@unchecked Sendable` because tests use a client on one task at a time, but for sending while
/// another task reads.
final class TestClient: @unchecked Sendable {
    let descriptor: Int32
    /// What speaks TLS on the socket, if `shakeHands` was called.
    private(set) var tls: OpaquePointer?
    private var buffer: [UInt8] = []

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    init(port: UInt16, timeoutSeconds: Int = 90, receiveBufferBytes: Int32 = 0) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(description: "socket: \(errno)") }
        if receiveBufferBytes > 0 {
            var bytes = receiveBufferBytes
            setsockopt(
                descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
        var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        linux_no_delay(descriptor)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        // The socket is closed by `deinit`, which runs also when this throws.
        guard result == 0 else { throw Failure(description: "connect: \(errno)") }
    }

    init(unix path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw Failure(description: "connect: \(errno)") }
    }

    /// Takes over a connected socket.
    init(adopting descriptor: Int32, timeoutSeconds: Int = 90) {
        self.descriptor = descriptor
        var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit {
        SSL_free(tls)
        close(descriptor)
    }

    /// Speaks TLS from now on.
    ///
    /// - Parameters:
    ///   - name: the host that is asked for.
    ///   - protocols: the names that are offered, each with its length in front.
    ///   - session: one that is to be resumed.
    ///   - prepare: what else is to be set before.
    func shakeHands(
        name: String? = nil, protocols: [UInt8] = [], resuming session: OpaquePointer? = nil,
        prepare: (OpaquePointer) -> Void = { _ in }
    ) throws {
        let context = SSL_CTX_new(TLS_client_method())
        defer { SSL_CTX_free(context) }
        guard let tls = SSL_new(context) else { throw Failure(description: "SSL_new") }
        self.tls = tls
        SSL_set_fd(tls, descriptor)
        if let name {
            var text = Array(name.utf8CString)
            SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), &text)
        }
        if !protocols.isEmpty { SSL_set_alpn_protos(tls, protocols, UInt32(protocols.count)) }
        if let session { SSL_set_session(tls, session) }
        prepare(tls)
        ERR_clear_error()
        let result = SSL_connect(tls)
        guard result == 1 else {
            throw Failure(description: "SSL_connect: \(SSL_get_error(tls, result))")
        }
    }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let result = bytes.withUnsafeBytes {
                if let tls {
                    return Int(
                        SSL_write(tls, $0.baseAddress! + sent, Int32($0.count - sent)))
                }
                return
                    linux_send(descriptor, $0.baseAddress! + sent, $0.count - sent, 0)
            }
            guard result > 0 else { throw Failure(description: "send: \(-result)") }
            sent += result
        }
    }

    /// Says that nothing more will be sent.
    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Reads more into the buffer; false at the end of the stream.
    private func fill() throws -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        if let tls { return try fill(tls, &chunk) }
        let result = recv(descriptor, &chunk, chunk.count, 0)
        if result < 0 { throw Failure(description: "recv: errno \(errno) after \(text(buffer))") }
        buffer += chunk[..<result]
        return result > 0
    }

    /// The end counts only if the other side has said so.
    private func fill(_ tls: OpaquePointer, _ chunk: inout [UInt8]) throws -> Bool {
        ERR_clear_error()
        let result = SSL_read(tls, &chunk, Int32(chunk.count))
        if result > 0 {
            buffer += chunk[..<Int(result)]
            return true
        }
        let error = SSL_get_error(tls, result)
        guard error == SSL_ERROR_ZERO_RETURN else {
            throw Failure(description: "SSL_read: \(error) after \(text(buffer))")
        }
        return false
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// Reads up to and with the mark.
    func read(through mark: String) throws -> String {
        let pattern = Array(mark.utf8)
        while true {
            if let end = find(pattern) {
                let piece = Array(buffer[..<end])
                buffer.removeFirst(end)
                return text(piece)
            }
            guard try fill() else {
                throw Failure(description: "end of stream after \(text(buffer))")
            }
        }
    }

    private func find(_ pattern: [UInt8]) -> Int? {
        guard buffer.count >= pattern.count else { return nil }
        for start in 0...(buffer.count - pattern.count)
        where buffer[start] == pattern[0]
            && buffer[start..<(start + pattern.count)].elementsEqual(pattern)
        {
            return start + pattern.count
        }
        return nil
    }

    func read(count: Int) throws -> [UInt8] {
        while buffer.count < count {
            guard try fill() else {
                throw Failure(description: "end of stream after \(buffer.count) of \(count) bytes")
            }
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    /// Reads what comes until the other side closes.
    func readToEnd() throws -> [UInt8] {
        while try fill() {}
        defer { buffer = [] }
        return buffer
    }

    /// Reads and drops what comes until the other side closes, and counts it.
    func countToEnd() throws -> Int {
        var total = buffer.count
        buffer = []
        while try fill() {
            total += buffer.count
            buffer = []
        }
        return total
    }

    /// Whether the connection ends, orderly or with a reset, without another byte.
    func isClosedByPeer() -> Bool {
        var byte: UInt8 = 0
        let result = recv(descriptor, &byte, 1, 0)
        return result == 0 || (result < 0 && errno == ECONNRESET)
    }

    /// Reads one response.
    func response(toHead: Bool = false) throws -> TestResponse {
        let head = try read(through: "\r\n\r\n")
        var lines = String(decoding: head.utf8.dropLast(4), as: UTF8.self).lines
        let statusLine = lines.removeFirst()
        let parts = statusLine.split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, let status = Int(parts[1]) else {
            throw Failure(description: "not a status line: \(statusLine)")
        }
        var response = TestResponse(status: status, head: head)
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else {
                throw Failure(description: "not a field line: \(line)")
            }
            response.fields.append(
                (
                    line[..<colon].lowercased(),
                    String(line[line.index(after: colon)...].drop { $0 == " " })
                ))
        }
        if toHead || status == 304 || status == 204 || status < 200 { return response }
        if response["transfer-encoding"] == "chunked" {
            while true {
                let line = try read(through: "\r\n")
                guard
                    let size = Int(
                        String(decoding: line.utf8.dropLast(2), as: UTF8.self), radix: 16)
                else {
                    throw Failure(description: "not a chunk size: \(line)")
                }
                response.body += try read(count: size)
                guard try read(through: "\r\n") == "\r\n" else {
                    throw Failure(description: "a chunk does not end in CR LF")
                }
                if size == 0 { return response }
            }
        }
        if let length = response["content-length"].flatMap({ Int($0) }) {
            response.body = try read(count: length)
        } else {
            response.body = try readToEnd()
        }
        return response
    }

    /// Sends a request and reads the response to it.
    func ask(_ request: String) throws -> TestResponse {
        try send(request)
        return try response(toHead: request.hasPrefix("HEAD "))
    }

    func get(_ path: String, _ fields: String = "") throws -> TestResponse {
        try ask("GET \(path) HTTP/1.1\r\nHost: x\r\n\(fields)\r\n")
    }
}

struct TestResponse {
    var status: Int
    var head: String
    var fields: [(name: String, value: String)] = []
    var body: [UInt8] = []

    init(status: Int, head: String) {
        self.status = status
        self.head = head
    }

    var text: String { String(decoding: body, as: UTF8.self) }

    subscript(name: String) -> String? { fields.first { $0.name == name }?.value }
}

extension String {
    fileprivate var lines: [String] { split(separator: "\r\n").map(String.init) }
}

extension TestClient {
    /// Whether nothing comes for so long.
    func isSilent(forMilliseconds milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 0
    }

    /// Closes with a reset at once.
    func closeWithReset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &linger,
            socklen_t(MemoryLayout.size(ofValue: linger)))
        let null = open("/dev/null", O_RDONLY)
        dup2(null, descriptor)
        close(null)
    }
}
