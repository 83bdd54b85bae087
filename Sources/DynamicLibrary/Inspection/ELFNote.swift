/// A remark that the linker or a compiler left in a file for others to read.
public struct ELFNote: Sendable, Equatable {
    /// Who defines the note's meaning, such as `GNU`.
    public let owner: String
    /// The owner's number for the kind of note.
    public let type: UInt32
    /// The content.
    public let bytes: [UInt8]

    /// The content as one little-endian number; nil unless it has exactly four bytes.
    public var number: UInt32? {
        bytes.count == 4 ? ByteView(bytes).u32(0) : nil
    }
}

extension ELFFile {
    /// Notes longer than this together are taken for damage.
    static var noteBytesMax: UInt64 { 1 << 20 }

    /// All notes in note segments; what follows a damaged one is not read.
    ///
    /// - Source: System V ABI, chapter 5 "Note Section"; entries are padded to the segment's
    ///   alignment, 4 or 8.
    func notes() -> [ELFNote] {
        var found: [ELFNote] = []
        var left = Self.noteBytesMax
        for segment in programHeaders where segment.type == ELF.Segment.note {
            guard segment.fileSize <= left,
                let table = file.bytes(at: segment.offset, count: segment.fileSize)
            else { continue }
            left -= segment.fileSize
            let alignment = segment.alignment == 8 ? 8 : 4
            func padded(_ count: Int) -> Int { (count + alignment - 1) & -alignment }
            var at = 0
            while let nameCount = table.u32(at), let byteCount = table.u32(at + 4),
                let type = table.u32(at + 8)
            {
                let nameEnd = at + 12 + Int(nameCount)
                let start = padded(nameEnd)
                guard let name = table.slice((at + 12)..<nameEnd),
                    let bytes = table.slice(start..<(start + Int(byteCount)))
                else { break }
                let owner = String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
                found.append(ELFNote(owner: owner, type: type, bytes: bytes))
                at = padded(start + Int(byteCount))
            }
        }
        return found
    }
}
