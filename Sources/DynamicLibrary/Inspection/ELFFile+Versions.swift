/// - Source: LSB Core, "Symbol Versioning"; elf.h `Elf64_Verneed`, `Elf64_Verdef`.
extension ELFFile {
    /// A version of a library's symbols that must be there.
    struct VersionNeed: Equatable {
        /// Nil when its name lies outside the strings.
        var library: String?
        var version: String
    }

    /// More entries than this are taken for damage.
    private static var versionsMax: Int { 4096 }

    /// Whether each dynamic symbol's version is one that the file lists. The loader looks it up in
    /// a table of its own without asking how long that is.
    func versionIndexesAreSound() -> Bool {
        guard let address = dynamic.values[ELF.Tag.versionSymbols],
            let count = dynamicSymbolCount()
        else { return true }
        guard let table = bytes(atAddress: address, count: UInt64(count) * 2) else { return false }
        var known: Set<UInt16> = [0, 1]
        known.formUnion(definedIndexes())
        known.formUnion(neededIndexes())
        return (0..<Int(count)).allSatisfy { index in
            table.u16(index * 2).map { known.contains($0 & 0x7fff) } ?? false
        }
    }

    private func neededIndexes() -> [UInt16] {
        var found: [UInt16] = []
        visitNeeds { _, entry in found += entry.u16(6).map { [$0 & 0x7fff] } ?? [] }
        return found
    }

    private func definedIndexes() -> [UInt16] {
        var found: [UInt16] = []
        visitDefinitions { definition, _ in
            found += definition.u16(4).map { [$0 & 0x7fff] } ?? []
        }
        return found
    }

    /// The versions that this file needs; the optional ones are left out.
    func neededVersions() -> [VersionNeed] {
        guard let strings = dynamicStrings else { return [] }
        var found: [VersionNeed] = []
        visitNeeds { need, entry in
            guard let flags = entry.u16(4) else { return }
            let library = need.u32(4).flatMap { strings.string(at: Int($0)) }
            let version = entry.u32(8).flatMap { strings.string(at: Int($0)) }
            let isWeak = flags & 2 != 0
            if !isWeak || library == nil || version == nil {
                found.append(
                    VersionNeed(library: version == nil ? nil : library, version: version ?? ""))
            }
        }
        return found
    }

    /// The versions that this file defines; empty if it has no versions.
    func definedVersions() -> Set<String> {
        guard let strings = dynamicStrings else { return [] }
        var found: Set<String> = []
        visitDefinitions { definition, at in
            if let first = definition.u32(12),
                let entry = bytes(atAddress: at &+ UInt64(first), count: 8),
                let name = entry.u32(0), let version = strings.string(at: Int(name))
            {
                found.insert(version)
            }
        }
        return found
    }

    /// Hands over each version that is needed: the library's entry, and the version's.
    private func visitNeeds(_ visit: (_ need: ByteView, _ entry: ByteView) -> Void) {
        guard let start = dynamic.values[ELF.Tag.versionNeeds] else { return }
        var entries = 0
        var at = start
        for _ in 0..<Self.versionsMax {
            guard let need = bytes(atAddress: at, count: 16), let first = need.u32(8),
                let next = need.u32(12)
            else { return }
            var entryAt = at &+ UInt64(first)
            for _ in 0..<Self.versionsMax {
                guard let entry = bytes(atAddress: entryAt, count: 16), let step = entry.u32(12)
                else { break }
                entries += 1
                visit(need, entry)
                if step == 0 || entries > Self.versionsMax { break }
                entryAt = entryAt &+ UInt64(step)
            }
            if next == 0 || entries > Self.versionsMax { return }
            at = at &+ UInt64(next)
        }
    }

    /// Hands over each version that is defined, and where it lies.
    private func visitDefinitions(_ visit: (_ definition: ByteView, _ at: UInt64) -> Void) {
        guard let start = dynamic.values[ELF.Tag.versionDefinitions] else { return }
        var at = start
        for _ in 0..<Self.versionsMax {
            guard let definition = bytes(atAddress: at, count: 20), let next = definition.u32(16)
            else { return }
            visit(definition, at)
            if next == 0 { return }
            at = at &+ UInt64(next)
        }
    }
}
