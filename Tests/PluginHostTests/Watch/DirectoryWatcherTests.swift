import Glibc
import HostModel
import Testing

@testable import PluginHost

@Suite struct DirectoryWatcherTests {
    private struct Change: Equatable {
        var directory: String
        var file: String?
    }

    /// A fresh directory and a watcher whose changes come as a stream.
    private func watched() throws -> (String, DirectoryWatcher, AsyncStream<Change>) {
        var template = Array("/tmp/watch-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let directory = String(
            decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        let (changes, continuation) = AsyncStream.makeStream(of: Change.self)
        let watcher = try DirectoryWatcher { directory, file in
            continuation.yield(Change(directory: directory, file: file))
        }
        try watcher.watch(directory)
        return (directory, watcher, changes)
    }

    private func write(_ path: String, _ text: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        try #require(file >= 0)
        _ = Glibc.write(file, text, text.utf8.count)
        close(file)
    }

    @Test func closedFile_isTold_withItsName() async throws {
        let (directory, watcher, changes) = try watched()
        try write(directory + "/a.so", "x")
        var iterator = changes.makeAsyncIterator()
        #expect(await iterator.next() == Change(directory: directory, file: "a.so"))
        withExtendedLifetime(watcher) {}
    }

    @Test func movedFile_isTold_underItsNewName() async throws {
        let (directory, watcher, changes) = try watched()
        let elsewhere = directory + ".outside"
        try write(elsewhere, "x")
        try #require(rename(elsewhere, directory + "/b.so") == 0)
        var iterator = changes.makeAsyncIterator()
        #expect(await iterator.next() == Change(directory: directory, file: "b.so"))
        withExtendedLifetime(watcher) {}
    }

    @Test func fileThatIsStillOpen_isNotTold() async throws {
        let (directory, watcher, changes) = try watched()
        let file = open(directory + "/half.so", O_WRONLY | O_CREAT, 0o644)
        _ = Glibc.write(file, "x", 1)
        try write(directory + "/whole.so", "x")
        var iterator = changes.makeAsyncIterator()
        #expect(await iterator.next()?.file == "whole.so")
        close(file)
        #expect(await iterator.next()?.file == "half.so")
        withExtendedLifetime(watcher) {}
    }

    @Test func directoryThatGoes_isTold_withoutAName() async throws {
        let (directory, watcher, changes) = try watched()
        try #require(rmdir(directory) == 0)
        var iterator = changes.makeAsyncIterator()
        #expect(await iterator.next() == Change(directory: directory, file: nil))
        withExtendedLifetime(watcher) {}
    }

    @Test func directoryThatIsMissing_isRefused_withItsName() throws {
        let watcher = try DirectoryWatcher { _, _ in }
        let error = #expect(throws: HostError.self) { try watcher.watch("/nowhere/at/all") }
        #expect(error?.code == "watch_failed")
        #expect(error?.subject == "/nowhere/at/all")
    }
}
