import Glibc

extension PrivateCopy {
    /// Copies the libraries that a copied one wants from its own directory (`$ORIGIN` in its run
    /// path).
    ///
    /// They keep their names, since the loader looks them up by name, and come into place by
    /// rename: an image that still runs keeps the file it has mapped. While an older generation has
    /// a library of that name in memory, the loader gives it to the newer one too.
    static func copyCompanions(
        of copy: String, from source: String, into directory: String
    ) throws(LibraryError) {
        let origin = source.lastIndex(of: "/").map { String(source[..<$0]) } ?? "."
        var queue = companionNames(of: copy)
        var seen: Set<String> = []
        while let name = queue.popLast() {
            let path = "\(origin)/\(name)"
            guard seen.insert(name).inserted, unsafe access(path, F_OK) == 0 else { continue }
            try replace("\(directory)/\(name)", with: path)
            queue += companionNames(of: "\(directory)/\(name)")
        }
    }

    /// The needed libraries of a file that looks for them beside itself.
    private static func companionNames(of path: String) -> [String] {
        guard let companion = Companion.read(path) else { return [] }
        let search = companion.runpath ?? companion.rpath ?? ""
        let looksBeside = search.split(separator: ":").contains { part in
            ["$ORIGIN", "${ORIGIN}", "$ORIGIN/", "${ORIGIN}/"].contains(part)
        }
        return looksBeside ? companion.needed.filter { !$0.contains("/") } : []
    }

    private static func replace(_ target: String, with source: String) throws(LibraryError) {
        let file = try ReadOnlyFile(path: source)
        let partial = "\(target).partial"
        _ = unsafe unlink(partial)
        let fd = unsafe Glibc.open(partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard fd >= 0 else {
            throw .system(
                .cannotCopy, "cannot create the private copy", partial,
                remedy: "check that the host may write there")
        }
        let failure = fill(fd, from: file)
        Glibc.close(fd)
        if let failure {
            _ = unsafe unlink(partial)
            throw failure
        }
        guard unsafe rename(partial, target) == 0 else {
            let number = errno
            _ = unsafe unlink(partial)
            throw .system(
                .cannotCopy, "cannot put the private copy into place", target,
                remedy: "remove what stands there", number: number)
        }
    }
}
