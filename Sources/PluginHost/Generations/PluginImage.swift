import CPluginABI
package import DynamicLibrary
package import HostModel

/// What the host asks of any image before it is a plugin's.
package enum PluginImage {
    /// Looks at a file without loading it.
    package static func inspect(_ path: String) throws(LibraryError) -> ImageInspection {
        try ImageInspection.inspect(path, entry: PH_ENTRY_SYMBOL)
    }

    /// Refuses a file that may not be loaded at all, with every reason there is.
    package static func check(
        _ inspection: ImageInspection, subject: String
    ) throws(HostError) {
        var refusals = inspection.refusals.map(\.what)
        var cures = inspection.refusals.map(\.cure)
        let host = ABIVersion(rawValue: HostVersion.abi)
        if let abi = abiVersion(of: inspection), abi.major != host.major {
            refusals.append("it needs ABI \(abi.major); this host offers \(host.major)")
            cures.append("rebuild it with the SDK shipped with this host")
        }
        guard !refusals.isEmpty else { return }
        var distinct: [String] = []
        for cure in cures where !distinct.contains(cure) { distinct.append(cure) }
        throw HostError(
            "library_refused", what: "the library cannot be loaded", subject: subject,
            why: refusals, fix: distinct.joined(separator: "; "))
    }

    /// The ABI version in the image's note; nil if it has none.
    package static func abiVersion(of inspection: ImageInspection) -> ABIVersion? {
        inspection.note(owner: PH_NOTE_OWNER, type: PH_NOTE_TYPE)?.number
            .map { ABIVersion(rawValue: $0) }
    }

    static func noEntry(_ subject: String) -> HostError {
        HostError(
            "missing_entry", what: "the library is not a plugin", subject: subject,
            why: "it does not export \(PH_ENTRY_SYMBOL)",
            fix: "export that function with C linkage and default visibility")
    }

    static func differs(
        _ digest: Digest, from pinned: Digest, name: PluginName, _ library: String
    ) -> HostError {
        HostError(
            "digest_differs", what: "plugin \"\(name)\" was not loaded", subject: library,
            why: "its SHA-256 is \(digest); the one that was installed had \(pinned)",
            fix: "install it in a bundle: host install FILE.tar.gz, or serve without --pinned")
    }

    static func cannotUnload(
        _ inspection: ImageInspection, name: PluginName, _ subject: String
    ) -> HostError {
        var error = HostError(
            "cannot_unload",
            what: "plugin \"\(name)\" would never leave the process once it is loaded",
            subject: subject, objections: inspection.reasons)
        error.remedy +=
            "; or load it all the same, for as long as the host runs: --mode in-process"
        return error
    }
}
