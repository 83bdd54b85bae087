import Synchronization

/// The names behind addresses in images, also in those that are no longer in memory.
///
/// A backtrace taken a moment before an unload, or a stale pointer after it, still tells which
/// generation it meant. The last 64 unloaded images are kept, and up to 8 MiB of their symbols;
/// past that the oldest lose their names.
public final class RetiredSymbols: Sendable {
    /// The one archive of the process.
    public static let shared = RetiredSymbols()

    /// How many unloaded images are remembered.
    public static let imagesMax = 64
    /// How many bytes the symbols of unloaded images may take, counted as name lengths plus 24
    /// each.
    public static let symbolBytesMax = 8 << 20

    private struct Entry {
        var label: String
        var path: String
        var id: UInt32
        var span: LoadedImage.Span
        var table: SymbolTable?
    }

    private struct Entries {
        var live: [UInt32: Entry] = [:]
        /// Oldest first.
        var retired: [Entry] = []
    }

    private let entries = Mutex(Entries())

    init() {}

    func add(path: String, label: String, id: UInt32, span: LoadedImage.Span) {
        entries.withLock {
            $0.live[id] = Entry(label: label, path: path, id: id, span: span, table: nil)
        }
    }

    /// Moves an image to the unloaded ones. Its file must still exist, since the symbols are read
    /// now.
    func retire(id: UInt32) {
        guard var entry = entries.withLock({ $0.live[id] }) else { return }
        if entry.table == nil { entry.table = SymbolTable(path: entry.path) }
        let finished = entry
        entries.withLock { entries in
            entries.live[id] = nil
            entries.retired.append(finished)
            if entries.retired.count > Self.imagesMax { entries.retired.removeFirst() }
            var bytes = 0
            for index in entries.retired.indices.reversed() {
                bytes += entries.retired[index].table?.bytes ?? 0
                if bytes > Self.symbolBytesMax { entries.retired[index].table = nil }
            }
        }
    }

    /// Names an address in a live or an unloaded image, such as `hello#3 handle+0x12`; nil if it
    /// was in none.
    ///
    /// Of images that lay at the same place at different times, the live one comes first, then the
    /// last unloaded one.
    public func describe(_ address: UInt) -> String? {
        let found = entries.withLock { entries -> Entry? in
            entries.live.values.first { $0.span.range.contains(address) }
                ?? entries.retired.last { $0.span.range.contains(address) }
        }
        guard var entry = found else { return nil }
        if entry.table == nil, isLive(entry.id) {
            entry.table = SymbolTable(path: entry.path)
            let table = entry.table
            entries.withLock { $0.live[entry.id]?.table = table }
        }
        let offset = address - entry.span.base
        guard let symbol = entry.table?.symbol(at: UInt64(offset)) else {
            return "\(entry.label) +0x\(String(offset, radix: 16))"
        }
        let distance = String(UInt64(offset) - symbol.value, radix: 16)
        return "\(entry.label) \(symbol.name)+0x\(distance)"
    }

    private func isLive(_ id: UInt32) -> Bool {
        entries.withLock { $0.live[id] != nil }
    }
}
