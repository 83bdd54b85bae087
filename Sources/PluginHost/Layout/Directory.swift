internal import Glibc
package import HostModel

/// Acts on directories, by path.
package enum Directory {
    /// Creates a directory unless there is one, with its parents if asked to.
    ///
    /// The mode is the one asked for, whatever the umask; parents get the same.
    package static func create(_ path: String, mode: UInt32, parents: Bool = false)
        throws(HostError)
    {
        if unsafe mkdir(path, mode) == 0 {
            guard unsafe chmod(path, mode) == 0 else {
                let number = errno
                unsafe _ = rmdir(path)
                throw .system("the mode could not be set", subject: path, errno: number)
            }
            return
        }
        let number = errno
        if number == ENOENT, parents, let slash = path.lastIndex(of: "/"), slash != path.startIndex
        {
            try create(String(path[..<slash]), mode: mode, parents: true)
            return try create(path, mode: mode)
        }
        if number == EEXIST, isDirectory(path) { return }
        throw .system(
            "the directory could not be created", subject: path,
            errno: number == EEXIST ? ENOTDIR : number)
    }

    /// Says whether there is a directory, or a link to one.
    package static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The names in a directory, in no order.
    package static func entries(of path: String) throws(HostError) -> [String] {
        try entries(of: Descriptor(directory: path))
    }

    /// The names in an open directory, in no order.
    package static func entries(of directory: borrowing Descriptor) throws(HostError) -> [String] {
        // The stream gets a description of its own: its position is not shared with the caller's.
        let number = unsafe openat(directory.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0, let stream = unsafe fdopendir(number) else {
            let failure = errno
            if number >= 0 { _ = close(number) }
            throw .system(
                "the directory could not be read", subject: directory.path, errno: failure)
        }
        defer { unsafe closedir(stream) }
        var result: [String] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else { break }
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { result.append(name) }
        }
        guard errno == 0 else {
            throw .system("the directory could not be read", subject: directory.path, errno: errno)
        }
        return result
    }

    /// Removes a file or a whole tree; nothing there is no error. Links are removed, not followed.
    package static func remove(_ path: String) throws(HostError) {
        if unsafe unlink(path) == 0 || errno == ENOENT { return }
        guard errno == EISDIR || errno == EPERM else {
            throw .system("the file could not be removed", subject: path, errno: errno)
        }
        let number = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard number >= 0 else {
            throw .system("the directory could not be opened", subject: path, errno: errno)
        }
        try empty(Descriptor(owning: number, path: path))
        guard unsafe rmdir(path) == 0 || errno == ENOENT else {
            throw .system("the directory could not be removed", subject: path, errno: errno)
        }
    }

    /// Removes everything inside a directory, but for what has one of those names.
    package static func empty(
        _ path: String, keeping kept: Set<String> = []
    ) throws(HostError) {
        try empty(Descriptor(directory: path), keeping: kept)
    }

    private static func empty(
        _ directory: borrowing Descriptor, keeping kept: Set<String> = []
    ) throws(HostError) {
        for name in try entries(of: directory) where !kept.contains(name) {
            if unsafe unlinkat(directory.number, name, 0) == 0 || errno == ENOENT { continue }
            guard errno == EISDIR || errno == EPERM else {
                throw .system(
                    "the file could not be removed", subject: directory.path + "/" + name,
                    errno: errno)
            }
            try empty(directory.open(name, flags: O_RDONLY | O_DIRECTORY))
            guard unsafe unlinkat(directory.number, name, AT_REMOVEDIR) == 0 || errno == ENOENT
            else {
                throw .system(
                    "the directory could not be removed", subject: directory.path + "/" + name,
                    errno: errno)
            }
        }
    }

    /// Waits until the entries of a directory are on the disk.
    package static func sync(_ path: String) throws(HostError) {
        try Descriptor(directory: path).sync()
    }
}
