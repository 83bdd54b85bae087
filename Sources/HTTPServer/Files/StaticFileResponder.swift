import CLinux
import Glibc
public import HTTPWire

/// How a directory is served.
public struct StaticFileOptions: Sendable {
    /// The file that answers for a directory; empty for none.
    public var index = "index.html"
    /// The file that answers for everything that is not there, as applications of one page want it;
    /// `nil` for none.
    public var fallback: String?
    /// Whether `name.gz` is sent in place of `name` to clients that take gzip.
    public var servesPrecompressed = true
    /// The value of `Cache-Control`; empty for none.
    public var cacheControl = ""

    /// Makes the default options.
    public init() {}
}

/// Serves the files below one directory, and nothing outside of it.
///
/// The directory is held open; every path is resolved beneath it by the kernel (openat2 with
/// `RESOLVE_BENEATH` and `RESOLVE_NO_MAGICLINKS`), so that neither `..` nor a symbolic link leads
/// out, whatever happens to the tree meanwhile. Links that stay inside are followed. Where the
/// kernel has no openat2 each component is opened without following any link. Names that begin with
/// a dot are not served.
///
/// Entity tags are strong, made of inode, size and modification time; a file that changed within
/// the last two seconds gets a weak one, because it may change again without its time showing it.
public final class StaticFileResponder: Sendable {
    private let directory: Int32
    private let options: StaticFileOptions

    /// Opens the directory.
    ///
    /// - Throws: `ServerError.Code.directoryUnreadable`, or `configurationInvalid` for options that
    ///   name no file.
    public init(
        directory path: String, options: StaticFileOptions = StaticFileOptions()
    ) throws(ServerError) {
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
        guard exchange.head.method == .get || exchange.head.method == .head else {
            return FileAnswer(exchange).refuse(405, allow: true)
        }
        let name = path.count > 0 && path[0] == UInt8(ascii: "/") ? path[1..<path.count] : path
        guard StaticFileResponder.mayBeServed(name) else {
            return FileAnswer(exchange).refuse(404)
        }
        switch open(name) {
        case .file(let file): return serve(file, name, to: exchange)
        case .directory:
            if exchange.path.count > 0, exchange.path[exchange.path.count - 1] != UInt8(ascii: "/")
            {
                return FileAnswer(exchange).redirectToDirectory()
            }
            if !options.index.isEmpty {
                let index = String(decoding: name) + options.index
                if let status = serve(named: index, to: exchange) { return status }
            }
        case .nothing: break
        case .forbidden: return FileAnswer(exchange).refuse(403)
        case .exhausted: return FileAnswer(exchange).refuse(503)
        }
        if let fallback = options.fallback, let status = serve(named: fallback, to: exchange) {
            return status
        }
        return FileAnswer(exchange).refuse(404)
    }

    private func serve(named name: String, to exchange: Exchange) -> UInt16? {
        var name = name
        return name.withUTF8 { bytes in
            let slice = unsafe ByteSlice(UnsafeRawBufferPointer(bytes))
            guard case .file(let file) = open(slice) else { return nil }
            return serve(file, slice, to: exchange)
        }
    }

    /// Sends the file, or its compressed twin if there is one that the client takes.
    private func serve(_ file: OpenFile, _ name: ByteSlice, to exchange: Exchange) -> UInt16 {
        var answer = FileAnswer(exchange)
        answer.contentType = ContentTypes.type(ofName: name)
        answer.cacheControl = options.cacheControl
        guard options.servesPrecompressed, let twin = openTwin(of: name) else {
            return answer.send(file)
        }
        answer.varies = true
        let takesGzip =
            exchange.firstValue(named: "accept-encoding").map(AcceptEncoding.allowsGzip) ?? false
        if takesGzip {
            file.close()
            answer.isCompressed = true
            return answer.send(twin)
        }
        twin.close()
        return answer.send(file)
    }

    private func openTwin(of name: ByteSlice) -> OpenFile? {
        let isCompressedItself =
            name.count > 3 && name[(name.count - 3)..<name.count] == ".gz"
        if isCompressedItself { return nil }
        return unsafe withUnsafeTemporaryAllocation(byteCount: name.count + 3, alignment: 1) {
            room in
            unsafe room.copyMemory(from: name.buffer)
            for (offset, byte) in ".gz".utf8.enumerated() {
                unsafe room[name.count + offset] = byte
            }
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
            return result == -ENOSYS ? openByComponents(name) : result
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
    func openByComponents(_ name: ByteSlice) -> Int32 {
        var parent = directory
        defer { if parent != directory { linux_close(parent) } }
        let components = String(decoding: name).split(separator: "/")
        for (index, component) in components.enumerated() {
            guard component != "..", component != "." else { return -ENOENT }
            let isLast = index == components.count - 1
            let isDirectory = !isLast || name[name.count - 1] == UInt8(ascii: "/")
            let next = unsafe linux_open_component(parent, String(component), isDirectory ? 1 : 0)
            if next < 0 || isLast { return next }
            if parent != directory { linux_close(parent) }
            parent = next
        }
        return unsafe linux_open_component(directory, ".", 1)
    }

    /// Says whether a name can mean a served file: no hidden component, no dot segment, nothing
    /// that ends a C string.
    private static func mayBeServed(_ name: ByteSlice) -> Bool {
        guard name.count < 4_096 else { return false }
        var atStart = true
        for index in 0..<name.count {
            let byte = name[index]
            if byte == 0 || (atStart && byte == UInt8(ascii: ".")) { return false }
            if atStart && byte == UInt8(ascii: "/") { return false }
            atStart = byte == UInt8(ascii: "/")
        }
        return true
    }
}

/// An open regular file and what was true of it when it was opened.
struct OpenFile {
    let descriptor: Int32
    let size: UInt64
    let modifiedSeconds: Int64
    let modifiedNanoseconds: Int64
    let inode: UInt64

    init(descriptor: Int32, facts: linux_file_facts) {
        self.descriptor = descriptor
        size = facts.size
        modifiedSeconds = facts.modified_seconds
        modifiedNanoseconds = facts.modified_nanoseconds
        inode = facts.inode
    }

    func close() { linux_close(descriptor) }
}
