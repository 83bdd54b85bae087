internal import Glibc
package import HostModel

/// Looks into a bundle without installing it.
package enum BundleInspector {
    /// Unpacks a bundle in a temporary directory, lends it to the body, and removes it.
    ///
    /// What is refused here is exactly what installing would refuse.
    /// - Throws: as `PreparedBundle.prepare`, and what the body throws.
    package static func inspect<Result>(
        archive path: String, limits: BundleLimits = BundleLimits(),
        temporaryDirectory: String = standardTemporaryDirectory,
        _ body: (borrowing PreparedBundle) throws(HostError) -> Result
    ) throws(HostError) -> Result {
        try body(
            try PreparedBundle.prepare(
                archive: path, stagingArea: temporaryDirectory, limits: limits))
    }

    /// `$TMPDIR`, or `/tmp`.
    package static var standardTemporaryDirectory: String {
        guard let value = unsafe getenv("TMPDIR") else { return "/tmp" }
        let path = unsafe String(cString: value)
        return path.hasPrefix("/") ? path : "/tmp"
    }
}

extension PreparedBundle {
    /// What is in the bundle, for printing and for `--json`.
    package var report: JSONValue {
        [
            "name": .string(manifest.name.text), "version": .string(manifest.version.description),
            "abi": .string(manifest.abi.description), "description": .string(manifest.description),
            "digest": .string(bundleDigest.hex),
            "library": [
                "file": .string(manifest.library.file), "sha256": .string(libraryDigest.hex),
            ],
            "services": .array(manifest.services.map { .string($0) }),
            "files": .array(
                files.map { ["path": .string($0.path), "bytes": .number(JSONNumber($0.bytes))] }),
        ]
    }
}
