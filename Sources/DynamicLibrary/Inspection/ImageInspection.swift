/// What a library's file tells before any of its code runs.
public struct ImageInspection: Sendable {
    /// How an image gets the Swift runtime.
    public enum SwiftRuntime: Sendable, Equatable {
        /// It is not Swift, or Embedded Swift, which has none.
        case none
        /// It needs these libraries, which other images use too.
        case shared([String])
        /// It carries its own (`-static-stdlib`).
        case embedded
    }

    /// The thread-local storage that each thread gets for the image.
    public struct ThreadStorage: Sendable, Equatable {
        /// - Units: bytes.
        public let size: UInt64
        /// - Units: bytes.
        public let alignment: UInt64
    }

    /// The file that was read.
    public internal(set) var path: String
    /// The length of the file.
    ///
    /// - Units: bytes.
    public internal(set) var fileSize: UInt64
    /// The machine it was built for, such as `x86_64`; nil if the file is not ELF.
    public internal(set) var machine: String?
    /// 32 or 64; 0 if the file is not ELF.
    public internal(set) var bits = 0
    /// Whether numbers in it are little-endian.
    public internal(set) var isLittleEndian = false
    /// What kind of ELF file it is, such as `a shared library`.
    public internal(set) var kind = "a file that is not ELF"
    /// How many segments are mapped, and how much memory they take.
    public internal(set) var loadedSegments = 0
    /// The address space that its segments take.
    ///
    /// - Units: bytes.
    public internal(set) var loadedBytes: UInt64 = 0
    /// The name it gives itself.
    public internal(set) var soname: String?
    /// The libraries it names as needed, in their order.
    public internal(set) var needed: [String] = []
    /// The files of the needed libraries, and of those that they need, as far as they were found.
    public internal(set) var libraryFiles: [String] = []
    /// Where it wants them to be looked for first (DT_RPATH, which DT_RUNPATH overrides).
    public internal(set) var rpath: String?
    /// Where it wants them to be looked for (DT_RUNPATH).
    public internal(set) var runpath: String?
    /// The names that others can bind to.
    public internal(set) var exportedSymbols: [String] = []
    /// The names that must be found elsewhere.
    public internal(set) var undefinedSymbols: [String] = []
    /// The names that may be found elsewhere.
    public internal(set) var weakUndefinedSymbols: [String] = []
    /// The exported names of kind STB_GNU_UNIQUE.
    public internal(set) var uniqueSymbols: [String] = []
    /// The exported functions and objects that this process has already under the same name, so
    /// that the image's own uses of them go to the other definition.
    public internal(set) var collidingSymbols: [String] = []
    /// Whether its own uses of exported names stay with it (`-Bsymbolic`).
    public internal(set) var bindsToItself = false
    /// Whether the file itself forbids its unloading (DF_1_NODELETE).
    public internal(set) var isNoDelete = false
    /// Whether it takes its thread-local storage from the fixed supply of the process
    /// (DF_STATIC_TLS).
    public internal(set) var usesStaticThreadStorage = false
    /// Its thread-local storage, if it has any.
    public internal(set) var threadStorage: ThreadStorage?
    /// Whether it asks for executable stacks (PT_GNU_STACK with the executable flag).
    public internal(set) var requestsExecutableStack = false
    /// Whether it registers destructors of thread-local objects.
    public internal(set) var hasThreadLocalDestructors = false
    /// How it gets the Swift runtime. An embedded one is told from the sections in which Swift
    /// keeps its metadata (`swift5_...`), which `strip` leaves alone.
    public internal(set) var swiftRuntime = SwiftRuntime.none
    /// The linker's identification of this build, in hexadecimal.
    public internal(set) var buildID: String?
    /// All notes.
    public internal(set) var notes: [ELFNote] = []

    /// Why the file may not be loaded at all; empty for a good one.
    public internal(set) var refusals: [Objection] = []
    /// What speaks against unloading it, and what is good to know about it.
    public internal(set) var reasons: [Objection] = []

    /// How the image will part from the process.
    public var verdict: UnloadVerdict {
        reasons.compactMap(\.code.verdict).max() ?? .close
    }

    /// The first note of an owner and type.
    public func note(owner: String, type: UInt32) -> ELFNote? {
        notes.first { $0.owner == owner && $0.type == type }
    }

    /// Reads a library's file and judges it; nothing of it is executed and nothing is loaded.
    ///
    /// A damaged file is no error: the result lists all that is wrong with it in `refusals`.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - entry: A function that it must export.
    ///   - search: Where its needed libraries are looked for; nil to leave them and undefined
    ///     symbols unchecked.
    /// - Throws: `cannotOpen` or `notARegularFile`.
    public static func inspect(
        _ path: String, entry: String? = nil, search: LibrarySearch? = .here
    ) throws(LibraryError) -> ImageInspection {
        var elf = ELFFile(try ReadOnlyFile(path: path))
        elf.readDynamicSection()
        elf.readDynamicSymbols()
        var result = ImageInspection(elf)
        result.refuse(elf, entry: entry)
        if let search, result.refusals.isEmpty {
            result.checkNeeds(elf, entry: entry, search: search)
        }
        result.judge()
        return result
    }

    init(_ elf: borrowing ELFFile) {
        path = elf.file.path
        fileSize = elf.file.size
        guard elf.isELF else { return }
        bits = elf.elfClass == ELF.class64 ? 64 : 32
        isLittleEndian = elf.endianness == ELF.littleEndian
        machine = ELF.name(ofMachine: elf.machine)
        kind = ELF.name(ofType: elf.type)
        for segment in elf.programHeaders {
            switch segment.type {
            case ELF.Segment.load:
                loadedSegments += 1
                loadedBytes &+= segment.memorySize
            case ELF.Segment.threadStorage:
                threadStorage = ThreadStorage(
                    size: segment.memorySize, alignment: segment.alignment)
            case ELF.Segment.gnuStack:
                requestsExecutableStack = segment.flags & ELF.Segment.executable != 0
            default: break
            }
        }
        soname = elf.dynamic.soname
        needed = elf.dynamic.needed
        rpath = elf.dynamic.rpath
        runpath = elf.dynamic.runpath
        bindsToItself =
            elf.dynamic.flags & ELF.Flags.symbolic != 0
            || elf.dynamic.values[ELF.Tag.symbolic] != nil
        isNoDelete = elf.dynamic.flags1 & ELF.Flags1.noDelete != 0
        usesStaticThreadStorage =
            elf.dynamic.flags & ELF.Flags.staticThreadStorage != 0 && threadStorage != nil
        for symbol in elf.dynamicSymbols where !symbol.name.isEmpty {
            if symbol.isExported { exportedSymbols.append(symbol.name) }
            if symbol.isUnique && symbol.isDefined { uniqueSymbols.append(symbol.name) }
            guard !symbol.isDefined else { continue }
            if symbol.isWeak {
                weakUndefinedSymbols.append(symbol.name)
            } else if symbol.isGlobal {
                undefinedSymbols.append(symbol.name)
            }
        }
        let imports = undefinedSymbols + weakUndefinedSymbols
        hasThreadLocalDestructors =
            imports.contains("__cxa_thread_atexit") || imports.contains("__cxa_thread_atexit_impl")
        notes = elf.notes()
        buildID = note(owner: "GNU", type: 3)?.bytes
            .map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let shared = needed.filter(Self.isSwiftRuntime)
        if !shared.isEmpty {
            swiftRuntime = .shared(shared)
        } else if elf.sections.contains(where: { $0.name.hasPrefix("swift5_") }) {
            swiftRuntime = .embedded
        }
    }

    /// Whether a needed library is part of the Swift runtime, or keeps threads as libdispatch does.
    static func isSwiftRuntime(_ name: String) -> Bool {
        let prefixes = [
            "libswift", "libFoundation", "lib_Foundation", "libdispatch.", "libBlocksRuntime.",
        ]
        return prefixes.contains { name.hasPrefix($0) }
    }
}
