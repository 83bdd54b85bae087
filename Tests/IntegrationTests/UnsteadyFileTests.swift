import Foundation
import Glibc
import Synchronization
import Testing

/// A library that changes while the host copies it.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct UnsteadyFileTests {
    @Test func library_isCopiedAgain_whenItChangesUnderTheCopy() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        let made = try Creations(in: "\(root.plugin("sound"))/run")

        let code = [UInt8](try Fixtures.code("sound", saying: 9))
        let library = open(root.library("sound"), O_WRONLY)
        try #require(library >= 0)
        let written = code.withUnsafeBytes { write(library, $0.baseAddress, $0.count) }
        try #require(written == code.count)
        // It stays open, so that nobody tells the host of its end, and grows without pause.
        let growth = Growth(of: library, from: 32 << 20)
        defer { close(library) }
        let reload = try ChildProcess([
            HostProcess.binary, "reload", "sound", "--root", root.path,
        ])
        let name = try made.firstThatComesTwice()
        growth.end()
        #expect(name.hasPrefix("sound."))

        try #require(reload.waitForEnd(within: 60) != nil)
        // On a machine that is slow enough, all of its tries were over before the growth was.
        if try host.hello("sound") != Fixtures.hello(saying: 9) { try root.must("reload", "sound") }
        #expect(try host.hello("sound") == Fixtures.hello(saying: 9))
    }
}

/// Lets an open file grow until it is told to end.
private final class Growth: Sendable {
    private let isEnding = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)

    init(of descriptor: Int32, from bytes: Int) {
        ftruncate(descriptor, bytes)
        Thread { [self] in
            var size = bytes
            while !isEnding.load(ordering: .relaxed) {
                size += 1
                ftruncate(descriptor, size)
            }
            ended.signal()
        }.start()
    }

    func end() {
        isEnding.store(true, ordering: .relaxed)
        ended.wait()
    }
}

/// Tells which files are made in a directory.
private final class Creations {
    private let inotify = inotify_init1(Int32(IN_CLOEXEC))

    init(in directory: String) throws {
        try #require(inotify >= 0)
        try #require(inotify_add_watch(inotify, directory, UInt32(IN_CREATE)) >= 0)
    }

    deinit { close(inotify) }

    /// Waits until a name has been made for the second time.
    func firstThatComesTwice() throws -> String {
        var seen: Set<String> = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            var waiting = pollfd(fd: inotify, events: Int16(POLLIN), revents: 0)
            try #require(poll(&waiting, 1, 60_000) == 1, "only \(seen) were made")
            let count = read(inotify, &buffer, buffer.count)
            try #require(count > 0)
            var at = 0
            while at < count {
                let length = buffer.withUnsafeBytes {
                    $0.loadUnaligned(fromByteOffset: at + 12, as: UInt32.self)
                }
                let name = buffer[at + 16..<at + 16 + Int(length)].prefix { $0 != 0 }
                at += 16 + Int(length)
                let text = String(decoding: name, as: UTF8.self)
                if !seen.insert(text).inserted { return text }
            }
        }
    }
}
