import Glibc

/// Where the loader looks for a needed library.
///
/// - Source: ld.so(8): DT_RPATH unless there is a DT_RUNPATH, LD_LIBRARY_PATH, DT_RUNPATH, the
///   cache, the default directories. Hardware-specific subdirectories are left to the cache.
public struct LibrarySearch: Sendable {
    /// The search of this process on this machine.
    public static var here: LibrarySearch {
        let variable = unsafe getenv("LD_LIBRARY_PATH").map { unsafe String(cString: $0) } ?? ""
        return LibrarySearch(environmentPath: variable, cachePath: "/etc/ld.so.cache")
    }

    private let environmentDirectories: [String]
    private let cache: LoaderCache

    init(environmentPath: String, cachePath: String) {
        environmentDirectories = Self.split(environmentPath)
        cache = LoaderCache.read(cachePath)
    }

    /// The file that the loader would take for a name; nil if it would find none.
    ///
    /// - Parameters:
    ///   - name: What DT_NEEDED says.
    ///   - rpath: DT_RPATH of the needing library.
    ///   - runpath: DT_RUNPATH of the needing library.
    ///   - origin: The directory of the needing library, for `$ORIGIN`.
    public func find(
        _ name: String, rpath: String? = nil, runpath: String? = nil, origin: String
    ) -> String? {
        if name.contains("/") { return exists(name) ? name : nil }
        var directories: [String] = []
        if let rpath, runpath == nil { directories += Self.split(rpath, origin: origin) }
        directories += environmentDirectories
        if let runpath { directories += Self.split(runpath, origin: origin) }
        for directory in directories where exists("\(directory)/\(name)") {
            return "\(directory)/\(name)"
        }
        if let cached = cache.paths[name], exists(cached) { return cached }
        return Self.defaultDirectories.map { "\($0)/\(name)" }.first { exists($0) }
    }

    private func exists(_ path: String) -> Bool { unsafe access(path, R_OK) == 0 }

    private static func split(_ path: String, origin: String = "") -> [String] {
        path.split(separator: ":").map { part in
            var text = String(part)
            for name in ["${ORIGIN}", "$ORIGIN"] where text.hasPrefix(name) {
                text = origin + text.dropFirst(name.count)
            }
            return text
        }
    }

    private static var defaultDirectories: [String] {
        #if arch(arm64)
            let triple = "aarch64-linux-gnu"
        #else
            let triple = "x86_64-linux-gnu"
        #endif
        return ["/lib/\(triple)", "/usr/lib/\(triple)", "/lib64", "/usr/lib64", "/lib", "/usr/lib"]
    }
}
