import Glibc
import HostModel

/// The copy of a release's `lib` that a generation's processes run from: whoever changes the
/// original changes nothing for them.
final class ProcessFiles: Sendable {
    /// Where the processes begin; the files are below `lib`.
    let directory: String

    /// Copies the files.
    ///
    /// - Parameters:
    ///   - lib: the release's `lib` directory.
    ///   - run: the plugin's directory for what lasts as long as a process.
    /// - Throws: `HostError` with code `system_call_failed`; nothing is left behind.
    init(of lib: String, in run: String, generation: UInt64) throws(HostError) {
        directory = run + "/process-\(generation)-" + RandomName.make()
        do throws(HostError) {
            try Directory.create(directory, mode: 0o700, parents: true)
            try Self.copy(lib, to: directory + "/lib", depth: 0)
        } catch {
            remove()
            throw error
        }
    }

    /// Takes over the files of an engine that is gone.
    init(leftAt directory: String) { self.directory = directory }

    func remove() { try? Directory.remove(directory) }

    private static let depthMax = 32

    private static func copy(_ from: String, to: String, depth: Int) throws(HostError) {
        try Directory.create(to, mode: 0o755)
        guard depth < depthMax else { return }
        for name in try Directory.entries(of: from) {
            let (source, target) = (from + "/" + name, to + "/" + name)
            var status = stat()
            guard unsafe lstat(source, &status) == 0 else {
                throw .system("the file could not be examined", subject: source, errno: errno)
            }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: try copy(source, to: target, depth: depth + 1)
            case S_IFLNK:
                guard let link = SymbolicLink.target(of: source),
                    unsafe symlink(link, target) == 0
                else {
                    throw .system("the link could not be copied", subject: source, errno: errno)
                }
            case S_IFREG:
                let file = try Descriptor(opening: source, flags: O_RDONLY)
                // A bundle does not say which of its files are programs: the command does.
                let copy = try Descriptor(
                    opening: target, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o755)
                let chunk = ByteBuffer(count: 1 << 16)
                while true {
                    let count = try unsafe file.read(into: chunk.bytes)
                    if count == 0 { break }
                    try unsafe copy.write(UnsafeRawBufferPointer(rebasing: chunk.bytes[..<count]))
                }
            default: break
            }
        }
    }
}
