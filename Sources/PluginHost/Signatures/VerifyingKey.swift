internal import COpenSSL
internal import Glibc
package import HostModel

/// The public half of an Ed25519 key: who signed is told by it.
///
/// - Source: RFC 8032.
package struct VerifyingKey: Hashable, Sendable {
    static let byteCount = 32
    package static let signatureByteCount = 64

    let bytes: [UInt8]

    /// Takes 32 bytes, or returns nil when there are more or fewer.
    init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// Reads a public key file.
    ///
    /// - Shape: PEM, as `host keygen` and `openssl pkey -pubout` write it.
    /// - Throws: `key_invalid`.
    package init(pem text: String, source: String) throws(HostError) {
        bytes = try PEM.publicKey.key(in: text, source: source)
    }

    /// The text of a public key file.
    ///
    /// - Throws: as `init(pem:source:)`, and `system_call_failed`.
    package static func text(of path: String) throws(HostError) -> String {
        let file = try Descriptor(opening: path, flags: O_RDONLY | O_NONBLOCK)
        let text = String(decoding: try file.readAll(bytesMax: PEM.fileBytesMax), as: UTF8.self)
        return try VerifyingKey(pem: text, source: path).pem
    }

    /// The key as a file's text.
    package var pem: String { PEM.publicKey.text(of: bytes) }

    /// What the key is called where its name is not known.
    ///
    /// - Shape: the first 16 bytes of the SHA-256 of its 32 bytes, as 32 hex digits.
    package var id: String { String(SHA256.digest(of: bytes).hex.prefix(32)) }

    /// Whether the signature was made over these bytes with the private half of this key.
    package func verifies(_ signature: [UInt8], of bytes: [UInt8]) -> Bool {
        guard signature.count == Self.signatureByteCount,
            let key = unsafe EVP_PKEY_new_raw_public_key(
                EVP_PKEY_ED25519, nil, self.bytes, self.bytes.count)
        else { return false }
        defer { unsafe EVP_PKEY_free(key) }
        guard let context = unsafe EVP_MD_CTX_new() else { return false }
        defer { unsafe EVP_MD_CTX_free(context) }
        return unsafe EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, bytes, bytes.count) == 1
    }
}
