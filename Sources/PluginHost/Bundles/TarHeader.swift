/// The fields of one 512-byte header block.
///
/// - Source: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format",
///   "Storing Sparse Files" and "Extending the size of numeric fields".
struct TarHeader {
    static let blockBytes = 512

    let name: [UInt8]
    let linkName: [UInt8]
    let size: Int
    let modifiedSeconds: Int64
    let typeFlag: UInt8
    /// Whether more of a GNU sparse map comes in blocks of its own before the data.
    let isSparseMapContinued: Bool

    /// Why a block is no header.
    struct Defect: Error {
        let reason: String
    }

    init(_ block: [UInt8]) throws(Defect) {
        guard let sum = Self.number(block[148..<156]), Self.checksums(of: block).contains(sum)
        else {
            throw Defect(reason: "the check sum of a tar header is wrong")
        }
        guard let size = Self.number(block[124..<136]), size >= 0 else {
            throw Defect(reason: "the size in a tar header is not a number")
        }
        self.size = Int(size)
        modifiedSeconds = Self.number(block[136..<148]) ?? 0
        typeFlag = block[156]
        isSparseMapContinued = typeFlag == UInt8(ascii: "S") && block[482] != 0
        linkName = Self.text(block[157..<257])
        var name = Self.text(block[0..<100])
        // Only POSIX archives have a prefix; GNU ones keep other things there.
        if block[257..<263].elementsEqual("ustar\0".utf8) {
            let prefix = Self.text(block[345..<500])
            if !prefix.isEmpty { name = prefix + [UInt8(ascii: "/")] + name }
        }
        self.name = name
    }

    /// The bytes before the first NUL.
    private static func text(_ field: ArraySlice<UInt8>) -> [UInt8] {
        Array(field.prefix { $0 != 0 })
    }

    /// Old tars summed signed characters, so both sums are good; the check sum itself counts as
    /// spaces.
    private static func checksums(of block: [UInt8]) -> [Int64] {
        var unsigned: Int64 = 0
        var signed: Int64 = 0
        for (index, byte) in block.enumerated() {
            let counted = (148..<156).contains(index) ? UInt8(ascii: " ") : byte
            unsigned += Int64(counted)
            signed += Int64(Int8(bitPattern: counted))
        }
        return [unsigned, signed]
    }

    /// Reads octal digits with spaces before and spaces or NULs after, or a base-256 number; an
    /// empty field is 0.
    static func number(_ field: ArraySlice<UInt8>) -> Int64? {
        guard let first = field.first else { return nil }
        if first & 0x80 != 0 {
            // The two's complement of all bits but the first.
            var value: Int64 = first & 0x40 != 0 ? -1 : 0
            for (index, byte) in field.enumerated() {
                let digit = index == 0 ? Int64(byte & 0x3F) : Int64(byte)
                let bits: Int64 = index == 0 ? 64 : 256
                let (product, overflow) = value.multipliedReportingOverflow(by: bits)
                guard !overflow else { return nil }
                value = product + digit
            }
            return value
        }
        let digits = field.drop { $0 == 0x20 }.prefix { $0 >= 0x30 && $0 <= 0x37 }
        let rest = field[(digits.endIndex)...]
        guard rest.allSatisfy({ $0 == 0x20 || $0 == 0 }), digits.count < 21 else { return nil }
        return digits.reduce(0) { $0 << 3 | Int64($1 - 0x30) }
    }
}
