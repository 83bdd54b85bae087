import Foundation
import Glibc
import Synchronization
import Testing

/// A library that changes while the host copies it.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct UnsteadyFileTests {
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
        // It stays open, so that nobody tells the host of its end, and grows without pause. Where
        // the growth got no time, a copy may be whole all the same; then the next reload is looked
        // at.
        let growth = Growth(of: library, from: 32 << 20)
        defer { close(library) }
        let admin = try HTTPClient(unixSocket: "\(root.path)/host.sock")
        func reload() throws -> HTTPResponse {
            try admin.request("POST", "/plugins/sound/reload", body: #"{"force":true}"#)
        }
        var isCopiedAgain = false
        for _ in 0..<100 where !isCopiedAgain {
            _ = try reload()
            isCopiedAgain = made.namesThatCameTwice().contains { $0.hasPrefix("sound.") }
        }
        growth.end()
        #expect(isCopiedAgain)
        let last = try reload()
        #expect(last.status == 200, "\(last.text)")
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
    private let inotify = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))

    init(in directory: String) throws {
        try #require(inotify >= 0)
        // With deletions in between, so that the kernel does not take two creations for one.
        let mask = UInt32(IN_CREATE | IN_DELETE)
        try #require(inotify_add_watch(inotify, directory, mask) >= 0)
    }

    deinit { close(inotify) }

    /// The names that were made more than once since this was last asked.
    func namesThatCameTwice() -> Set<String> {
        var seen: Set<String> = []
        var again: Set<String> = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(inotify, &buffer, buffer.count)
            guard count > 0 else { return again }
            var at = 0
            while at < count {
                let event = buffer.withUnsafeBytes {
                    $0.loadUnaligned(fromByteOffset: at, as: inotify_event.self)
                }
                let bytes = buffer[at + 16..<at + 16 + Int(event.len)].prefix { $0 != 0 }
                let name = String(decoding: bytes, as: UTF8.self)
                at += 16 + Int(event.len)
                guard event.mask & UInt32(IN_CREATE) != 0 else { continue }
                if !seen.insert(name).inserted { again.insert(name) }
            }
        }
    }
}
