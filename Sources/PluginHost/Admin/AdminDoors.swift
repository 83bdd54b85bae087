internal import Glibc
internal import HTTPServer
package import HostModel

/// Further ways to the admin interface beside its socket in the root, and who may use them.
///
/// On a Unix socket the kernel tells who asks; over TCP there is TLS, and a token.
package struct AdminDoors: Sendable {
    /// The users, beside the host's own and root, that Unix sockets are open to.
    package var users: Set<UInt32> = []
    /// What has to be shown over TCP.
    package var token: AdminToken?
    /// The paths of Unix sockets.
    private(set) var sockets: [String] = []
    /// Where TLS is spoken.
    private(set) var addresses: [ListenAddress] = []

    package init() {}

    /// Adds `unix:PATH` or `https://ADDRESS:PORT`.
    ///
    /// - Throws: `address_invalid`.
    package mutating func add(_ text: String) throws(HostError) {
        let isSecure = text.hasPrefix("https://")
        let address: ListenAddress
        do throws(ServerError) {
            address = try ListenAddress(isSecure ? String(text.dropFirst(8)) : text)
        } catch {
            throw HostError(error)
        }
        switch address {
        case .unix(let path) where !isSecure: sockets.append(path)
        case .ip where isSecure: addresses.append(address)
        default:
            throw HostError(
                "address_invalid", what: "the host cannot serve", subject: text,
                why: "the admin interface is offered on Unix sockets, and over TCP with TLS only",
                fix: "write unix:/run/admin.sock or https://127.0.0.1:8444")
        }
    }

    /// Whether a certificate and a token are needed.
    package var isOpenToNetwork: Bool { !addresses.isEmpty }

    /// - Throws: `token_missing` when there is a door to the network and no token.
    func check() throws(HostError) {
        guard let first = addresses.first, token == nil else { return }
        throw HostError(
            "token_missing", what: "the host cannot serve", subject: "https://\(first)",
            why: "the admin interface is offered over TCP only to those who have a token",
            fix: "make one: (umask 077; openssl rand -hex 32 > TOKEN), and name it with"
                + " --admin-token TOKEN")
    }

    /// Opens the doors: the sockets, then the addresses.
    ///
    /// - Throws: `token_missing`, `listen_failed` or `admin_socket_failed`; then none is open.
    func open() throws(HostError) -> [Int32] {
        try check()
        var opened: [Int32] = []
        do throws(HostError) {
            for path in sockets {
                opened.append(
                    try AdminSocket.listen(at: path, mode: users.isEmpty ? 0o600 : 0o666))
            }
            do throws(ServerError) {
                let backlogMax = ServerConfiguration().backlogMax
                for address in addresses {
                    opened.append(try address.open(backlogMax: backlogMax))
                }
            } catch {
                throw HostError(error)
            }
        } catch {
            for descriptor in opened { close(descriptor) }
            throw error
        }
        return opened
    }

    /// Whether the process at the other end of a Unix socket may ask.
    func admits(user: UInt32) -> Bool { user == geteuid() || user == 0 || users.contains(user) }
}
