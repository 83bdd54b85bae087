/// How much the heap grows with each unload, on average, once it has settled.
///
/// The first unloads fill caches that have bounds, so they tell nothing: growth is taken from a
/// mark that moves along, over the later half of all unloads at least.
struct HeapGrowth {
    private typealias Mark = (unloads: Int, bytes: Int)

    private var unloads = 0
    private var older: Mark?
    private var newer: Mark?
    /// What was in use after the last unload, in the whole process; nil before the first.
    private(set) var bytes: Int?

    /// Bytes that were not given back, for each unload since the mark; nil before the second.
    var bytesEach: Int? {
        guard let older, let bytes, unloads > older.unloads else { return nil }
        return (bytes - older.bytes) / (unloads - older.unloads)
    }

    /// Takes in what is in use after one more unload.
    mutating func note(_ bytes: Int) {
        unloads += 1
        self.bytes = bytes
        guard let mark = newer else {
            older = (unloads, bytes)
            newer = older
            return
        }
        if unloads >= 2 * mark.unloads {
            older = mark
            newer = (unloads, bytes)
        }
    }
}
