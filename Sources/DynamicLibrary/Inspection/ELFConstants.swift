/// The numbers of the ELF format that this room reads.
///
/// - Source: elf(5); System V ABI, chapters 4 and 5; the GNU extensions from elf.h.
enum ELF {
    static let headerSize: UInt64 = 64
    static let programHeaderSize: UInt64 = 56
    static let sectionHeaderSize: UInt64 = 64
    static let symbolSize: UInt64 = 24
    static let relocationSize: UInt64 = 24

    static let class64: UInt8 = 2
    static let littleEndian: UInt8 = 1
    static let typeShared: UInt16 = 3

    static let machineAMD64: UInt16 = 62
    static let machineAArch64: UInt16 = 183

    /// The machine that this program was built for.
    static var machineHere: UInt16 {
        #if arch(arm64)
            machineAArch64
        #else
            machineAMD64
        #endif
    }

    static func name(ofMachine machine: UInt16) -> String {
        switch machine {
        case 3: "i386"
        case 40: "arm"
        case machineAMD64: "x86_64"
        case machineAArch64: "aarch64"
        case 243: "riscv64"
        default: "machine \(machine)"
        }
    }

    static func name(ofType type: UInt16) -> String {
        switch type {
        case 1: "an object file"
        case 2: "an executable"
        case 3: "a shared library"
        case 4: "a core dump"
        default: "a file of type \(type)"
        }
    }

    enum Segment {
        static let load: UInt32 = 1
        static let dynamic: UInt32 = 2
        static let note: UInt32 = 4
        static let threadStorage: UInt32 = 7
        static let gnuStack: UInt32 = 0x6474_e551
        static let executable: UInt32 = 1
    }

    enum Section {
        static let symbols: UInt32 = 2
        static let strings: UInt32 = 3
        static let noBits: UInt32 = 8
        static let dynamicSymbols: UInt32 = 11
    }

    enum Tag {
        static let needed: UInt64 = 1
        static let jumpRelocationBytes: UInt64 = 2
        static let hash: UInt64 = 4
        static let strings: UInt64 = 5
        static let symbols: UInt64 = 6
        static let relocations: UInt64 = 7
        static let relocationBytes: UInt64 = 8
        static let stringBytes: UInt64 = 10
        static let soname: UInt64 = 14
        static let rpath: UInt64 = 15
        static let symbolic: UInt64 = 16
        static let jumpRelocations: UInt64 = 23
        static let runpath: UInt64 = 29
        static let flags: UInt64 = 30
        static let gnuHash: UInt64 = 0x6fff_fef5
        static let flags1: UInt64 = 0x6fff_fffb
        static let versionNeeds: UInt64 = 0x6fff_fffe
        static let versionNeedCount: UInt64 = 0x6fff_ffff
        static let versionSymbols: UInt64 = 0x6fff_fff0
        static let versionDefinitions: UInt64 = 0x6fff_fffc
        static let versionDefinitionCount: UInt64 = 0x6fff_fffd
    }

    enum Flags {
        static let symbolic: UInt64 = 0x2
        static let staticThreadStorage: UInt64 = 0x10
    }

    enum Flags1 {
        static let noDelete: UInt64 = 0x8
        static let noOpen: UInt64 = 0x40
        static let positionIndependentExecutable: UInt64 = 0x0800_0000
    }
}
