import Glibc

/// A response as it came over the wire.
struct RawResponse {
    var status = 0
    var head = ""
    var body: [UInt8] = []
    /// Whether everything came that the head had promised.
    var isWhole = true

    var text: String { String(decoding: body, as: UTF8.self) }

    func header(_ name: String) -> String? {
        for line in head.split(separator: "\r\n").dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == name.lowercased() {
                return parts[1].trimmingPrefix(" ").description
            }
        }
        return nil
    }
}

/// A blocking HTTP client that sends what it is told, byte for byte.
final class RawClient {
    private var descriptor: Int32
    private var buffer: [UInt8] = []

    init(port: UInt16) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(result == 0, "connect failed: \(errno)")
        var limit = timeval(tv_sec: 90, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close() }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// Cuts the connection with a reset.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    /// The port of this end.
    var localPort: UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &length)
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// Sends a request and reads the response.
    func call(
        _ method: String, _ target: String, _ fields: [String] = [], body: String? = nil
    ) -> RawResponse {
        var text = "\(method) \(target) HTTP/1.1\r\nHost: test\r\n"
        for field in fields { text += field + "\r\n" }
        if let body { text += "Content-Length: \(body.utf8.count)\r\n" }
        send(text + "\r\n" + (body ?? ""))
        return read(hasBody: method != "HEAD")
    }

    /// Reads what comes until the other side closes.
    func readToEnd() -> String {
        while more() {}
        defer { buffer = [] }
        return String(decoding: buffer, as: UTF8.self)
    }

    /// Reads one response; an end before its end makes it not whole.
    func read(hasBody: Bool = true) -> RawResponse {
        var response = RawResponse()
        while true {
            while find("\r\n\r\n") == nil {
                if !more() {
                    response.isWhole = false
                    return response
                }
            }
            let end = find("\r\n\r\n") ?? 0
            response.head = String(decoding: buffer[..<end], as: UTF8.self)
            buffer.removeFirst(end + 4)
            response.status = Int(response.head.dropFirst(9).prefix(3)) ?? 0
            if response.status != 100 { break }
        }
        guard hasBody, response.status != 204, response.status != 304 else { return response }
        if let length = response.header("Content-Length").flatMap(Int.init) {
            while buffer.count < length, more() {}
            response.isWhole = buffer.count >= length
            response.body = Array(buffer.prefix(length))
            buffer.removeFirst(min(length, buffer.count))
        } else if response.header("Transfer-Encoding") == "chunked" {
            readChunks(&response)
        } else {
            while more() {}
            response.body = buffer
            buffer = []
        }
        return response
    }

    private func readChunks(_ response: inout RawResponse) {
        while true {
            while find("\r\n") == nil {
                guard more() else {
                    response.isWhole = false
                    return
                }
            }
            let end = find("\r\n") ?? 0
            let size = Int(String(decoding: buffer[..<end], as: UTF8.self), radix: 16) ?? 0
            buffer.removeFirst(end + 2)
            while buffer.count < size + 2 {
                guard more() else {
                    response.isWhole = false
                    return
                }
            }
            response.body += buffer.prefix(size)
            buffer.removeFirst(size + 2)
            if size == 0 { return }
        }
    }

    private func find(_ text: String) -> Int? {
        let pattern = Array(text.utf8)
        guard buffer.count >= pattern.count else { return nil }
        return (0...(buffer.count - pattern.count)).first {
            buffer[$0] == pattern[0] && Array(buffer[$0..<($0 + pattern.count)]) == pattern
        }
    }

    /// Receives once; false at the end of the stream.
    private func more() -> Bool {
        var room = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &room, room.count, 0)
        guard count > 0 else { return false }
        buffer += room.prefix(count)
        return true
    }
}
