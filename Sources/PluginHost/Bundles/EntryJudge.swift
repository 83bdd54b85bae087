internal import HostModel

/// Decides what becomes of each entry of an archive, before anything is written.
///
/// It remembers what came before, so that no entry can reach through another one. Objections are
/// gathered; whoever acts on the decisions stops writing at the first.
struct EntryJudge {
    /// What is to be done with an entry; paths are components that are safe to create one by one.
    enum Decision {
        case nothing
        case makeDirectory([String])
        case writeFile([String])
        case makeLink([String], target: String)
        /// `bytes`: how long the file is.
        case linkFile([String], to: [String], bytes: Int)
    }

    private enum Known {
        case file(bytes: Int)
        case link
        /// `isExplicit` when it has an entry of its own.
        case directory(isExplicit: Bool)
    }

    /// What has been seen at one place of the tree.
    private final class Place {
        var known: Known
        var inside: [String: Place] = [:]

        init(_ known: Known) { self.known = known }
    }

    private(set) var objections: [String] = []
    private(set) var entryCount = 0
    private let limits: BundleLimits
    private let root = Place(.directory(isExplicit: true))

    init(limits: BundleLimits) { self.limits = limits }

    mutating func judge(_ entry: TarEntry) throws(TooMany) -> Decision {
        entryCount += 1
        guard entryCount <= limits.entryCountMax else { throw TooMany() }
        do throws(Refusal) {
            return try decide(entry)
        } catch {
            if objections.count < limits.objectionsMax {
                objections.append(
                    "\(Escaping.quoted(entry.path, charactersMax: 128)): \(error.reason)")
            }
            return .nothing
        }
    }

    /// The archive has more entries than are allowed.
    struct TooMany: Error {}

    private struct Refusal: Error {
        let reason: String
    }

    private mutating func decide(_ entry: TarEntry) throws(Refusal) -> Decision {
        // Such a name need not be that of a file: the kind tells more than the place.
        if case .other = entry.kind { throw misplaced(entry.kind) }
        let path = try components(entry.path)
        if path.isEmpty {
            guard entry.kind == .directory else { throw Refusal(reason: "the name is empty") }
            return .nothing
        }
        try checkTopLevel(path, kind: entry.kind)
        switch entry.kind {
        case .directory:
            try place(path, .directory(isExplicit: true))
            return .makeDirectory(path)
        case .file:
            try place(path, .file(bytes: entry.size))
            return .writeFile(path)
        case .symbolicLink:
            let target = try linkTarget(entry.target, from: path)
            try place(path, .link)
            return .makeLink(path, target: target)
        case .hardLink:
            let target = try components(entry.target)
            var found: Place? = root
            for name in target { found = found?.inside[name] }
            guard case .file(let bytes) = found?.known else {
                throw Refusal(reason: "it is a hard link to what is not a file before it")
            }
            try place(path, .file(bytes: bytes))
            return .linkFile(path, to: target, bytes: bytes)
        case .characterDevice, .blockDevice, .fifo, .sparse, .other:
            throw misplaced(entry.kind)
        }
    }

    private func misplaced(_ kind: TarEntry.Kind) -> Refusal {
        Refusal(reason: "it is \(kind.words); a bundle has files and directories only")
    }

    /// Splits a path, without `.` and doubled slashes; everything unsafe is refused.
    private func components(_ path: String) throws(Refusal) -> [String] {
        guard path.utf8.count <= limits.pathBytesMax else {
            throw Refusal(reason: "the name is longer than \(limits.pathBytesMax) bytes")
        }
        guard Escaping.printable(path) == path else {
            throw Refusal(reason: "the name holds control or invisible characters")
        }
        guard !path.hasPrefix("/") else { throw Refusal(reason: "the name is absolute") }
        let parts = path.split(separator: "/").filter { $0 != "." }.map(String.init)
        guard !parts.contains("..") else {
            throw Refusal(reason: "the name leads out of its directory (..)")
        }
        guard parts.allSatisfy({ $0.utf8.count <= limits.nameBytesMax }) else {
            throw Refusal(reason: "a part of the name is longer than \(limits.nameBytesMax) bytes")
        }
        guard parts.count <= limits.depthMax else {
            throw Refusal(reason: "it lies deeper than \(limits.depthMax) directories")
        }
        return parts
    }

    private func checkTopLevel(_ path: [String], kind: TarEntry.Kind) throws(Refusal) {
        let top = path[0]
        if top == "lib" || top == "priv" {
            guard path.count > 1 || kind == .directory else {
                throw Refusal(reason: "it must be a directory")
            }
            return
        }
        let isDocument = ["README", "LICENSE", "NOTICE"].contains { top.hasPrefix($0) }
        let isSignature = [BundleStatement.fileName, BundleStatement.signatureName].contains(top)
        guard top == "manifest.json" || isDocument || isSignature else {
            throw Refusal(
                reason:
                    "a bundle holds manifest.json, lib/, priv/, README*, LICENSE*, NOTICE*, SIGNED"
                    + " and SIGNED.sig only")
        }
        guard path.count == 1, kind == .file else { throw Refusal(reason: "it must be a file") }
    }

    /// Takes a place in the tree; every directory above it must be a real one.
    private func place(_ path: [String], _ thing: Known) throws(Refusal) {
        var above = root
        for (depth, name) in path.dropLast().enumerated() {
            let next = above.inside[name] ?? Place(.directory(isExplicit: false))
            guard case .directory = next.known else {
                throw Refusal(reason: "\(path[...depth].joined(separator: "/")) is no directory")
            }
            above.inside[name] = next
            above = next
        }
        let name = path[path.count - 1]
        guard let former = above.inside[name] else {
            above.inside[name] = Place(thing)
            return
        }
        guard case (.directory(isExplicit: false), .directory) = (former.known, thing) else {
            throw Refusal(reason: "the name appears twice")
        }
        former.known = thing
    }

    /// Checks that a symbolic link stays inside the bundle.
    ///
    /// `..` is allowed in front only: the directory of a link is a real one, so leading `..` go
    /// where they seem to go, and from there on each step is a descent, perhaps through another
    /// link that has passed this check itself.
    private func linkTarget(_ target: String, from path: [String]) throws(Refusal) -> String {
        guard !target.isEmpty, target.utf8.count <= limits.pathBytesMax,
            Escaping.printable(target) == target
        else { throw Refusal(reason: "it is a symbolic link without a proper target") }
        guard !target.hasPrefix("/") else {
            throw Refusal(reason: "it is a symbolic link to an absolute path")
        }
        let parts = target.split(separator: "/").filter { $0 != "." }
        let ups = parts.prefix { $0 == ".." }.count
        guard ups < path.count, !parts.dropFirst(ups).contains("..") else {
            throw Refusal(reason: "it is a symbolic link that leads out of the bundle")
        }
        return target
    }
}
