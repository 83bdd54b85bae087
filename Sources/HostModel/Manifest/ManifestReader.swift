extension Manifest {
    /// What reading a manifest came to: every objection, and the manifest when there is none.
    public struct Reading: Sendable {
        public var manifest: Manifest?
        public var objections: [ManifestObjection]
    }

    /// Reads `manifest.json`.
    ///
    /// - Throws: `HostError` with code `json_invalid` when it is not JSON, or `manifest_invalid`
    ///   with every objection as a reason.
    public init(parsing bytes: some Sequence<UInt8>, source: String = "manifest.json")
        throws(HostError)
    {
        try self.init(json: try JSON.parse(bytes, source: source), source: source)
    }

    /// Takes a manifest that is JSON already.
    ///
    /// - Throws: `HostError` with code `manifest_invalid` and every objection as a reason.
    public init(json: JSONValue, source: String = "manifest.json") throws(HostError) {
        let reading = Self.read(json)
        guard let manifest = reading.manifest else {
            throw HostError(
                "manifest_invalid", what: "the manifest is not valid", subject: source,
                why: reading.objections.map(\.description),
                fix: "correct what is listed and pack the bundle again")
        }
        self = manifest
    }

    /// Judges a manifest that is JSON already and gathers every objection.
    public static func read(_ value: JSONValue) -> Reading {
        var reader = ManifestReader()
        let manifest = reader.manifest(value)
        return Reading(
            manifest: reader.objections.isEmpty ? manifest : nil, objections: reader.objections)
    }
}

/// Walks the tree and gathers objections; a field that is wrong reads as nil and the walk goes on.
struct ManifestReader {
    var objections: [ManifestObjection] = []

    mutating func manifest(_ value: JSONValue) -> Manifest? {
        let keys = [
            "name", "version", "abi", "description", "license", "authors", "homepage", "language",
            "library", "services", "provides", "requires", "routes", "static", "limits",
            "configuration", "canary", "resources", "mode", "onCrash", "instances", "process",
            "container", "proof", "restart",
        ]
        guard let root = object(value, at: "", keys: keys) else { return nil }
        let name = required(root, "name", cure: "add \"name\": \"my-plugin\"")
            .flatMap { shaped($0, at: "/name", PluginName.shape, PluginName.init) }
        let version = required(root, "version", cure: "add \"version\": \"1.0.0\"")
            .flatMap { shaped($0, at: "/version", SemanticVersion.shape, SemanticVersion.init) }
        let abi = required(root, "abi", cure: "add \"abi\": \"1.0\"")
            .flatMap { shaped($0, at: "/abi", "an ABI is a text such as \"1.0\"", ABIVersion.init) }
        let mode = mode(root["mode"])
        let onCrash = onCrash(root["onCrash"])
        let process = process(root, mode: mode)
        let library =
            process == nil
            ? self.library(root["library"], name: name)
            : programLibrary(root["library"], of: process)
        let description = text(root["description"], at: "/description") ?? ""
        let license = text(root["license"], at: "/license")
        let authors = authors(root["authors"])
        let homepage = homepage(root["homepage"])
        let language = text(root["language"], at: "/language")
        let services = services(root["services"])
        let provides = provides(root["provides"])
        let requires = requires(root["requires"], of: name)
        let routes = routes(root["routes"])
        let files = staticFiles(root["static"])
        let limits = limits(root["limits"])
        let configuration = configuration(root["configuration"])
        let canary = canary(root["canary"])
        let instances = instances(of: root) ?? instances(root)
        let restart = restart(root["restart"])
        let resources = resources(root["resources"], at: "/resources")
        let proof = proof(root["proof"])
        guard let name, let version, let abi, let library else { return nil }
        var manifest = Manifest(name: name, version: version, abi: abi, library: library)
        manifest.description = description
        manifest.license = license
        manifest.authors = authors
        manifest.homepage = homepage
        manifest.language = language
        manifest.services = services
        manifest.provides = provides
        manifest.requires = requires
        manifest.routes = routes
        manifest.files = files
        manifest.limits = limits
        manifest.configuration = configuration
        manifest.canary = canary
        manifest.mode = mode
        manifest.onCrash = onCrash
        manifest.instances = instances
        manifest.restart = restart
        manifest.resources = resources
        manifest.process = process
        manifest.proof = proof
        return manifest
    }

    private mutating func homepage(_ value: JSONValue?) -> String? {
        guard let address = text(value, at: "/homepage") else { return nil }
        if !address.hasPrefix("https://") && !address.hasPrefix("http://") {
            refuse(
                "/homepage", "\(Escaping.quoted(address)) is not a web address",
                "write it with https:// in front")
        }
        return address
    }

    private mutating func authors(_ value: JSONValue?) -> [String] {
        var result: [String] = []
        let elements = list(value, at: "/authors", max: ManifestLimit.authorsMax)
        for (index, element) in elements.enumerated() {
            if let author = text(element, at: "/authors/\(index)") { result.append(author) }
        }
        return result
    }

    private mutating func library(_ value: JSONValue?, name: PluginName?) -> Manifest.Library? {
        var file = name.map { "lib\($0).so" }
        var sha256: Digest?
        if let value {
            guard let object = object(value, at: "/library", keys: ["file", "sha256"]) else {
                return nil
            }
            if let given = object["file"] { file = fileName(given, at: "/library/file") }
            if let file, !file.hasSuffix(".so") {
                refuse(
                    "/library/file", "\(Escaping.quoted(file)) does not end in .so",
                    "name the shared library in lib/")
            }
            if let given = object["sha256"] {
                sha256 = shaped(given, at: "/library/sha256", "a SHA-256 is 64 hex digits") {
                    Digest(hex: $0)
                }
            }
        }
        return file.map { Manifest.Library(file: $0, sha256: sha256) }
    }

    private mutating func services(_ value: JSONValue?) -> [String] {
        var result: [String] = []
        let elements = list(value, at: "/services", max: ManifestLimit.servicesMax)
        for (index, element) in elements.enumerated() {
            let path = "/services/\(index)"
            let service = shaped(element, at: path, ServiceID.shape) {
                ServiceID.isValid($0) ? $0 : nil
            }
            guard let service else { continue }
            if result.contains(service) {
                refuse(path, "\(Escaping.quoted(service)) is listed twice", "remove one")
            }
            result.append(service)
        }
        return result
    }

    mutating func refuse(_ path: String, _ what: String, _ cure: String) {
        objections.append(ManifestObjection(path: path, what: what, cure: cure))
    }

    mutating func object(_ value: JSONValue, at path: String, keys: [String]) -> JSONObject? {
        guard let result = object(value, at: path) else { return nil }
        for key in result.keys where !keys.contains(key) {
            // What is only counted needs no cure.
            guard objections.count <= HostError.reasonsMax else {
                refuse(path, "there are fields that do not exist", "")
                continue
            }
            let cure =
                Spelling.nearest(to: key, among: keys).map { "did you mean \"\($0)\"?" }
                ?? "valid here: \(keys.joined(separator: ", "))"
            refuse(path + "/" + Self.pointer(key), "there is no such field", cure)
        }
        return result
    }

    /// Reads an object whose keys are not known beforehand.
    mutating func object(_ value: JSONValue, at path: String) -> JSONObject? {
        if value.object == nil { refuse(path, "this is \(value.kind)", "it must be an object") }
        return value.object
    }

    mutating func required(
        _ parent: JSONObject, _ key: String, under path: String = "", cure: String
    ) -> JSONValue? {
        if parent[key] == nil { refuse(path + "/" + key, "it is missing", cure) }
        return parent[key]
    }

    /// Reads a text and hands it to the reader of its shape.
    mutating func shaped<Value>(
        _ value: JSONValue, at path: String, _ shape: String, _ read: (String) -> Value?
    ) -> Value? {
        guard let text = value.string else {
            refuse(path, "this is \(value.kind)", shape)
            return nil
        }
        guard let result = read(text) else {
            refuse(path, "\(Escaping.quoted(text)) does not have the right shape", shape)
            return nil
        }
        return result
    }

    mutating func text(_ value: JSONValue?, at path: String) -> String? {
        value.flatMap {
            shaped($0, at: path, "a text has at most \(ManifestLimit.textBytesMax) bytes") {
                $0.utf8.count <= ManifestLimit.textBytesMax ? $0 : nil
            }
        }
    }

    mutating func fileName(_ value: JSONValue, at path: String) -> String? {
        shaped(
            value, at: path,
            "a file name has no slash or control character, is not \".\" or \"..\" and has at most"
                + " \(ManifestLimit.fileNameBytesMax) bytes"
        ) {
            !$0.isEmpty && $0 != "." && $0 != ".."
                && $0.utf8.count <= ManifestLimit.fileNameBytesMax
                && $0.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != 0x2F }) ? $0 : nil
        }
    }

    mutating func list(_ value: JSONValue?, at path: String, max: Int) -> [JSONValue] {
        guard let value else { return [] }
        guard let elements = value.array else {
            refuse(path, "this is \(value.kind)", "it must be an array")
            return []
        }
        guard elements.count <= max else {
            refuse(path, "it has \(elements.count) elements", "at most \(max) are allowed")
            return []
        }
        return elements
    }

    mutating func integer(
        _ object: JSONObject, _ key: String, _ range: ClosedRange<Int>, at path: String
    ) -> Int? {
        guard let value = object[key] else { return nil }
        guard let integer = value.integer.flatMap({ Int(exactly: $0) }), range.contains(integer)
        else {
            let found = value.number?.text ?? value.kind
            refuse(
                path + "/" + key, "\(Escaping.printable(String(found.prefix(64)))) is not possible",
                "write a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return integer
    }

    /// Section 3 of RFC 6901: `~` and `/` inside a name are written `~0` and `~1`.
    static func pointer(_ key: String) -> String {
        var result = ""
        for character in key.unicodeScalars {
            switch character {
            case "~": result += "~0"
            case "/": result += "~1"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
