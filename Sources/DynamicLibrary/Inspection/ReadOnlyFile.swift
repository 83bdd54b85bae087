import Glibc

/// A regular file opened for reading, with its identity at the time of opening.
struct ReadOnlyFile: ~Copyable {
    /// What tells whether a file is still the one that was opened, unchanged.
    struct Identity: Equatable {
        var device: UInt64
        var inode: UInt64
        var size: Int64
        var modifiedSeconds: Int
        var modifiedNanoseconds: Int
        var changedSeconds: Int
        var changedNanoseconds: Int

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            size = Int64(status.st_size)
            modifiedSeconds = status.st_mtim.tv_sec
            modifiedNanoseconds = status.st_mtim.tv_nsec
            changedSeconds = status.st_ctim.tv_sec
            changedNanoseconds = status.st_ctim.tv_nsec
        }
    }

    let path: String
    let fd: Int32
    let identity: Identity

    /// The length of the file when it was opened, in bytes.
    var size: UInt64 { UInt64(max(0, identity.size)) }

    /// Opens a regular file without waiting: a FIFO or device is refused, not read.
    init(path: String) throws(LibraryError) {
        let fd = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard fd >= 0 else {
            throw .system(
                .cannotOpen, "cannot open the library", path,
                remedy: "check that the file exists and that the host may read it")
        }
        var status = stat()
        guard unsafe fstat(fd, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            Glibc.close(fd)
            throw LibraryError(
                .notARegularFile, "cannot use the library", subject: path,
                reasons: ["it is not a regular file"], remedy: "give the path of the .so itself")
        }
        self.path = path
        self.fd = fd
        self.identity = Identity(status)
    }

    deinit { Glibc.close(fd) }

    /// The identity of the open file now.
    func currentIdentity() -> Identity? {
        var status = stat()
        return unsafe fstat(fd, &status) == 0 ? Identity(status) : nil
    }

    /// Whether another file has the same content; false as well if one of them cannot be read.
    func hasSameBytes(as other: borrowing ReadOnlyFile) -> Bool {
        guard size == other.size else { return false }
        let room = 1 << 18
        var mine = [UInt8](repeating: 0, count: room)
        var others = mine
        var offset = 0
        while offset < Int(size) {
            let count = unsafe pread(fd, &mine, room, off_t(offset))
            // The file does not change in size; whatever comes short is read again by itself.
            guard count > 0, unsafe pread(other.fd, &others, count, off_t(offset)) == count,
                unsafe memcmp(mine, others, count) == 0
            else { return false }
            offset += count
        }
        return true
    }

    /// Reads `count` bytes at `offset`; nil when the file ends before, or cannot be read.
    func bytes(at offset: UInt64, count: UInt64) -> ByteView? {
        let (end, overflow) = offset.addingReportingOverflow(count)
        guard !overflow, end <= size, let length = Int(exactly: count) else { return nil }
        var filled = 0
        let storage = unsafe [UInt8](unsafeUninitializedCapacity: length) { buffer, initialized in
            while filled < length {
                guard let base = buffer.baseAddress else { break }
                let got = unsafe pread(
                    fd, base + filled, length - filled, off_t(offset) + off_t(filled))
                if got < 0 && errno == EINTR { continue }
                guard got > 0 else { break }
                filled += got
            }
            initialized = filled
        }
        return filled == length ? ByteView(storage) : nil
    }
}

extension LibraryError {
    /// An error whose reason is the current `errno`.
    static func system(
        _ code: Code, _ what: String, _ subject: String, remedy: String, number: Int32 = Glibc.errno
    ) -> LibraryError {
        LibraryError(
            code, what, subject: subject, reasons: [text(of: number)], remedy: remedy, errno: number
        )
    }

    /// The system's text for an error number.
    static func text(of number: Int32) -> String {
        guard let text = unsafe strerror(number) else { return "error \(number)" }
        return unsafe String(cString: text)
    }
}
