import Foundation
import Glibc
import Testing

@testable import DynamicLibrary

@Suite struct PrivateCopyTests {
    @Test func copy_hasTheSameBytes_aNameOfItsOwnAndNoOtherReaders() throws {
        let source = try Fixtures.build("plain.c")
        let copy = try Fixtures.copy(of: source, stem: "hello")
        #expect(copy.path.hasSuffix("/hello.\(copy.generation).so"))
        #expect(
            FileManager.default.contents(atPath: copy.path)
                == FileManager.default.contents(atPath: source))
        var status = stat()
        #expect(stat(copy.path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        copy.remove()
        #expect(access(copy.path, F_OK) != 0)
    }

    @Test func existingCopy_isNeverReused() throws {
        let source = try Fixtures.build("plain.c")
        let copy = try Fixtures.copy(of: source)
        defer { copy.remove() }
        let error = #expect(throws: LibraryError.self) {
            try PrivateCopy(
                of: source, in: Fixtures.directory + "/run", stem: "fixture",
                generation: copy.generation)
        }
        #expect(error?.code == .cannotCopy)
        #expect(error?.errno == EEXIST)
    }

    private func inode(_ path: String) throws -> ino_t {
        var status = stat()
        try #require(stat(path, &status) == 0, "\(path)")
        return status.st_ino
    }

    @Test func keptCopy_isTakenUpAgain_forTheSameBytesOnly() throws {
        let source = try Fixtures.build("plain.c")
        let copy = try Fixtures.copy(of: source)
        let kept = copy.path + ".kept"
        let isKept = Flag()
        copy.keep(as: kept) { isKept.set() }
        let first = try inode(copy.path)
        copy.remove()
        #expect(isKept.isSet)
        #expect(access(copy.path, F_OK) != 0)
        #expect(try inode(kept) == first)
        // What has been moved away is not there to be moved again.
        copy.remove()
        #expect(try inode(kept) == first)

        func revive(_ source: String) throws -> PrivateCopy? {
            try PrivateCopy.revive(
                kept, for: source, in: Fixtures.directory + "/run", stem: "again",
                generation: copy.generation)
        }
        let other = Fixtures.directory + "/other-\(copy.generation).so"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: source))
        bytes[bytes.count - 1] ^= 1
        try bytes.write(to: URL(fileURLWithPath: other))
        #expect(try revive(other) == nil)
        try (bytes + Data([0])).write(to: URL(fileURLWithPath: other))
        #expect(try revive(other) == nil)
        #expect(try inode(kept) == first)

        let again = try #require(try revive(source))
        #expect(again.path.hasSuffix("/again.\(copy.generation).so"))
        #expect(again.size == bytes.count && again.generation == copy.generation)
        #expect(try inode(again.path) == first)
        #expect(access(kept, F_OK) != 0)
        #expect(try revive(source) == nil)
        again.remove()
        #expect(access(again.path, F_OK) != 0)
    }

    @Test func sourceThatIsWrittenMeanwhile_isRefused_andNothingIsLeft() throws {
        let source = Fixtures.directory + "/changing.so"
        let size = 64 << 20
        try Data(count: size).write(to: URL(fileURLWithPath: source))
        let writer = Worker()
        let stop = Flag()
        let started = DispatchSemaphore(value: 0)
        let finished = DispatchSemaphore(value: 0)
        let watched = Thread {
            let file = open(source, O_WRONLY)
            var isFirst = true
            while !stop.isSet {
                _ = pwrite(file, "x", 1, off_t(size - 1))
                if isFirst { started.signal() }
                isFirst = false
            }
            close(file)
            finished.signal()
        }
        watched.start()
        started.wait()
        let directory = Fixtures.directory + "/run-changing"
        let error = #expect(throws: LibraryError.self) {
            try PrivateCopy(of: source, in: directory, stem: "changing", generation: 1)
        }
        stop.set()
        finished.wait()
        writer.end()
        #expect(error?.code == .changedWhileCopying)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory).isEmpty)
    }

    @Test func fullFileSystem_isNamed_andNothingIsLeft() throws {
        let mount = Fixtures.directory + "/small"
        mkdir(mount, 0o700)
        guard Glibc.mount("tmpfs", mount, "tmpfs", 0, "size=64k") == 0 else {
            print("not root: the test of a full file system was left out")
            return
        }
        defer { umount(mount) }
        let source = Fixtures.directory + "/large.so"
        try Data(count: 1 << 20).write(to: URL(fileURLWithPath: source))
        let error = #expect(throws: LibraryError.self) {
            try PrivateCopy(of: source, in: mount + "/run", stem: "large", generation: 1)
        }
        #expect(error?.code == .noSpace)
        #expect(try FileManager.default.contentsOfDirectory(atPath: mount + "/run").isEmpty)
    }

    @Test func overwritingTheSource_leavesTheLoadedImageAlone() throws {
        let source = Fixtures.directory + "/overwritten.so"
        try? FileManager.default.removeItem(atPath: source)
        try FileManager.default.copyItem(atPath: Fixtures.build("plain.c"), toPath: source)
        let image = try LoadedImage(Fixtures.copy(of: source))
        #expect(try image.call("fixture_entry", 1) == 2)
        let file = open(source, O_WRONLY | O_TRUNC)
        close(file)
        #expect(try image.call("fixture_entry", 1) == 3)
        #expect(image.close().isUnloaded)
    }
}

/// A flag that two threads share.
final class Flag: @unchecked Sendable {
    // because the value is used under the lock only
    private let lock = NSLock()
    private var value = false

    var isSet: Bool { lock.withLock { value } }
    func set() { lock.withLock { value = true } }
}
