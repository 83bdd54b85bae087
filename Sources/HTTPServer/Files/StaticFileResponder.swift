import CLinux
import Glibc
public import HTTPWire

/// Serves the files below one directory, and nothing outside of it.
///
/// The directory is held open; every path is resolved beneath it by the kernel (openat2 with
/// `RESOLVE_BENEATH` and `RESOLVE_NO_MAGICLINKS`), so that neither `..` nor a symbolic link leads
/// out, whatever happens to the tree meanwhile. Links that stay inside are followed. Where the
/// kernel has no openat2 each component is opened without following any link. Names that begin with
/// a dot are not served, but for `/.well-known/` (RFC 8615).
public final class StaticFileResponder: Sendable {
    private let directory: Int32
    private let options: StaticFileOptions
    private let fields: FileFields

    /// Opens the directory.
    ///
    /// - Throws: `ServerError.Code.directoryUnreadable`, or `configurationInvalid` for options that
    ///   name no file.
    public init(
        directory path: String, options: StaticFileOptions = StaticFileOptions()
    ) throws(ServerError) {
        for header in options.headers
        where header.name.isEmpty || header.value.utf8.contains(where: { $0 < 0x20 }) {
            throw ServerError(
                .configurationInvalid, subject: "static files in \(path)",
                reason: "the field \(header.name) cannot be sent",
                remedy: "give it a name, and a value without control characters")
        }
        for name in [options.index, options.fallback ?? ""]
        where name.utf8.contains(0) || name.hasPrefix("/") {
            throw ServerError(
                .configurationInvalid, subject: "static files in \(path)",
                reason: "\(name) is not a name relative to the directory",
                remedy: "name a file such as index.html")
        }
        let result = unsafe linux_open_directory(path)
        guard result >= 0 else {
            throw ServerError(
                .directoryUnreadable, subject: path, reason: ServerError.text(ofErrno: -result),
                remedy: "name an existing directory that this process may search", errno: -result)
        }
        directory = result
        self.options = options
        fields = FileFields(options)
    }

    deinit { linux_close(directory) }

    /// Completes the response with a file, a redirect or an error.
    ///
    /// Works on the reactor's thread and needs two to four system calls before the first byte
    /// leaves.
    ///
    /// - Parameters:
    ///   - path: what is asked for, below the directory: a tail of `exchange.path`, with or without
    ///     leading slash; empty for the directory itself.
    /// - Returns: the status of the response.
    @discardableResult
    public func respond(to exchange: Exchange, path: ByteSlice) -> UInt16 {
        let conditions = FileConditions(exchange)
        let answer = FileAnswer(exchange, conditions)
        guard exchange.head.method == .get || exchange.head.method == .head else {
            return answer.answerMethod()
        }
        let name = path.count > 0 && path[0] == UInt8(ascii: "/") ? path[1..<path.count] : path
        guard StaticFileResponder.mayBeServed(name) else { return answer.refuse(404) }
        switch open(name) {
        case .file(let file): return serve(file, name, answer)
        case .directory:
            if exchange.path.count > 0, exchange.path[exchange.path.count - 1] != UInt8(ascii: "/")
            {
                return answer.redirectToDirectory()
            }
            if !options.index.isEmpty {
                let index = String(decoding: name) + options.index
                if let status = serve(named: index, answer) { return status }
            }
        case .nothing: break
        case .forbidden: return answer.refuse(403)
        case .exhausted: return answer.refuse(503)
        }
        if let fallback = options.fallback, let status = serve(named: fallback, answer) {
            return status
        }
        return answer.refuse(404)
    }

    private func serve(named name: String, _ answer: FileAnswer) -> UInt16? {
        var name = name
        return name.withUTF8 { bytes in
            let slice = unsafe ByteSlice(UnsafeRawBufferPointer(bytes))
            guard case .file(let file) = open(slice) else { return nil }
            return serve(file, slice, answer)
        }
    }

    /// Sends the file, or that one of its compressed twins that the client likes best.
    private func serve(_ file: OpenFile, _ name: ByteSlice, _ answer: FileAnswer) -> UInt16 {
        var answer = answer
        answer.type = FileType.of(name)
        answer.cacheControl = fields.cacheControl(of: name)
        answer.headers = fields.headers
        let codings = answer.conditions.codings
        if options.servesPrecompressed, !answer.type.isCompressed {
            answer.varies = true
            let preferred = codings.preferred
            for coding in preferred {
                guard let twin = openTwin(of: name, coding) else { continue }
                file.close()
                answer.coding = coding
                return answer.send(twin)
            }
        }
        if !codings.takesIdentity {
            file.close()
            return answer.refuse(406)
        }
        return answer.send(file)
    }

    private func openTwin(of name: ByteSlice, _ coding: ContentCoding) -> OpenFile? {
        let ending: StaticString =
            switch coding {
            case .brotli: ".br"
            case .zstandard: ".zst"
            case .gzip: ".gz"
            }
        let count = name.count + ending.utf8CodeUnitCount
        return unsafe withUnsafeTemporaryAllocation(byteCount: count, alignment: 1) { room in
            unsafe room.copyMemory(from: name.buffer)
            unsafe UnsafeMutableRawBufferPointer(rebasing: room[name.count...]).copyMemory(
                from: ByteSlice(ending).buffer)
            let slice = unsafe ByteSlice(UnsafeRawBufferPointer(room))
            guard case .file(let file) = open(slice) else { return nil }
            return file
        }
    }

    private enum Opened {
        case file(OpenFile)
        case directory
        case nothing, forbidden, exhausted
    }

    /// Opens a path beneath the directory.
    private func open(_ name: ByteSlice) -> Opened {
        let descriptor = unsafe withUnsafeTemporaryAllocation(
            byteCount: name.count + 2, alignment: 1
        ) { room -> Int32 in
            guard let start = unsafe room.baseAddress?.assumingMemoryBound(to: CChar.self) else {
                return -ENOENT
            }
            if name.isEmpty {
                unsafe start[0] = 0x2E
                unsafe start[1] = 0
            } else {
                unsafe room.copyMemory(from: name.buffer)
                unsafe start[name.count] = 0
            }
            var result = unsafe linux_open_beneath(directory, start)
            var attempts = 0
            while result == -EAGAIN, attempts < 8 {
                // A rename elsewhere crossed the kernel's walk; nothing is wrong.
                attempts += 1
                result = unsafe linux_open_beneath(directory, start)
            }
            return result == -ENOSYS ? unsafe openByComponents(start, name.count) : result
        }
        guard descriptor >= 0 else {
            switch -descriptor {
            case EACCES, EPERM: return .forbidden
            case EMFILE, ENFILE, ENOMEM: return .exhausted
            default: return .nothing
            }
        }
        var facts = linux_file_facts()
        if unsafe linux_file_facts(descriptor, &facts) == 0 {
            if facts.is_regular != 0 {
                return .file(OpenFile(descriptor: descriptor, facts: facts))
            }
            if facts.is_directory != 0 {
                linux_close(descriptor)
                return .directory
            }
        }
        linux_close(descriptor)
        return .nothing
    }

    /// Opens a path component by component and follows no link at all.
    ///
    /// - Parameters:
    ///   - path: ends with a zero; its slashes are overwritten.
    ///   - count: the length of the name; 0 for the directory itself.
    func openByComponents(_ path: UnsafeMutablePointer<CChar>, _ count: Int) -> Int32 {
        var parent = directory
        defer { if parent != directory { linux_close(parent) } }
        var start = 0
        while start < count {
            var end = start
            while unsafe end < count && path[end] != CChar(bitPattern: UInt8(ascii: "/")) {
                end += 1
            }
            // `..` would lead up; what begins with a dot is not served anyway, but for one name.
            let first = unsafe path[start]
            let second = unsafe path[start + 1]
            let dot = CChar(bitPattern: UInt8(ascii: "."))
            if end == start || (first == dot && (end == start + 1 || second == dot)) {
                return -ENOENT
            }
            let isDirectory = end < count
            unsafe path[end] = 0
            let next = unsafe linux_open_component(parent, path + start, isDirectory ? 1 : 0)
            if next < 0 || end + 1 >= count { return next }
            if parent != directory { linux_close(parent) }
            parent = next
            start = end + 1
        }
        return unsafe linux_open_component(directory, ".", 1)
    }

    /// Says whether a name can mean a served file: no hidden component but a leading
    /// `.well-known`, no dot segment, nothing that ends a C string.
    private static func mayBeServed(_ name: ByteSlice) -> Bool {
        guard name.count < 4_096 else { return false }
        var atStart = true
        let first = name.starts(with: ".well-known/") ? 12 : 0
        for index in first..<name.count {
            let byte = name[index]
            if byte == 0 || (atStart && byte == UInt8(ascii: ".")) { return false }
            if atStart && byte == UInt8(ascii: "/") { return false }
            atStart = byte == UInt8(ascii: "/")
        }
        return true
    }
}
