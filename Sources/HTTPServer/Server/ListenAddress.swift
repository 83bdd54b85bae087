import CLinux
import Glibc

/// Where a server listens: an IP address and port, or a Unix socket's path.
public enum ListenAddress: Sendable, Hashable {
    /// An IPv4 or IPv6 address in numbers, and a port; port 0 lets the kernel choose.
    case ip(String, port: UInt16)
    /// The path of a Unix socket, at most 107 bytes.
    case unix(path: String)

    /// Reads `ADDR:PORT`, `[ADDR6]:PORT`, `:PORT` (every IPv4 address) or `unix:PATH`.
    ///
    /// - Throws: `ServerError.Code.addressInvalid`.
    public init(_ text: String) throws(ServerError) {
        if text.hasPrefix("unix:"), text.utf8.count > 5 {
            self = .unix(path: String(text.dropFirst(5)))
            return
        }
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else { throw ListenAddress.invalid(text, "it has no port") }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            throw ListenAddress.invalid(text, "an IPv6 address stands in brackets")
        }
        if host.isEmpty { host = "0.0.0.0" }
        if host == "localhost" { host = "127.0.0.1" }
        self = .ip(host, port: port)
    }

    /// Opens a listening socket.
    ///
    /// - Returns: the descriptor, which the caller owns.
    /// - Throws: `ServerError.Code.addressInvalid` or `listenFailed`.
    public func open(backlogMax: Int) throws(ServerError) -> Int32 {
        let result: Int32
        switch self {
        case .ip(let host, let port):
            var v4 = sockaddr_in()
            var v6 = sockaddr_in6()
            if unsafe inet_pton(AF_INET, host, &v4.sin_addr) == 1 {
                v4.sin_family = sa_family_t(AF_INET)
                v4.sin_port = port.bigEndian
                result = unsafe withUnsafeBytes(of: &v4) { unsafe listen($0, backlogMax) }
            } else if unsafe inet_pton(AF_INET6, host, &v6.sin6_addr) == 1 {
                v6.sin6_family = sa_family_t(AF_INET6)
                v6.sin6_port = port.bigEndian
                result = unsafe withUnsafeBytes(of: &v6) { unsafe listen($0, backlogMax) }
            } else {
                throw ListenAddress.invalid(description, "the host is not a numeric IP address")
            }
        case .unix(let path):
            var address = sockaddr_un()
            let capacity = MemoryLayout.size(ofValue: address.sun_path)
            guard path.utf8.count < capacity, !path.utf8.contains(0) else {
                throw ListenAddress.invalid(description, "the path is longer than 107 bytes")
            }
            address.sun_family = sa_family_t(AF_UNIX)
            unsafe withUnsafeMutableBytes(of: &address.sun_path) {
                unsafe $0.copyBytes(from: path.utf8)
            }
            result = unsafe withUnsafeBytes(of: &address) { unsafe listen($0, backlogMax) }
        }
        guard result >= 0 else {
            throw ServerError(
                .listenFailed, subject: description, reason: ServerError.text(ofErrno: -result),
                remedy: -result == EADDRINUSE
                    ? "stop what listens there, or choose another port"
                    : "choose an address of this machine and a port that you may use",
                errno: -result)
        }
        return result
    }

    /// The address with the port that the kernel chose for the descriptor.
    public func resolved(by descriptor: Int32) -> ListenAddress {
        guard case .ip(let host, port: 0) = self else { return self }
        return .ip(host, port: UInt16(clamping: linux_local_port(descriptor)))
    }

    /// The address that a listening socket is bound to; nil when it has none that could be written.
    public init?(bound descriptor: Int32) {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(descriptor, $0, &length)
            }
        }
        guard result == 0 else { return nil }
        let port = UInt16(clamping: linux_local_port(descriptor))
        switch Int32(address.ss_family) {
        case AF_INET, AF_INET6:
            var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let named = unsafe withUnsafeMutablePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe getnameinfo(
                        $0, length, &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST)
                }
            }
            guard named == 0 else { return nil }
            let text = host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            self = .ip(String(decoding: text, as: UTF8.self), port: port)
        case AF_UNIX:
            let path = unsafe withUnsafeBytes(of: &address) { bytes in
                unsafe bytes.dropFirst(MemoryLayout<sa_family_t>.size).prefix { $0 != 0 }
                    .map { $0 }
            }
            self = .unix(path: String(decoding: path, as: UTF8.self))
        default: return nil
        }
    }

    private func listen(_ address: UnsafeRawBufferPointer, _ backlogMax: Int) -> Int32 {
        guard let base = address.baseAddress else { return -EINVAL }
        return unsafe linux_listen(
            base.assumingMemoryBound(to: sockaddr.self), socklen_t(address.count),
            Int32(clamping: backlogMax))
    }

    private static func invalid(_ text: String, _ reason: String) -> ServerError {
        ServerError(
            .addressInvalid, subject: text, reason: reason,
            remedy: "write 127.0.0.1:8080, [::1]:8080 or unix:/run/host.sock")
    }
}

extension ListenAddress: CustomStringConvertible {
    /// The address as it is written on the command line.
    public var description: String {
        switch self {
        case .ip(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
