import Synchronization

/// The loader's cache of libraries: names to paths.
///
/// - Source: glibc's sysdeps/generic/dl-cache.h, format `glibc-ld.so.cache1.1`.
struct LoaderCache {
    private(set) var paths: [String: String] = [:]

    private typealias Memory = (path: String, identity: ReadOnlyFile.Identity, cache: LoaderCache)
    private static let memory = Mutex<Memory?>(nil)

    /// The cache in a file, read again only when the file has changed; empty if there is none.
    static func read(_ path: String) -> LoaderCache {
        guard let file = try? ReadOnlyFile(path: path) else { return LoaderCache() }
        let identity = file.identity
        if let known = memory.withLock({ $0 }), known.path == path, known.identity == identity {
            return known.cache
        }
        let cache = LoaderCache(file)
        memory.withLock { $0 = (path, identity, cache) }
        return cache
    }

    private init() {}

    private init(_ file: borrowing ReadOnlyFile) {
        guard file.size <= 64 << 20,
            let bytes = file.bytes(at: 0, count: file.size),
            bytes.slice(0..<20) == Array("glibc-ld.so.cache1.1".utf8), let count = bytes.u32(20)
        else { return }
        #if arch(arm64)
            let wanted: UInt32 = 0x0a03
        #else
            let wanted: UInt32 = 0x0303
        #endif
        for index in 0..<Int(count) {
            let at = 48 + index * 24
            guard let flags = bytes.u32(at), let key = bytes.u32(at + 4),
                let value = bytes.u32(at + 8)
            else { return }
            guard flags == wanted, let name = bytes.string(at: Int(key)),
                let target = bytes.string(at: Int(value)), paths[name] == nil
            else { continue }
            paths[name] = target
        }
    }
}
