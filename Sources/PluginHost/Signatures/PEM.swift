internal import HTTPWire
internal import HostModel

/// The text of a key file.
///
/// Ed25519 keys have one encoding each, of a fixed length, so that what is not the key itself is
/// a constant.
///
/// - Source: RFC 7468 (the lines), RFC 8410 (what they hold).
struct PEM {
    static let privateKey = PEM(
        label: "PRIVATE KEY",
        prefix: [
            0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ], fix: "name a key without a password made by: host keygen -o KEY")
    static let publicKey = PEM(
        label: "PUBLIC KEY",
        prefix: [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00],
        fix: "name the public half of a key made by: host keygen -o KEY")
    /// More than any key takes.
    static let fileBytesMax = 1 << 14

    let label: String
    let prefix: [UInt8]
    let fix: String

    func text(of key: [UInt8]) -> String {
        "-----BEGIN \(label)-----\n\(Base64.text(of: prefix + key))\n-----END \(label)-----\n"
    }

    /// Reads the 32 bytes of the key; what stands before and after it is skipped.
    ///
    /// - Throws: `key_invalid`.
    func key(in text: String, source: String) throws(HostError) -> [UInt8] {
        let lines = text.split(whereSeparator: \.isNewline).map(String.init)
        guard let begin = lines.firstIndex(of: "-----BEGIN \(label)-----"),
            let end = lines[begin...].firstIndex(of: "-----END \(label)-----"),
            let bytes = Base64.bytes(of: lines[(begin + 1)..<end].joined()),
            bytes.starts(with: prefix), bytes.count == prefix.count + VerifyingKey.byteCount
        else { throw invalid(source) }
        return Array(bytes.dropFirst(prefix.count))
    }

    func invalid(_ source: String) -> HostError {
        HostError(
            "key_invalid", what: "the key was not understood", subject: source,
            why: "it is not an Ed25519 key between lines of BEGIN \(label) and END \(label)",
            fix: fix)
    }
}
