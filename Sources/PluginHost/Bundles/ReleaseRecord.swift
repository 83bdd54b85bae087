internal import Glibc
internal import HostModel

/// What is written beside an unpacked bundle about how it came there.
struct ReleaseRecord {
    static let fileName = "release.json"

    let bundleDigest: Digest
    let libraryDigest: Digest

    init(bundleDigest: Digest, libraryDigest: Digest) {
        self.bundleDigest = bundleDigest
        self.libraryDigest = libraryDigest
    }

    init(readingFrom release: String) throws(HostError) {
        let path = release + "/" + Self.fileName
        let bytes = try Descriptor(opening: path, flags: O_RDONLY).readAll(bytesMax: 1 << 12)
        let json = try JSON.parse(bytes, source: path)
        guard let bundle = json["bundle_sha256"]?.string.flatMap(Digest.init(hex:)),
            let library = json["library_sha256"]?.string.flatMap(Digest.init(hex:))
        else {
            throw HostError(
                "release_unreadable", what: "a release was not understood", subject: path,
                why: "it does not hold the two digests", fix: "install the bundle again")
        }
        self.init(bundleDigest: bundle, libraryDigest: library)
    }

    func write(to release: String) throws(HostError) {
        let json: JSONValue = [
            "bundle_sha256": .string(bundleDigest.hex),
            "library_sha256": .string(libraryDigest.hex),
        ]
        let file = try Descriptor(
            opening: release + "/" + Self.fileName, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o644)
        try file.write(json.text(.pretty).utf8)
        try file.sync()
    }
}
