import Glibc
import HostModel

/// A secret that a configuration refers to, read where it is kept.
struct Secret {
    /// The longest one.
    static let bytesMax = 65_536

    let text: String
    /// What is careless about the way in which it is kept.
    let warning: String?

    /// - Throws: `secret_missing` when it is not there, or `HostError` of the file; no error holds
    ///   the secret.
    init(_ reference: SecretReference, variables: [String: String]) throws(HostError) {
        switch reference {
        case .environment(let name):
            guard let value = variables[name] else {
                throw HostError(
                    "secret_missing", what: "a secret is missing",
                    why: "the host's environment has no $\(name)",
                    fix: "set it where the host is started")
            }
            text = value
            warning = nil
        case .file(let path): (text, warning) = try Self.read(path)
        }
    }

    private static func read(_ path: String) throws(HostError) -> (String, String?) {
        do throws(HostError) {
            // A device or a pipe must not keep the host waiting.
            let file = try Descriptor(opening: path, flags: O_RDONLY | O_NONBLOCK)
            let status = try file.status()
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw HostError(
                    "secret_unreadable", what: "a secret cannot be read", subject: path,
                    why: "it is not a regular file", fix: "name a file")
            }
            var bytes = try file.readAll(bytesMax: bytesMax)
            if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
            if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw HostError(
                    "secret_unreadable", what: "a secret cannot be read", subject: path,
                    why: "it is not UTF-8", fix: "write it as text")
            }
            let isOpen = status.st_mode & (S_IRWXG | S_IRWXO) != 0
            return (text, isOpen ? "others can read \(path); say: chmod 600 \(path)" : nil)
        } catch {
            var named = error
            named.reasons = error.reasons.map { "\(path): \($0)" }
            throw named
        }
    }
}
