import Foundation
import Glibc
import Testing

@testable import DynamicLibrary

/// What repeated loading leaves behind, each counted in a process in which nothing else happens.
@Suite(.serialized) struct LeakTests {
    @Test func keys_areBooked_andDeleted() async {
        await #expect(processExitsWith: .success) {
            let free = Holdings.freeKeys()
            let image = try Fixtures.load("key_leak.c")
            #expect(try image.call() == 0)
            #expect(image.ledger.keys == 2)
            #expect(Holdings.freeKeys() == free - 2)
            let outcome = image.close()
            #expect(outcome.isUnloaded)
            #expect(outcome.reclaimed == ["2 pthread keys"])
            #expect(Holdings.freeKeys() == free)
        }
    }

    @Test(arguments: ["plain.c", "key_leak.c", "exit_handlers.c", "signal_handler.c"])
    func thousandRounds_leaveNothingBehind(source: String) async {
        await #expect(processExitsWith: .success) { [source] in
            try Rounds(source).run(1000, warm: 100, bytesMax: 4 << 10)
        }
    }

    @Test(arguments: ["tls_destructor.cpp", "tls_destructor.rs"])
    func thousandRoundsWithThreadLocalObjects_leaveNothingBehind(source: String) async {
        guard !source.hasSuffix(".rs") || Fixtures.has("rustc") else {
            print("rustc is not installed: Rust images were not tested")
            return
        }
        await #expect(processExitsWith: .success) { [source] in
            let flags = source.hasSuffix(".cpp") ? ["-fno-gnu-unique"] : []
            try Rounds(source, flags: flags).run(1000, warm: 100, bytesMax: 16 << 10)
        }
    }

    @Test func hundredRoundsWithFoundation_loseNoKeysAndLittleMemory() async {
        await #expect(processExitsWith: .success) {
            try Rounds("foundation.swift", flags: Fixtures.staticSwift)
                .run(100, warm: 70, bytesMax: 100 * (12 << 10))
        }
    }
}

/// Loads, uses and closes one library over and over.
struct Rounds {
    let source: String
    let library: String
    let inspection: ImageInspection

    init(_ source: String, flags: [String] = []) throws {
        self.source = source
        library = try Fixtures.build(source, flags: flags)
        inspection = try ImageInspection.inspect(library)
        #expect(inspection.verdict == .close)
    }

    func one() throws {
        let image = try LoadedImage(Fixtures.copy(of: library), inspection: inspection)
        var log: Int32 = 0
        switch source {
        case "exit_handlers.c": _ = try image.watch(&log)
        case "signal_handler.c": try image.call("fixture_entry", SIGUSR2)
        case "tls_destructor.cpp":
            _ = try image.watch(&log)
            try image.call()
        default: try image.call()
        }
        #expect(image.close().isUnloaded)
        if source == "exit_handlers.c" { #expect(log == 111) }
        if source == "tls_destructor.cpp" { #expect(log == 1) }
    }

    /// Warm rounds fill the archive of symbols and the allocator's caches.
    func run(_ count: Int, warm: Int, bytesMax: Int) throws {
        for _ in 0..<warm { try one() }
        let heap = try Holdings.heapBytes()
        let before = Holdings.now()
        for _ in 0..<count { try one() }
        let growth = try Holdings.heapBytes() - heap
        var after = Holdings.now()
        // Idle workers of the test's own runtime end by themselves.
        after.threads = max(after.threads, before.threads)
        #expect(after == before, "\(before) became \(after)")
        #expect(growth <= bytesMax, "\(growth) bytes in \(count) rounds of \(source)")
    }
}
