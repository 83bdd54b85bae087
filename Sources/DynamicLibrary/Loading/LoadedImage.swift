internal import CLedger
import Glibc
import Synchronization

/// A library in memory, with all it holds of the process on the books.
///
/// An image is opened from a private copy, used, and closed; closing may have to be repeated while
/// threads or thread-local objects of the image are still about. It is unloaded when `close` says
/// so, and not before.
///
/// Any thread may call any method. The caller sees to it that no thread is inside the image when it
/// is closed.
public final class LoadedImage: Sendable {
    /// Where an image lies in memory.
    public struct Span: Sendable, Equatable {
        /// The first and the first following address.
        public let range: Range<UInt>
        /// What is added to an address in the file.
        public let base: UInt

        static let none = Span(range: 0..<0, base: 0)
    }

    enum State {
        /// The handle of dlopen, as a number.
        case open(UInt)
        /// Closed, but still mapped.
        case lingering
        case unloaded(UnloadOutcome)
    }

    /// The copy it was loaded from.
    public let copy: PrivateCopy
    /// The image's name in reports and backtraces, such as `hello#3`.
    public let label: String
    /// Its number in the books; never reused.
    public let id: UInt32
    /// Where it lies in memory.
    public let span: Span
    /// What its file tells, used to say why it stays in memory.
    public let inspection: ImageInspection
    let state: Mutex<State>

    /// One load or unload at a time: what a load brings with it is told from what was there before,
    /// and the addresses that an unload frees are off the books before a load can be given them.
    static let loading = Mutex(())

    /// Loads the copy with RTLD_NOW and RTLD_LOCAL; its constructors run on the calling thread.
    ///
    /// - Parameters:
    ///   - copy: What to load; it must not have been loaded before.
    ///   - inspection: What `ImageInspection.inspect` said of the copy; made here if it is not
    ///     given.
    ///   - label: The name in reports; `stem#generation` if it is not given.
    /// - Throws: `notLoadable` with the loader's text; `alreadyLoaded` when the path is in memory
    ///   already.
    public init(
        _ copy: PrivateCopy, inspection: ImageInspection? = nil, label: String? = nil
    ) throws(LibraryError) {
        let inspected: ImageInspection
        if let inspection {
            inspected = inspection
        } else {
            inspected = try ImageInspection.inspect(copy.path)
        }
        let name = label ?? copy.label
        let path = copy.path
        let opened = try Self.loading.withLock { _ throws(LibraryError) in
            try Self.load(path)
        }
        self.copy = copy
        self.label = name
        self.inspection = inspected
        self.id = opened.id
        self.span = opened.span
        self.state = Mutex(.open(opened.handle))
        RetiredSymbols.shared.add(path: path, label: name, id: opened.id, span: opened.span)
    }

    private static func load(
        _ path: String
    ) throws(LibraryError) -> (id: UInt32, span: Span, handle: UInt) {
        if let present = unsafe dlopen(path, RTLD_NOW | RTLD_NOLOAD) {
            _ = unsafe dlclose(present)
            throw LibraryError(
                .alreadyLoaded, "did not load the library", subject: path,
                reasons: ["this path is in memory already, so its old code would run"],
                remedy: "load each generation from a copy of its own")
        }
        let result = unsafe path.withCString { unsafe bind($0) }
        return try result.get()
    }

    private static func bind(
        _ path: UnsafePointer<CChar>
    ) -> Result<(id: UInt32, span: Span, handle: UInt), LibraryError> {
        let load = unsafe ledger_begin_load(path)
        let handle = unsafe dlopen(path, RTLD_NOW | RTLD_LOCAL)
        let text = unsafe handle == nil ? loaderText() : ""
        var found = ledger_span()
        let isBound = unsafe handle != nil && ledger_bind(load.image, path, &found)
        ledger_end_load(load)
        guard let handle = unsafe handle, isBound else {
            if let handle = unsafe handle { _ = unsafe dlclose(handle) }
            ledger_forget(load.image)
            return .failure(
                LibraryError(
                    .notLoadable, "did not load the library", subject: unsafe String(cString: path),
                    reasons: [text.isEmpty ? "it is not where the loader says it is" : text],
                    remedy: "run `host inspect` on the library: it lists what it needs"))
        }
        let span = Span(range: UInt(found.start)..<UInt(found.end), base: UInt(found.base))
        return .success((load.image, span, UInt(bitPattern: handle)))
    }

    /// The address of an exported function or object; nil if there is none, or the image is closed.
    public func symbol(_ name: String) -> UnsafeMutableRawPointer? {
        unsafe state.withLock { state in
            guard case .open(let number) = state else { return nil }
            return unsafe dlsym(UnsafeMutableRawPointer(bitPattern: number), name)
        }
    }

    /// The bytes of its pages that are its own: written to, and not shared with the file.
    public var privateBytes: Int { isUnloaded ? 0 : MemoryMap.privateBytes(in: span.range) }

    /// What the image holds of the process now.
    public var ledger: LedgerSnapshot { LedgerSnapshot(image: id) }

    /// Whether nothing of the image is mapped any more, as `close` last found.
    public var isUnloaded: Bool {
        state.withLock { state in
            if case .unloaded = state { return true }
            return false
        }
    }

    /// Ends the calling thread's relation to the image, as the end of the thread would.
    ///
    /// Runs the destructors of the image's thread-local objects on this thread, and of the values
    /// of its pthread keys. Call it on each long-lived thread that has been inside the image, after
    /// the last call into it and before `close`: an image is not closed while a thread owes it a
    /// destructor. A thread that has ended needs nothing.
    public func settleThread() {
        ledger_settle_thread(id)
    }

    /// The loader's text for its last failure on this thread.
    static func loaderText() -> String {
        guard let text = unsafe dlerror() else { return "the loader gave no reason" }
        return unsafe String(cString: text)
    }
}
