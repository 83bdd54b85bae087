import Glibc
import HostModel

/// Bundles that are dropped into `<root>/inbox/` install themselves.
///
/// - Shape: `*.tar.gz`, plain files whose names do not begin with a dot. One that is installed is
///   deleted: the plugin keeps its own copy. One that is refused moves to `inbox/failed/`, with
///   the reason beside it in `NAME.txt`. One that is still being written waits.
extension PluginManager {
    /// Installs what lies in the inbox; files that come meanwhile lead to one more look.
    func lookIntoInbox() async {
        pendingInboxLooks += 1
        guard pendingInboxLooks == 1 else { return }
        while pendingInboxLooks > 0, !isStopping {
            pendingInboxLooks = 1
            for path in await bundles(in: layout.inbox) { await receive(path) }
            pendingInboxLooks -= 1
        }
        pendingInboxLooks = 0
    }

    /// The bundles in a directory, by name; none when it cannot be read.
    func bundles(in directory: String) async -> [String] {
        await Blocking.run {
            let names = (try? Directory.entries(of: directory)) ?? []
            return names.filter { !$0.hasPrefix(".") && $0.hasSuffix(".tar.gz") }.sorted()
                .map { directory + "/" + $0 }
        }
    }

    private func receive(_ path: String) async {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let isWhole = await Blocking.run {
            FileMark(ofFile: path) != nil && !FileMark.isBeingWritten(path)
        }
        guard isWhole, !isStopping else { return }
        do throws(HostError) {
            try await installWhenStill(path)
            log.write(.info, "\(name) was installed from the inbox")
            _ = await Blocking.run { unsafe unlink(path) }
        } catch {
            guard FileMark(ofFile: path) != nil else { return }
            log.write(.error, "\(name) in the inbox was refused: \(error)")
            await reject(path, name, error)
        }
    }

    /// A file that changes while it is refused is tried again: whoever writes it may close it more
    /// than once.
    private func installWhenStill(_ path: String) async throws(HostError) {
        while true {
            let mark = FileMark(ofFile: path)
            do throws(HostError) {
                _ = try await install(bundle: path, mode: nil, activates: true)
                return
            } catch {
                await Deadline.pause(for: Self.inboxGrace)
                let isStill = FileMark(ofFile: path) == mark && !FileMark.isBeingWritten(path)
                guard !isStill, !isStopping, FileMark(ofFile: path) != nil else { throw error }
            }
        }
    }

    /// For how long a refused file must have stayed as it was.
    private static var inboxGrace: Duration { .seconds(1) }

    private func reject(_ path: String, _ name: String, _ reason: HostError) async {
        let failed = layout.inbox + "/failed"
        let text = "\(Timestamp.now)\n\(reason)\n"
        do throws(HostError) {
            try await Blocking.run { () throws(HostError) in
                try Directory.create(failed, mode: 0o755)
                let note = try Descriptor(
                    opening: failed + "/" + name + ".txt", flags: O_WRONLY | O_CREAT | O_TRUNC,
                    mode: 0o644)
                try note.write(text.utf8)
                guard unsafe rename(path, failed + "/" + name) == 0 else {
                    throw .system("the bundle could not be moved", subject: path, errno: errno)
                }
            }
        } catch {
            log.write(.error, error.description)
        }
    }
}
