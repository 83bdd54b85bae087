import Synchronization

/// A library that an image would bring along, as far as binding is concerned.
///
/// The same few libraries are asked about at each load, so what was read is kept while their files
/// stay the same: with it, inspecting a library that needs libstdc++ takes a twentieth of the time.
struct Companion {
    var path: String
    var needed: [String]
    var rpath: String?
    var runpath: String?
    var versions: Set<String>

    /// How many libraries are remembered; past that all are forgotten.
    static let rememberedMax = 256

    private typealias Memory = [String: (identity: ReadOnlyFile.Identity, companion: Companion)]
    private static let memory = Mutex<Memory>([:])

    /// What a library's file tells; nil if it cannot be read.
    static func read(_ path: String) -> Companion? {
        guard let file = try? ReadOnlyFile(path: path) else { return nil }
        let identity = file.identity
        if let known = memory.withLock({ $0[path] }), known.identity == identity {
            return known.companion
        }
        var elf = ELFFile(file)
        elf.readDynamicSection()
        let companion = Companion(
            path: path, needed: elf.dynamic.needed, rpath: elf.dynamic.rpath,
            runpath: elf.dynamic.runpath, versions: elf.definedVersions())
        memory.withLock { memory in
            if memory.count >= rememberedMax { memory.removeAll() }
            memory[path] = (identity, companion)
        }
        return companion
    }

    /// The names that others can bind to.
    func exportedNames() -> Set<String> {
        guard let file = try? ReadOnlyFile(path: path) else { return [] }
        var elf = ELFFile(file)
        elf.readDynamicSection()
        elf.readDynamicSymbols()
        return Set(elf.dynamicSymbols.filter(\.isExported).map(\.name))
    }
}
