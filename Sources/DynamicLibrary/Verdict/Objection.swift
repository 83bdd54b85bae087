/// One thing that speaks against loading or unloading an image, with its cure.
public struct Objection: Sendable, Equatable, CustomStringConvertible {
    /// The kinds of objection, stable across releases.
    public enum Code: String, Sendable, CaseIterable {
        // The file may not be loaded.
        case notELF = "not_elf"
        case truncated
        case malformed
        case wrongMachine = "wrong_machine"
        case notALibrary = "not_a_library"
        case missingEntry = "missing_entry"
        case missingLibrary = "missing_library"
        case missingSymbol = "missing_symbol"
        case missingVersion = "missing_version"
        case forbidsLoading = "forbids_loading"

        // The image may be loaded, but not closed, or not in this process.
        case sharedSwiftRuntime = "shared_swift_runtime"
        case staticThreadStorage = "static_tls"
        case executableStack = "executable_stack"
        case noDelete = "nodelete"
        case uniqueSymbols = "unique_symbols"
        case symbolCollision = "symbol_collision"
        case threadLocalDestructors = "thread_local_destructors"

        // The image is still in memory.
        case liveThreads = "live_threads"
        case outstandingDestructors = "outstanding_thread_local_destructors"
        case heldElsewhere = "held_elsewhere"
        case closeFailed = "close_failed"
    }

    /// What kind of objection it is.
    public let code: Code
    /// What was found, a whole sentence without its full stop.
    public let what: String
    /// What makes the objection go away.
    public let cure: String

    init(_ code: Code, _ what: String, cure: String) {
        self.code = code
        self.what = what
        self.cure = cure
    }

    /// What was found and the cure, on one line.
    public var description: String { "\(what); \(cure)" }
}
