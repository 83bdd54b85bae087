import DynamicLibrary
import Glibc
package import HostModel

/// What `host inspect` tells of a library or a bundle, before any of its code runs.
package struct FileInspection: Sendable {
    private let path: String
    /// Nil when the plugin is a program.
    private let library: ImageInspection?
    private let bundle: JSONValue?
    private let signature: SignatureNote?
    /// Why it would not be loaded, with the remedy; nil if it would be.
    private let refusal: HostError?

    /// Looks at a `.so`, or at the library inside a `.tar.gz`.
    ///
    /// - Parameter layout: the root whose trusted keys a signature is compared with.
    /// - Throws: `HostError` when the file cannot be read, or the bundle is refused.
    package static func inspect(
        _ path: String, trustedBy layout: RootLayout
    ) throws(HostError) -> FileInspection {
        guard try isArchive(path) else { return try FileInspection(path, library: path, nil, nil) }
        let trust = try TrustStore(layout)
        return try BundleInspector.inspect(archive: path) { bundle throws(HostError) in
            let judgement = try trust.judge(bundle.directory, plugin: bundle.manifest.name)
            if bundle.manifest.process != nil {
                return FileInspection(program: path, bundle.report, judgement.note)
            }
            return try FileInspection(
                path, library: bundle.library, bundle.report, judgement.note)
        }
    }

    private init(
        _ path: String, library: String, _ bundle: JSONValue?, _ signature: SignatureNote?
    ) throws(HostError) {
        self.path = path
        self.bundle = bundle
        self.signature = signature
        let image: ImageInspection
        do throws(LibraryError) {
            image = try PluginImage.inspect(library)
        } catch {
            throw HostError(error)
        }
        self.library = image
        do throws(HostError) {
            try PluginImage.check(image, subject: path)
            refusal = nil
        } catch {
            refusal = error
        }
    }

    private init(program path: String, _ bundle: JSONValue?, _ signature: SignatureNote?) {
        self.path = path
        self.bundle = bundle
        self.signature = signature
        library = nil
        refusal = nil
    }

    /// A gzip member begins with 1F 8B (RFC 1952), an ELF file with 7F 45.
    private static func isArchive(_ path: String) throws(HostError) -> Bool {
        let file = try Descriptor(opening: path, flags: O_RDONLY | O_NONBLOCK)
        var head: UInt16 = 0
        let count = try unsafe withUnsafeMutableBytes(of: &head) { bytes throws(HostError) in
            try unsafe file.read(into: bytes)
        }
        return count == 2 && head == UInt16(littleEndian: 0x8B1F)
    }

    package var isLoadable: Bool { refusal == nil }

    private var verdict: String {
        isLoadable ? library?.verdict.rawValue ?? PluginMode.process.rawValue : "refuse"
    }

    /// For `--json`.
    package var json: JSONValue {
        var object: JSONObject = [
            "path": .string(path), "verdict": .string(verdict),
            "refusals": .array((refusal?.reasons ?? []).map { .string($0) }),
            "reasons": .array((library?.reasons ?? []).map { .string($0.what) }),
            "cures": .array(cures.map { .string($0) }),
            "machine": library?.machine.map { .string($0) } ?? .null,
            "abi": library.flatMap(PluginImage.abiVersion).map { .string($0.description) } ?? .null,
            "needed": .array((library?.needed ?? []).map { .string($0) }),
            "build_id": library?.buildID.map { .string($0) } ?? .null,
        ]
        object["bundle"] = bundle ?? .null
        object["signature"] = signature?.json ?? .null
        return .object(object)
    }

    private var cures: [String] {
        var cures = refusal.map { [$0.remedy] } ?? []
        for reason in library?.reasons ?? [] where !cures.contains(reason.cure) {
            cures.append(reason.cure)
        }
        return cures
    }

    /// For people.
    package var text: String {
        var lines: [String] = []
        if let bundle, let name = bundle["name"]?.string, let version = bundle["version"]?.string {
            lines.append("bundle of \(name) \(version), ABI \(bundle["abi"]?.string ?? "unknown")")
        }
        lines.append("verdict: \(verdict) (\(meaning))")
        for reason in (refusal?.reasons ?? []) + (library?.reasons ?? []).map(\.what) {
            lines.append("  why: \(Escaping.printable(reason))")
        }
        for cure in cures { lines.append("  fix: \(Escaping.printable(cure))") }
        if let signature { lines.append("signature: \(signature)") }
        if let machine = library?.machine { lines.append("machine: \(machine)") }
        if let abi = library.flatMap(PluginImage.abiVersion) { lines.append("ABI: \(abi)") }
        if let needed = library?.needed, !needed.isEmpty {
            lines.append(
                "needs: " + needed.map { Escaping.printable($0) }.joined(separator: ", "))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private var meaning: String {
        guard isLoadable else { return "it cannot be loaded" }
        return switch library?.verdict {
        case nil: "it is a program, which runs in processes of its own"
        case .close: "it can be unloaded"
        case .pin: "it can be loaded, but never unloaded"
        case .isolate: "it belongs into a process of its own"
        }
    }
}
