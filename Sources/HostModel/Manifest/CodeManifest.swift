/// What the code of a plugin says about itself, copied out of the loaded library as it stands
/// there.
public struct CodeManifest: Hashable, Sendable {
    public var name: String
    public var version: String
    /// The contract, as the number that crosses the boundary.
    public var abi: UInt32
    public var description: String
    public var services: [String]
    public var routes: [Route]

    /// One route, as the code registers it.
    public struct Route: Hashable, Sendable {
        public var method: String
        public var pattern: String
        /// Bits of the C header; the manifest file does not have them.
        public var flags: UInt32

        public init(method: String, pattern: String, flags: UInt32 = 0) {
            self.method = method
            self.pattern = pattern
            self.flags = flags
        }
    }

    public init(
        name: String, version: String, abi: UInt32, description: String = "",
        services: [String] = [], routes: [Route] = []
    ) {
        self.name = name
        self.version = version
        self.abi = abi
        self.description = description
        self.services = services
        self.routes = routes
    }
}

/// One field in which the manifest file and the code disagree.
public struct ManifestDifference: Hashable, Sendable, CustomStringConvertible {
    public var field: String
    public var inFile: String
    public var inCode: String

    public var description: String {
        "\(field) is \(inFile) in manifest.json and \(inCode) in the code"
    }
}

extension Manifest {
    /// Lists every field in which the code disagrees with this manifest; none means that they are
    /// the manifest of the same plugin.
    ///
    /// Services and routes are compared as sets, because their order means nothing; routes only
    /// when the manifest lists them.
    public func difference(from code: CodeManifest) -> [ManifestDifference] {
        var result: [ManifestDifference] = []
        func compare(_ field: String, _ inFile: String, _ inCode: String) {
            guard inFile != inCode else { return }
            result.append(
                ManifestDifference(
                    field: field, inFile: Escaping.quoted(inFile), inCode: Escaping.quoted(inCode)))
        }
        func compareSets(_ field: String, _ inFile: [String], _ inCode: [String]) {
            let (file, code) = (Set(inFile), Set(inCode))
            let onlyFile = file.subtracting(code).sorted()
            let onlyCode = code.subtracting(file).sorted()
            guard !onlyFile.isEmpty || !onlyCode.isEmpty else { return }
            func told(_ names: [String]) -> String {
                names.isEmpty
                    ? "nothing more" : names.map { Escaping.quoted($0) }.joined(separator: ", ")
            }
            result.append(
                ManifestDifference(
                    field: field, inFile: told(onlyFile), inCode: told(onlyCode)))
        }
        compare("name", name.text, code.name)
        compare("version", version.description, code.version)
        // The manifest says what the plugin needs; its code may have been built with newer headers.
        let built = ABIVersion(rawValue: code.abi)
        if abi.major != built.major || abi.minor > built.minor {
            compare("abi", abi.description, built.description)
        }
        compare("description", description, code.description)
        // A permission is for the operator, and has nothing to do with what the code calls.
        compareSets(
            "services", services.filter { !Permission.all.contains($0) },
            code.services.filter { !Permission.all.contains($0) })
        if let routes {
            compareSets(
                "routes", routes.map(\.description),
                code.routes.map { "\($0.method) \($0.pattern)" })
        }
        return result
    }

    /// Refuses code that is not the code this manifest describes.
    ///
    /// - Throws: `HostError` with code `manifest_differs` and each difference as a reason.
    public func check(_ code: CodeManifest, subject: String) throws(HostError) {
        let differences = difference(from: code)
        guard differences.isEmpty else {
            throw HostError(
                "manifest_differs", what: "the manifest and the code do not agree",
                subject: subject, why: differences.map(\.description),
                fix: "make manifest.json say what the code says, and pack the bundle again")
        }
    }
}
