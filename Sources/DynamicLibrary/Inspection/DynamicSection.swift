/// What the loader is told about a library: its name, needs, flags and tables.
struct DynamicSection: Equatable {
    var needed: [String] = []
    var soname: String?
    var rpath: String?
    var runpath: String?
    var flags: UInt64 = 0
    var flags1: UInt64 = 0
    /// The first value of each tag that occurs once.
    var values: [UInt64: UInt64] = [:]
}

extension ELFFile {
    /// Reads the dynamic section and its strings.
    mutating func readDynamicSection() {
        guard isELF, elfClass == ELF.class64, endianness == ELF.littleEndian else { return }
        guard let segment = programHeaders.first(where: { $0.type == ELF.Segment.dynamic }) else {
            if !programHeaders.isEmpty { object(.malformed, "it has no dynamic section") }
            return
        }
        guard segment.fileSize <= Self.tableBytesMax,
            let table = file.bytes(at: segment.offset, count: segment.fileSize)
        else {
            object(.truncated, "the file ends before its dynamic section")
            return
        }
        var names: [(tag: UInt64, offset: UInt64)] = []
        var isTerminated = false
        var at = 0
        while let tag = table.u64(at), let value = table.u64(at + 8) {
            at += 16
            if tag == 0 {
                isTerminated = true
                break
            }
            switch tag {
            case ELF.Tag.needed, ELF.Tag.soname, ELF.Tag.rpath, ELF.Tag.runpath:
                names.append((tag, value))
            default:
                if dynamic.values[tag] == nil { dynamic.values[tag] = value }
            }
        }
        if !isTerminated { object(.malformed, "its dynamic section has no end") }
        dynamic.flags = dynamic.values[ELF.Tag.flags] ?? 0
        dynamic.flags1 = dynamic.values[ELF.Tag.flags1] ?? 0
        dynamicStrings = readStrings()
        guard let strings = dynamicStrings else { return }
        for (tag, offset) in names {
            guard let at = Int(exactly: offset), let text = strings.string(at: at) else {
                object(.malformed, "a name in its dynamic section lies outside its strings")
                continue
            }
            switch tag {
            case ELF.Tag.needed: dynamic.needed.append(text)
            case ELF.Tag.soname: dynamic.soname = text
            case ELF.Tag.rpath: dynamic.rpath = text
            default: dynamic.runpath = text
            }
        }
    }

    private mutating func readStrings() -> ByteView? {
        guard let address = dynamic.values[ELF.Tag.strings],
            let count = dynamic.values[ELF.Tag.stringBytes],
            let strings = bytes(atAddress: address, count: count)
        else {
            object(.malformed, "its dynamic strings lie outside the file")
            return nil
        }
        return strings
    }

    /// Reads the dynamic symbols; the dynamic section must have been read.
    mutating func readDynamicSymbols() {
        guard let strings = dynamicStrings else { return }
        guard let address = dynamic.values[ELF.Tag.symbols] else {
            object(.malformed, "it has no dynamic symbols")
            return
        }
        guard let count = dynamicSymbolCount(), count <= Self.tableBytesMax / ELF.symbolSize,
            let table = bytes(atAddress: address, count: count * ELF.symbolSize)
        else {
            object(.malformed, "its dynamic symbols lie outside the file")
            return
        }
        dynamicSymbols = symbols(in: table, strings: strings)
        if dynamicSymbols.count + 1 < Int(count) {
            object(.malformed, "names of its dynamic symbols lie outside its strings")
        }
    }

    /// The functions and objects of .symtab, which `strip` removes.
    func staticSymbols() -> [ELFSymbol] {
        guard let section = sections.first(where: { $0.type == ELF.Section.symbols }),
            section.size <= Self.tableBytesMax, sections.indices.contains(Int(section.link)),
            sections[Int(section.link)].size <= Self.tableBytesMax,
            let table = file.bytes(at: section.offset, count: section.size),
            let strings = file.bytes(
                at: sections[Int(section.link)].offset, count: sections[Int(section.link)].size)
        else { return [] }
        return symbols(in: table, strings: strings)
    }

    /// Names may share their ends, so together they may be longer than the strings, but not
    /// without bound: a table whose entries all name one long string would fill the memory.
    private func symbols(in table: ByteView, strings: ByteView) -> [ELFSymbol] {
        var found: [ELFSymbol] = []
        var nameBytesLeft = strings.count * 16 + (1 << 20)
        let width = Int(ELF.symbolSize)
        // The first entry is the null symbol.
        for at in stride(from: width, through: max(width, table.count) - width, by: width) {
            guard let name = table.u32(at), let info = table.u8(at + 4),
                let section = table.u16(at + 6), let value = table.u64(at + 8),
                let size = table.u64(at + 16), let text = strings.string(at: Int(name))
            else { continue }
            nameBytesLeft -= text.utf8.count
            guard nameBytesLeft >= 0 else { break }
            found.append(
                ELFSymbol(name: text, value: value, size: size, info: info, section: section))
        }
        return found
    }
}
