import Glibc

extension ImageInspection {
    /// Checks that each needed library is there and that each undefined symbol will be found.
    ///
    /// Only files are read: the needed libraries are found as the loader would, breadth first. What
    /// the process already offers globally is asked of the loader; the exports of the needed
    /// libraries are read for the rest.
    mutating func checkNeeds(
        _ elf: borrowing ELFFile, entry: String?, search: LibrarySearch
    ) {
        var companions: [String: Companion] = [:]
        var queue = needed.map { (name: $0, by: Needer(self)) }
        var isComplete = true
        while !queue.isEmpty, companions.count < Self.companionsMax {
            let (name, needer) = queue.removeFirst()
            guard companions[name] == nil else { continue }
            let found = search.find(
                name, rpath: needer.rpath, runpath: needer.runpath, origin: needer.origin)
            guard let path = found, let companion = Companion.read(path) else {
                isComplete = false
                guard !Self.isPresent(name) else { continue }
                let whose = needer.path == self.path ? "it needs" : "\(needer.path) needs"
                refusals.append(
                    Objection(
                        .missingLibrary, "\(whose) \(name), which is not on this machine",
                        cure: "install the package that has \(name), or link it statically"))
                continue
            }
            companions[name] = companion
            libraryFiles.append(path)
            let next = Needer(path: path, rpath: companion.rpath, runpath: companion.runpath)
            queue += companion.needed.map { ($0, next) }
        }
        addIndirectSwiftRuntime(companions.keys.sorted())
        if !elf.versionIndexesAreSound() {
            refusals.append(
                Objection(
                    .malformed, "its symbols have versions that it does not list",
                    cure: "build the library again"))
        }
        checkVersions(elf.neededVersions(), companions)
        if isComplete { checkSymbols(companions) }
        if !bindsToItself { findCollisions(elf, besides: entry) }
    }

    /// Strong definitions only: weak ones, such as C++ templates, are meant to be merged.
    private mutating func findCollisions(_ elf: borrowing ELFFile, besides entry: String?) {
        for symbol in elf.dynamicSymbols where symbol.isDefined && symbol.isGlobal {
            guard symbol.isFunction || symbol.isObject, symbol.name != entry,
                !Self.sharedByDesign.contains(symbol.name)
            else { continue }
            if unsafe dlsym(nil, symbol.name) != nil { collidingSymbols.append(symbol.name) }
        }
    }

    /// What old linkers export from every library.
    private static let sharedByDesign: Set<String> = ["_init", "_fini"]

    /// More libraries than this in one closure are not followed.
    static var companionsMax: Int { 512 }

    private struct Needer {
        var path: String
        var rpath: String?
        var runpath: String?
        var origin: String {
            guard let slash = path.lastIndex(of: "/") else { return "." }
            return slash == path.startIndex ? "/" : String(path[..<slash])
        }

        init(path: String, rpath: String?, runpath: String?) {
            self.path = path
            self.rpath = rpath
            self.runpath = runpath
        }

        init(_ image: ImageInspection) {
            self.init(path: image.path, rpath: image.rpath, runpath: image.runpath)
        }
    }

    /// Whether the process has a library of that name in memory, wherever it came from.
    private static func isPresent(_ name: String) -> Bool {
        guard let handle = unsafe dlopen(name, RTLD_LAZY | RTLD_NOLOAD) else { return false }
        _ = unsafe dlclose(handle)
        return true
    }

    private mutating func addIndirectSwiftRuntime(_ names: [String]) {
        let shared = names.filter(Self.isSwiftRuntime)
        if !shared.isEmpty, swiftRuntime == .none { swiftRuntime = .shared(shared) }
    }

    private mutating func checkSymbols(_ companions: [String: Companion]) {
        var missing = undefinedSymbols.filter { unsafe dlsym(nil, $0) == nil }
        for companion in companions.values where !missing.isEmpty {
            let names = companion.exportedNames()
            missing.removeAll { names.contains($0) }
        }
        guard !missing.isEmpty else { return }
        let shown = missing.prefix(5).joined(separator: ", ")
        let more = missing.count > 5 ? " and \(missing.count - 5) more" : ""
        refusals.append(
            Objection(
                .missingSymbol,
                "it uses what neither this host nor its needed libraries define: \(shown)\(more)",
                cure: "link the library that defines it"))
    }

    private mutating func checkVersions(
        _ needs: [ELFFile.VersionNeed], _ companions: [String: Companion]
    ) {
        // The loader ends the process when it cannot find the library that a version is of.
        let isSound = needs.allSatisfy { need in
            need.library.map { companions[$0] != nil || Self.isPresent($0) } ?? false
        }
        guard isSound || !refusals.isEmpty else {
            refusals.append(
                Objection(
                    .malformed,
                    "its table of needed versions names libraries that it does not need",
                    cure: "build the library again"))
            return
        }
        for need in needs {
            guard let library = need.library, let companion = companions[library],
                !companion.versions.isEmpty, !companion.versions.contains(need.version)
            else { continue }
            refusals.append(
                Objection(
                    .missingVersion,
                    "it needs \(need.version) of \(library); "
                        + "\(companion.path) does not have it",
                    cure: "build it on a system no newer than this one"))
        }
    }
}
