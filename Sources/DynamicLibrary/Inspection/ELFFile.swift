/// A file read as ELF, piece by piece, trusting nothing in it.
///
/// Each reader adds what it finds wrong to `objections` and leaves empty what it could not read, so
/// that one pass reports everything. Only 64-bit little-endian files are read beyond their header:
/// the others are refused anyway.
struct ELFFile: ~Copyable {
    struct ProgramHeader: Equatable {
        var type: UInt32
        var flags: UInt32
        var offset: UInt64
        var address: UInt64
        var fileSize: UInt64
        var memorySize: UInt64
        var alignment: UInt64
    }

    struct SectionHeader: Equatable {
        var name: String
        var type: UInt32
        var offset: UInt64
        var size: UInt64
        var link: UInt32
        var entrySize: UInt64
    }

    /// Tables longer than this are taken for damage.
    static let tableBytesMax: UInt64 = 256 << 20
    /// More program headers than this are taken for damage; a library has about ten.
    static let programHeadersMax: UInt16 = 512
    /// More sections than this are taken for damage; a large C++ object has thousands, a library
    /// some 40.
    static let sectionsMax: UInt64 = 1 << 16

    let file: ReadOnlyFile
    private(set) var isELF = false
    private(set) var elfClass: UInt8 = 0
    private(set) var endianness: UInt8 = 0
    private(set) var type: UInt16 = 0
    private(set) var machine: UInt16 = 0
    private(set) var programHeaders: [ProgramHeader] = []
    private(set) var sections: [SectionHeader] = []
    var dynamic = DynamicSection()
    var dynamicStrings: ByteView?
    var dynamicSymbols: [ELFSymbol] = []
    private(set) var objections: [Objection] = []

    init(_ file: consuming ReadOnlyFile) {
        self.file = file
        guard let header = readHeader() else { return }
        readProgramHeaders(header)
        readSectionHeaders(header)
    }

    mutating func object(_ code: Objection.Code, _ what: String) {
        let cure: String
        switch code {
        case .truncated: cure = "copy the whole file, then move it into place in one step"
        default: cure = "build the library again"
        }
        let objection = Objection(code, what, cure: cure)
        if !objections.contains(objection) { objections.append(objection) }
    }

    /// Reads identification, type and machine; nil when the rest cannot be read as 64-bit
    /// little-endian ELF.
    private mutating func readHeader() -> ByteView? {
        let available = min(file.size, ELF.headerSize)
        guard let start = file.bytes(at: 0, count: available),
            start.slice(0..<4) == [0x7f, 0x45, 0x4c, 0x46]
        else {
            object(.notELF, file.size == 0 ? "the file is empty" : "the file is not ELF")
            return nil
        }
        isELF = true
        guard available == ELF.headerSize, let type = start.u16(16), let machine = start.u16(18)
        else {
            object(.truncated, "the file ends within its header, after \(file.size) bytes")
            return nil
        }
        elfClass = start.u8(4) ?? 0
        endianness = start.u8(5) ?? 0
        guard elfClass == ELF.class64, endianness == ELF.littleEndian else { return nil }
        self.type = type
        self.machine = machine
        return start
    }

    private mutating func readProgramHeaders(_ header: ByteView) {
        guard let offset = header.u64(32), let entry = header.u16(54), let count = header.u16(56)
        else { return }
        guard count > 0, UInt64(entry) == ELF.programHeaderSize, count <= Self.programHeadersMax
        else {
            object(.malformed, "its program headers cannot be read (\(count) of \(entry) bytes)")
            return
        }
        let bytes = UInt64(count) * ELF.programHeaderSize
        guard let table = file.bytes(at: offset, count: bytes) else {
            object(.truncated, "the file ends before its program headers")
            return
        }
        for index in 0..<Int(count) {
            let at = index * Int(ELF.programHeaderSize)
            guard let type = table.u32(at), let flags = table.u32(at + 4),
                let offset = table.u64(at + 8), let address = table.u64(at + 16),
                let fileSize = table.u64(at + 32), let memorySize = table.u64(at + 40),
                let alignment = table.u64(at + 48)
            else { return }
            let segment = ProgramHeader(
                type: type, flags: flags, offset: offset, address: address, fileSize: fileSize,
                memorySize: memorySize, alignment: alignment)
            programHeaders.append(segment)
            check(segment)
        }
        if !programHeaders.contains(where: { $0.type == ELF.Segment.load }) {
            object(.malformed, "it has nothing to load")
        }
    }

    private mutating func check(_ segment: ProgramHeader) {
        let inFile: [UInt32] = [
            ELF.Segment.load, ELF.Segment.dynamic, ELF.Segment.note, ELF.Segment.threadStorage,
        ]
        guard inFile.contains(segment.type) else { return }
        let (end, overflow) = segment.offset.addingReportingOverflow(segment.fileSize)
        if overflow || segment.address.addingReportingOverflow(segment.memorySize).overflow {
            object(.malformed, "a segment has an absurd size")
        } else if end > file.size {
            object(.truncated, "the file has \(file.size) bytes, its segments need more")
        }
        guard segment.type == ELF.Segment.load else { return }
        if segment.memorySize < segment.fileSize {
            object(.malformed, "a segment is larger in the file than in memory")
        }
        if segment.alignment > 1
            && (segment.alignment & (segment.alignment - 1) != 0
                || segment.address % segment.alignment != segment.offset % segment.alignment)
        {
            object(.malformed, "a segment is not aligned as it must be to be mapped")
        }
    }

    /// Section headers are not needed for loading, but they stand at the end: a file whose writing
    /// was broken off lacks them, or has zeros where they belong.
    private mutating func readSectionHeaders(_ header: ByteView) {
        guard let offset = header.u64(40), let entry = header.u16(58), let short = header.u16(60),
            let names = header.u16(62), offset != 0
        else { return }
        guard UInt64(entry) == ELF.sectionHeaderSize,
            let first = file.bytes(at: offset, count: ELF.sectionHeaderSize)
        else {
            object(.truncated, "the file ends before its section headers")
            return
        }
        // With 0xff00 sections or more, the count and the index of the names stand in the first
        // header.
        let count = short == 0 ? first.u64(32) ?? 0 : UInt64(short)
        let nameIndex = names == 0xffff ? Int(first.u32(40) ?? 0) : Int(names)
        guard count > 0, count <= Self.sectionsMax,
            let table = file.bytes(at: offset, count: count * ELF.sectionHeaderSize)
        else {
            object(.truncated, "the file ends before the end of its section headers")
            return
        }
        if count > 1 && table.isBlank {
            object(.truncated, "its section headers have not been written")
            return
        }
        readSections(table, count: Int(count), nameIndex: nameIndex)
    }

    private mutating func readSections(_ table: ByteView, count: Int, nameIndex: Int) {
        var nameOffsets: [Int] = []
        for index in 0..<count {
            let at = index * Int(ELF.sectionHeaderSize)
            guard let name = table.u32(at), let type = table.u32(at + 4),
                let offset = table.u64(at + 24), let size = table.u64(at + 32),
                let link = table.u32(at + 40), let entrySize = table.u64(at + 56)
            else { return }
            nameOffsets.append(Int(name))
            sections.append(
                SectionHeader(
                    name: "", type: type, offset: offset, size: size, link: link,
                    entrySize: entrySize))
            guard index > 0, type != ELF.Section.noBits, type != 0 else { continue }
            let (end, overflow) = offset.addingReportingOverflow(size)
            if overflow || end > file.size {
                object(.truncated, "the file ends within one of its sections")
            }
        }
        guard sections.indices.contains(nameIndex), nameIndex > 0,
            sections[nameIndex].type == ELF.Section.strings,
            sections[nameIndex].size <= Self.tableBytesMax,
            let names = file.bytes(
                at: sections[nameIndex].offset, count: sections[nameIndex].size)
        else { return }
        for index in sections.indices {
            sections[index].name = names.string(at: nameOffsets[index]) ?? ""
        }
    }

    /// Where in the file the byte is that will be at an address.
    func offset(ofAddress address: UInt64) -> UInt64? {
        for segment in programHeaders where segment.type == ELF.Segment.load {
            guard address >= segment.address, address - segment.address < segment.fileSize else {
                continue
            }
            let (offset, overflow) = segment.offset.addingReportingOverflow(
                address - segment.address)
            return overflow ? nil : offset
        }
        return nil
    }

    /// The bytes that will be at an address.
    func bytes(atAddress address: UInt64, count: UInt64) -> ByteView? {
        guard count <= Self.tableBytesMax, let offset = offset(ofAddress: address) else {
            return nil
        }
        return file.bytes(at: offset, count: count)
    }
}
