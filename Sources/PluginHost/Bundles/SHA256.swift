internal import COpenSSL
package import HostModel

/// A SHA-256 in the making.
///
/// - Source: FIPS 180-4, as OpenSSL computes it.
@safe
package struct SHA256: ~Copyable {
    private let context: OpaquePointer

    package init() {
        guard let context = unsafe EVP_MD_CTX_new(),
            unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1
        else { preconditionFailure("libcrypto has no SHA-256, or there is no memory left") }
        unsafe self.context = context
    }

    deinit { unsafe EVP_MD_CTX_free(context) }

    /// Takes in more bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        let status = unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
        precondition(status == 1, "libcrypto could not hash")
    }

    /// Returns the digest of everything that was taken in.
    package consuming func finish() -> Digest {
        var bytes = [UInt8](repeating: 0, count: Digest.byteCount)
        let status = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            unsafe EVP_DigestFinal_ex(context, buffer.baseAddress, nil)
        }
        guard status == 1, let digest = Digest(bytes: bytes) else {
            preconditionFailure("libcrypto could not finish the hash")
        }
        return digest
    }

    /// The digest of bytes in memory.
    package static func digest(of bytes: [UInt8]) -> Digest {
        var hash = SHA256()
        unsafe bytes.withUnsafeBytes { buffer in unsafe hash.update(buffer) }
        return hash.finish()
    }

    /// The digest of what is left to read of an open file.
    package static func digest(of file: borrowing Descriptor) throws(HostError) -> Digest {
        var hash = SHA256()
        let chunk = ByteBuffer(count: 1 << 18)
        while true {
            let count = try unsafe file.read(into: chunk.bytes)
            if count == 0 { return hash.finish() }
            unsafe hash.update(UnsafeRawBufferPointer(rebasing: chunk.bytes[..<count]))
        }
    }

    /// The digest of a file.
    package static func digest(ofFile path: String) throws(HostError) -> Digest {
        try digest(of: Descriptor(opening: path, flags: 0))
    }
}
