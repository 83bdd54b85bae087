/// How an image will part from the process, as far as its file tells.
public enum UnloadVerdict: String, Sendable, Comparable, CaseIterable {
    /// It can be closed, and its memory will be unmapped.
    case close
    /// It can be loaded and used, but the loader will never unmap it.
    case pin
    /// Closing it, or even loading it, would harm this process: it belongs into one of its own.
    case isolate

    private var weight: Int {
        switch self {
        case .close: 0
        case .pin: 1
        case .isolate: 2
        }
    }

    /// Orders the verdicts from the best to the worst.
    public static func < (left: UnloadVerdict, right: UnloadVerdict) -> Bool {
        left.weight < right.weight
    }
}

extension Objection.Code {
    /// The verdict that an objection of this kind leads to; nil for those that forbid loading.
    public var verdict: UnloadVerdict? {
        switch self {
        case .notELF, .truncated, .malformed, .wrongMachine, .notALibrary, .missingEntry,
            .missingLibrary, .missingSymbol, .missingVersion, .forbidsLoading:
            nil
        case .sharedSwiftRuntime, .staticThreadStorage, .executableStack: .isolate
        case .noDelete, .uniqueSymbols, .liveThreads, .outstandingDestructors, .heldElsewhere,
            .closeFailed:
            .pin
        case .threadLocalDestructors, .symbolCollision: .close
        }
    }
}
