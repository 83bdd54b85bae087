internal import Glibc
package import HostModel

/// What a client has to show to use the admin interface over TCP.
///
/// Only its digest is kept, and compared in a time that does not depend on what was shown.
package struct AdminToken: Sendable {
    private let digest: [UInt8]
    static let charactersMin = 32
    private static let fileBytesMax = 4_096

    /// Reads a token from a file that only its owner may read.
    ///
    /// - Shape: 32 or more printable ASCII characters; white space around them does not count.
    /// - Throws: `token_exposed`, `token_invalid` or `system_call_failed`.
    package init(readingFrom path: String) throws(HostError) {
        let file = try Descriptor(opening: path, flags: O_RDONLY | O_NONBLOCK)
        let mode = try file.status().st_mode
        guard mode & S_IFMT != S_IFREG || mode & 0o077 == 0 else {
            throw HostError(
                "token_exposed", what: "the token is not used", subject: path,
                why: "its mode is 0\(String(mode & 0o777, radix: 8)): others than its owner may"
                    + " have read it",
                fix: "make a new one: (umask 077; openssl rand -hex 32 > TOKEN)")
        }
        let bytes = try file.readAll(bytesMax: Self.fileBytesMax)
        let parts = bytes.split { $0 == 0x20 || (0x09...0x0D).contains($0) }
        guard let token = parts.first, parts.count == 1, token.count >= Self.charactersMin,
            token.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw HostError(
                "token_invalid", what: "the token is not used", subject: path,
                why: "it is not one word of \(Self.charactersMin) or more ASCII characters",
                fix: "make one: (umask 077; openssl rand -hex 32 > TOKEN)")
        }
        digest = SHA256.digest(of: Array(token)).bytes
    }

    /// Whether the value of an `Authorization` field shows this token.
    ///
    /// - Source: RFC 6750, section 2.1.
    func isShown(by authorization: String) -> Bool {
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return false }
        let shown = SHA256.digest(of: Array(parts[1].utf8)).bytes
        var difference: UInt8 = 0
        for (one, other) in zip(shown, digest) { difference |= one ^ other }
        return difference == 0
    }
}
