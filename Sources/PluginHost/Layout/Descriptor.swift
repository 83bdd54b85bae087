internal import CLinux
package import Glibc
package import HostModel

/// An open file or directory that is closed when it goes out of scope.
package struct Descriptor: ~Copyable {
    /// The number the kernel knows it by.
    package let number: Int32
    /// The path it was opened by, for error messages.
    package let path: String

    /// Takes over an open descriptor.
    package init(owning number: Int32, path: String) {
        self.number = number
        self.path = path
    }

    deinit { _ = close(number) }

    /// Opens a path.
    ///
    /// - Throws: `HostError` with code `system_call_failed`.
    package init(opening path: String, flags: Int32, mode: UInt32 = 0) throws(HostError) {
        let number = unsafe Glibc.open(path, flags | O_CLOEXEC, mode)
        guard number >= 0 else {
            throw .system("the file could not be opened", subject: path, errno: errno)
        }
        self.init(owning: number, path: path)
    }

    /// Opens a directory.
    package init(directory path: String) throws(HostError) {
        try self.init(opening: path, flags: O_RDONLY | O_DIRECTORY)
    }

    /// Opens an entry of this directory, never through a symbolic link.
    package func open(_ name: String, flags: Int32, mode: UInt32 = 0) throws(HostError)
        -> Descriptor
    {
        let number = unsafe openat(number, name, flags | O_CLOEXEC | O_NOFOLLOW, mode)
        guard number >= 0 else {
            throw .system("the file could not be opened", subject: path + "/" + name, errno: errno)
        }
        return Descriptor(owning: number, path: path + "/" + name)
    }

    /// Reads into the buffer and returns how many bytes came; 0 at the end.
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(HostError) -> Int {
        while true {
            let count = unsafe Glibc.read(number, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            guard errno == EINTR else {
                throw .system("the file could not be read", subject: path, errno: errno)
            }
        }
    }

    /// Reads everything that follows, at most `bytesMax`.
    ///
    /// - Throws: `HostError` with code `file_too_large` when there is more.
    package func readAll(bytesMax: Int) throws(HostError) -> [UInt8] {
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: min(bytesMax + 1, 1 << 16))
        while true {
            let count = try unsafe Self.fill(&chunk) { buffer throws(HostError) in
                try unsafe read(into: buffer)
            }
            if count == 0 { return result }
            guard result.count + count <= bytesMax else {
                throw HostError(
                    "file_too_large", what: "the file is too large", subject: path,
                    why: "it has more than \(bytesMax) bytes", fix: "make it smaller")
            }
            result.append(contentsOf: chunk[..<count])
        }
    }

    /// Writes all the bytes.
    package func write(_ bytes: some Sequence<UInt8>) throws(HostError) {
        let outcome = unsafe Array(bytes).withUnsafeBytes { buffer -> Result<Void, HostError> in
            do throws(HostError) {
                return .success(try unsafe write(buffer))
            } catch {
                return .failure(error)
            }
        }
        try outcome.get()
    }

    /// Writes all the bytes.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(HostError) {
        var written = 0
        while written < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[written...])
            let count = unsafe Glibc.write(number, rest.baseAddress, rest.count)
            if count >= 0 {
                written += count
            } else if errno != EINTR {
                throw .system("the file could not be written", subject: path, errno: errno)
            }
        }
    }

    /// Waits until what was written is on the disk.
    package func sync() throws(HostError) {
        guard fsync(number) == 0 else {
            throw .system("the file could not be synced", subject: path, errno: errno)
        }
    }

    /// Waits until everything that was written to the file's file system is on the disk.
    ///
    /// - Source: syncfs(2); since Linux 5.8 it also tells of what could not be written.
    package func syncFileSystem() throws(HostError) {
        let result = linux_sync_file_system(number)
        guard result == 0 else {
            throw .system("the file system could not be synced", subject: path, errno: -result)
        }
    }

    /// What the kernel knows about the file.
    package func status() throws(HostError) -> stat {
        var result = stat()
        guard unsafe fstat(number, &result) == 0 else {
            throw .system("the file could not be examined", subject: path, errno: errno)
        }
        return result
    }

    /// Which file it is, by whatever path.
    package struct Identity: Hashable, Sendable {
        let device: UInt
        let inode: UInt
    }

    package func identity() throws(HostError) -> Identity {
        let status = try status()
        return Identity(device: UInt(status.st_dev), inode: UInt(status.st_ino))
    }

    /// Lends the array's storage to a typed-throwing body.
    private static func fill(
        _ array: inout [UInt8],
        _ body: (UnsafeMutableRawBufferPointer) throws(HostError) -> Int
    ) throws(HostError) -> Int {
        let outcome = unsafe array.withUnsafeMutableBytes { buffer -> Result<Int, HostError> in
            do throws(HostError) {
                return .success(try unsafe body(buffer))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }
}
