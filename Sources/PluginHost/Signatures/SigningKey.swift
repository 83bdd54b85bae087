internal import COpenSSL
internal import Glibc
package import HostModel

/// An Ed25519 key with its private half.
///
/// - Source: RFC 8032.
package struct SigningKey: Sendable {
    private let seed: [UInt8]
    package let publicKey: VerifyingKey

    private init?(seed: [UInt8]) {
        self.seed = seed
        guard let key = unsafe Self.open(seed) else { return nil }
        defer { unsafe EVP_PKEY_free(key) }
        var bytes = [UInt8](repeating: 0, count: VerifyingKey.byteCount)
        var count = bytes.count
        guard unsafe EVP_PKEY_get_raw_public_key(key, &bytes, &count) == 1,
            let publicKey = VerifyingKey(bytes: bytes)
        else { return nil }
        self.publicKey = publicKey
    }

    /// Makes a new key.
    package static func generate() -> SigningKey {
        var random = SystemRandomNumberGenerator()
        let seed = (0..<VerifyingKey.byteCount).map { _ in UInt8.random(in: 0...255, using: &random)
        }
        guard let key = SigningKey(seed: seed) else {
            preconditionFailure("libcrypto has no Ed25519, or there is no memory left")
        }
        return key
    }

    /// Reads a private key file.
    ///
    /// - Shape: PEM (PKCS #8) without a password, as `host keygen` and `openssl genpkey -algorithm
    ///   ed25519` write it.
    /// - Throws: `key_invalid`; `key_exposed` when others than its owner may read it.
    package init(readingFrom path: String) throws(HostError) {
        let file = try Descriptor(opening: path, flags: O_RDONLY | O_NONBLOCK)
        let mode = try file.status().st_mode
        guard mode & 0o077 == 0 || mode & S_IFMT != S_IFREG else {
            throw HostError(
                "key_exposed", what: "the private key is not used", subject: path,
                why: "its mode is 0\(String(mode & 0o777, radix: 8)): others than its owner may"
                    + " have read it", fix: "make a new key, or at least: chmod 600 \(path)")
        }
        let bytes = try file.readAll(bytesMax: PEM.fileBytesMax)
        let seed = try PEM.privateKey.key(in: String(decoding: bytes, as: UTF8.self), source: path)
        guard let key = SigningKey(seed: seed) else { throw PEM.privateKey.invalid(path) }
        self = key
    }

    /// Writes the private key to `path`, for its owner alone, and the public one to `path.pub`.
    ///
    /// - Throws: `key_exists` when there is such a file; `system_call_failed`.
    package func write(to path: String) throws(HostError) {
        let files = [
            (path, PEM.privateKey.text(of: seed), 0o600), (path + ".pub", publicKey.pem, 0o644),
        ]
        for (path, _, _) in files where unsafe access(path, F_OK) == 0 {
            throw HostError(
                "key_exists", what: "no key was made", subject: path, why: "the file exists",
                fix: "choose another name; whoever trusts the old key goes on needing it")
        }
        for (path, text, mode) in files {
            let file = try Descriptor(
                opening: path, flags: O_WRONLY | O_CREAT | O_EXCL, mode: mode_t(mode))
            try file.write(text.utf8)
            try file.sync()
        }
    }

    /// Signs bytes.
    package func signature(of bytes: [UInt8]) -> [UInt8] {
        var signature = [UInt8](repeating: 0, count: VerifyingKey.signatureByteCount)
        var count = signature.count
        guard let key = unsafe Self.open(seed), let context = unsafe EVP_MD_CTX_new() else {
            preconditionFailure("there is no memory left for a key")
        }
        let isSigned =
            unsafe EVP_DigestSignInit(context, nil, nil, nil, key) == 1
            && EVP_DigestSign(context, &signature, &count, bytes, bytes.count) == 1
        unsafe EVP_MD_CTX_free(context)
        unsafe EVP_PKEY_free(key)
        precondition(isSigned && count == signature.count, "libcrypto could not sign")
        return signature
    }

    private static func open(_ seed: [UInt8]) -> OpaquePointer? {
        unsafe EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count)
    }
}
