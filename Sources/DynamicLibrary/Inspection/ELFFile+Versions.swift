/// - Source: LSB Core, "Symbol Versioning"; elf.h `Elf64_Verneed`, `Elf64_Verdef`.
extension ELFFile {
    /// A version of a library's symbols that must be there.
    struct VersionNeed: Equatable {
        var library: String
        var version: String
    }

    /// More entries than this are taken for damage.
    private static var versionsMax: Int { 4096 }

    /// The versions that this file needs; the optional ones are left out.
    func neededVersions() -> [VersionNeed] {
        guard let start = dynamic.values[ELF.Tag.versionNeeds], let strings = dynamicStrings
        else {
            return []
        }
        var found: [VersionNeed] = []
        var entries = 0
        var at = start
        for _ in 0..<Self.versionsMax {
            guard let need = bytes(atAddress: at, count: 16), let library = need.u32(4),
                let first = need.u32(8), let next = need.u32(12)
            else { break }
            var entryAt = at &+ UInt64(first)
            for _ in 0..<Self.versionsMax {
                guard let entry = bytes(atAddress: entryAt, count: 16), let flags = entry.u16(4),
                    let name = entry.u32(8), let step = entry.u32(12)
                else { break }
                entries += 1
                let isWeak = flags & 2 != 0
                if !isWeak, let library = strings.string(at: Int(library)),
                    let version = strings.string(at: Int(name))
                {
                    found.append(VersionNeed(library: library, version: version))
                }
                if step == 0 || entries > Self.versionsMax { break }
                entryAt = entryAt &+ UInt64(step)
            }
            if next == 0 || entries > Self.versionsMax { break }
            at = at &+ UInt64(next)
        }
        return found
    }

    /// The versions that this file defines; empty if it has no versions.
    func definedVersions() -> Set<String> {
        guard let start = dynamic.values[ELF.Tag.versionDefinitions],
            let strings = dynamicStrings
        else { return [] }
        var found: Set<String> = []
        var at = start
        for _ in 0..<Self.versionsMax {
            guard let definition = bytes(atAddress: at, count: 20), let first = definition.u32(12),
                let next = definition.u32(16)
            else { break }
            if let entry = bytes(atAddress: at &+ UInt64(first), count: 8), let name = entry.u32(0),
                let version = strings.string(at: Int(name))
            {
                found.insert(version)
            }
            if next == 0 { break }
            at = at &+ UInt64(next)
        }
        return found
    }
}
