import Foundation
import Glibc
import Testing

@testable import DynamicLibrary

/// Serialized, because the tests compare what the whole process holds.
@Suite(.serialized) struct LoadedImageTests {
    func codes(_ outcome: UnloadOutcome) -> [Objection.Code] { outcome.reasons.map(\.code) }

    func isMapped(_ path: String) -> Bool {
        systemText("/proc/self/maps").contains(path)
    }

    @Test func plainImage_isUnmapped() throws {
        let image = try Fixtures.load("plain.c")
        #expect(try image.call("fixture_entry", 5) == 6)
        #expect(isMapped(image.copy.path))
        #expect(image.span.range.contains(UInt(bitPattern: image.symbol("fixture_entry"))))
        let outcome = image.close()
        #expect(outcome.verdict == .unloaded)
        #expect(outcome.reasons.isEmpty && outcome.reclaimed.isEmpty)
        #expect(outcome.bytesStillMapped == 0)
        #expect(!isMapped(image.copy.path))
        #expect(access(image.copy.path, F_OK) != 0)
        #expect(image.symbol("fixture_entry") == nil)
        #expect(image.close() == outcome)
    }

    @Test func twoGenerations_runSideBySide_withDataOfTheirOwn() throws {
        let first = try Fixtures.load("plain.c")
        let second = try Fixtures.load("plain.c")
        #expect(try first.call("fixture_entry", 0) == 1)
        #expect(try first.call("fixture_entry", 0) == 2)
        #expect(try second.call("fixture_entry", 0) == 1)
        #expect(first.close().isUnloaded)
        #expect(try second.call("fixture_entry", 0) == 2)
        #expect(second.close().isUnloaded)
    }

    @Test func samePath_isNotLoadedTwice() throws {
        let image = try Fixtures.load("plain.c")
        let error = #expect(throws: LibraryError.self) { try LoadedImage(image.copy) }
        #expect(error?.code == .alreadyLoaded)
        #expect(image.close().isUnloaded)
    }

    @Test func undefinedSymbol_isReported_inTheLoadersWords() throws {
        let copy = try Fixtures.copy(of: Fixtures.build("undefined_symbol.c"))
        defer { copy.remove() }
        let error = #expect(throws: LibraryError.self) { try LoadedImage(copy) }
        #expect(error?.code == .notLoadable)
        #expect(error?.reasons.first?.contains("defined_nowhere_at_all") == true)
    }

    @Test func nodelete_staysPinned_andSaysWhy() throws {
        let image = try Fixtures.load("plain.c", flags: ["-Wl,-z,nodelete"])
        let outcome = image.close()
        #expect(codes(outcome) == [.noDelete])
        #expect(outcome.bytesStillMapped > 0)
        #expect(codes(image.close()) == [.noDelete])
    }

    @Test func uniqueSymbols_stayPinned_andSayWhy() throws {
        let image = try Fixtures.load("unique_symbols.cpp")
        try image.call()
        #expect(codes(image.close()) == [.uniqueSymbols])
        let cured = try Fixtures.load("unique_symbols.cpp", flags: ["-fno-gnu-unique"])
        try cured.call()
        #expect(cured.close().isUnloaded)
    }

    @Test func secondHandle_isNoticed_andClosingAgainHelpsAfterItIsGone() throws {
        let image = try Fixtures.load("plain.c")
        let other = dlopen(image.copy.path, RTLD_NOW)
        #expect(codes(image.close()) == [.heldElsewhere])
        dlclose(try #require(other))
        #expect(image.close().isUnloaded)
    }

    @Test func runningThread_isNamed_andNothingIsClosedUntilItEnds() throws {
        let image = try Fixtures.load("thread_left_running.c")
        try image.call()
        #expect(image.ledger.threads.map(\.name) == ["left-running"])
        let outcome = image.close()
        #expect(codes(outcome) == [.liveThreads])
        #expect(outcome.reasons[0].what.contains("left-running (tid "))
        try image.call(void: "fixture_stop")
        let second = image.close(grace: .seconds(10))
        #expect(second.isUnloaded)
    }

    @Test(arguments: ["constructor_thread.c", "std_thread.cpp"])
    func threadOfUnclearOrigin_isBookedToItsImage(source: String) throws {
        let image = try Fixtures.load(source, flags: ["-fno-gnu-unique"])
        try image.call()
        #expect(image.ledger.threads.count == 1)
        #expect(codes(image.close()) == [.liveThreads])
        try image.call(void: "fixture_stop")
        #expect(image.close(grace: .seconds(10)).isUnloaded)
    }

    @Test func unjoinedThreads_areReleased() throws {
        func virtualPages() -> Int {
            Int(systemText("/proc/self/statm").split(separator: " ")[0]) ?? -1
        }
        let library = try Fixtures.build("thread_unjoined.c")
        func round() throws {
            let image = try LoadedImage(Fixtures.copy(of: library))
            for _ in 0..<4 { try image.call() }
            #expect(image.close(grace: .seconds(10)).isUnloaded)
        }
        for _ in 0..<10 { try round() }
        let before = virtualPages()
        for _ in 0..<50 { try round() }
        // 200 stacks of 8 MiB would be 400,000 pages.
        #expect(virtualPages() - before < 100_000)
    }

    @Test func c11ThreadsAndKeys_areBooked() throws {
        let image = try Fixtures.load("c11_threads.c")
        #expect(try image.call("fixture_entry", 41) == 41)
        #expect(image.ledger.threads.count == 1)
        #expect(image.ledger.keys == 1)
        #expect(try image.call("fixture_join", 0) == 41)
        let outcome = image.close()
        #expect(outcome.isUnloaded)
        #expect(outcome.reclaimed == ["1 pthread key"])
    }

    @Test func keyValue_isDestroyed_whenItsThreadIsSettled() throws {
        var count: Int32 = 0
        let image = try Fixtures.load("key_leak.c")
        #expect(try image.watch(&count) == 0)
        #expect(image.close().isUnloaded)
        #expect(count == 1)
    }

    @Test func threadThatEndsAfterTheUnload_doesNotRunAKeysDestructor() throws {
        let image = try Fixtures.load("key_leak.c")
        let worker = Worker()
        let count = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        count.initialize(to: 0)
        let address = UInt(bitPattern: count)
        #expect(
            worker.run { try? image.watch(UnsafeMutablePointer(bitPattern: address)!) } == 0)
        #expect(image.close().isUnloaded)
        worker.end()
        #expect(count.pointee == 0)
        count.deallocate()
    }

    @Test func signalHandler_isTakenBack_andTheOneBeforeIsInForceAgain() throws {
        var mine = sigaction()
        mine.__sigaction_handler.sa_handler = { _ in }
        sigaction(SIGUSR2, &mine, nil)
        defer { signal(SIGUSR2, SIG_DFL) }
        let image = try Fixtures.load("signal_handler.c")
        #expect(try image.call("fixture_entry", SIGUSR2) == 0)
        #expect(try image.call("fixture_ignore", SIGURG) == 0)
        #expect(image.ledger.signalHandlers == [SIGUSR2, SIGURG].sorted())
        let outcome = image.close()
        #expect(outcome.isUnloaded)
        #expect(outcome.reclaimed == ["the handling of signal \(SIGUSR2), \(SIGURG)"])
        var now = sigaction()
        sigaction(SIGUSR2, nil, &now)
        #expect(
            unsafeBitCast(now.__sigaction_handler.sa_handler, to: UInt.self)
                == unsafeBitCast(mine.__sigaction_handler.sa_handler, to: UInt.self))
        raise(SIGUSR2)
        sigaction(SIGURG, nil, &now)
        #expect(now.__sigaction_handler.sa_handler == nil)
    }

    @Test func signalHandlersOfTwoImages_areUnstacked_inAnyOrder() throws {
        for isFirstOut in [true, false] {
            let first = try Fixtures.load("signal_handler.c")
            let second = try Fixtures.load("signal_handler.c")
            try first.call("fixture_entry", SIGUSR2)
            try second.call("fixture_entry", SIGUSR2)
            for image in isFirstOut ? [first, second] : [second, first] {
                #expect(image.close().isUnloaded)
                var now = sigaction()
                sigaction(SIGUSR2, nil, &now)
                let handler = unsafeBitCast(now.__sigaction_handler.sa_handler, to: UInt.self)
                #expect(!image.span.range.contains(handler))
            }
            var now = sigaction()
            sigaction(SIGUSR2, nil, &now)
            #expect(now.__sigaction_handler.sa_handler == nil)
        }
    }

    @Test func exitHandlers_areRun_atTheUnload() throws {
        var log: Int32 = 0
        let image = try Fixtures.load("exit_handlers.c")
        #expect(try image.watch(&log) == 0)
        let outcome = image.close()
        #expect(outcome.isUnloaded)
        #expect(log == 111)
    }

    @Test(arguments: [
        ["tls_destructor.cpp", "g++"], ["tls_destructor.cpp", "clang++"],
        ["tls_destructor.rs", "rustc"],
    ])
    func threadLocalObjects_keepAnImage_onlyUntilTheirThreadIsSettled(
        fixture: [String]
    ) throws {
        guard Fixtures.has(fixture[1]) else {
            print("\(fixture[1]) is not installed: its images were not tested")
            return
        }
        let flags = fixture[1] == "g++" ? ["-fno-gnu-unique"] : []
        let image = try Fixtures.load(fixture[0], flags: flags, compiler: fixture[1])
        let worker = Worker()
        let count = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        count.initialize(to: 0)
        let address = UInt(bitPattern: count)
        worker.run {
            if image.symbol("fixture_watch") != nil {
                _ = try? image.watch(UnsafeMutablePointer(bitPattern: address)!)
            }
            _ = try? image.call()
        }
        #expect(image.ledger.destructorThreads.count == 1)
        let early = image.close()
        #expect(codes(early) == [.outstandingDestructors])
        #expect(isMapped(image.copy.path))
        worker.run { image.settleThread() }
        #expect(count.pointee == (image.symbol("fixture_watch") == nil ? 0 : 1))
        #expect(image.close().isUnloaded)
        worker.end()
        #expect(count.pointee <= 1)
        count.deallocate()
    }

    @Test(arguments: [["tls_destructor.cpp", "g++"], ["tls_destructor.rs", "rustc"]])
    func threadLocalObjects_areDestroyed_whenTheirThreadEnds(fixture: [String]) throws {
        guard Fixtures.has(fixture[1]) else { return }
        let flags = fixture[1] == "g++" ? ["-fno-gnu-unique"] : []
        let image = try Fixtures.load(fixture[0], flags: flags, compiler: fixture[1])
        let worker = Worker()
        let count = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        count.initialize(to: 0)
        let address = UInt(bitPattern: count)
        worker.run {
            if image.symbol("fixture_watch") != nil {
                _ = try? image.watch(UnsafeMutablePointer(bitPattern: address)!)
            }
            _ = try? image.call()
        }
        #expect(codes(image.close()) == [.outstandingDestructors])
        worker.end()
        #expect(image.close().isUnloaded)
        if fixture[1] == "g++" { #expect(count.pointee == 1) }
        count.deallocate()
    }

    /// A new image is often given the addresses that another one has just left.
    @Test func imagesLoadedWhileOthersAreClosed_areBookedToThemselves() throws {
        let library = try Fixtures.build("tls_destructor.cpp", flags: ["-fno-gnu-unique"])
        DispatchQueue.concurrentPerform(iterations: 4) { lane in
            var destroyed: Int32 = 0
            for _ in 0..<300 {
                do {
                    let copy = try Fixtures.copy(of: library, stem: "lane\(lane)")
                    let image = try LoadedImage(copy)
                    _ = try image.watch(&destroyed)
                    try image.call()
                    #expect(image.ledger.destructorThreads.count == 1)
                    let outcome = image.close()
                    #expect(outcome.isUnloaded, "\(outcome.reasons)")
                } catch {
                    Issue.record(error)
                }
            }
            #expect(destroyed == 300)
        }
    }

    @Test func rustThread_isNamedWhileItRuns_andDoesNotKeepTheImage() throws {
        guard Fixtures.has("rustc") else {
            print("rustc is not installed: Rust images were not tested")
            return
        }
        let image = try Fixtures.load("tls_destructor.rs")
        try image.call(void: "fixture_spawn")
        #expect(image.close(grace: .seconds(10)).isUnloaded)
    }

    @Test func companionLibrary_isLoadedAndUnloaded_withItsImage() throws {
        let directory = Fixtures.directory + "/companion"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        let library = directory + "/libcompanion.so"
        try Fixtures.run(
            "gcc",
            [
                "-shared", "-fPIC", "-DEXTRA", "-Wl,-soname,libcompanion.so",
                Fixtures.sources + "/library.c", "-o", library,
            ])
        let needing = try Fixtures.build(
            "needs_library.c", flags: ["-Wl,-rpath,\(directory)"], libraries: [library])
        let image = try LoadedImage(Fixtures.copy(of: needing))
        #expect(try image.call("fixture_entry", 1) == 5)
        #expect(isMapped(library))
        #expect(image.close().isUnloaded)
        #expect(!isMapped(library))
    }

    @Test func companionBesideTheLibrary_isCopiedToo_andMayBeOverwritten() throws {
        let directory = Fixtures.directory + "/beside"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        let library = directory + "/libbeside.so"
        try Fixtures.run(
            "gcc",
            [
                "-shared", "-fPIC", "-DEXTRA", "-Wl,-soname,libbeside.so",
                Fixtures.sources + "/library.c", "-o", library,
            ])
        let built = try Fixtures.build(
            "needs_library.c", flags: ["-Wl,-rpath,$ORIGIN"], libraries: [library])
        let needing = directory + "/needing.so"
        try FileManager.default.moveItem(atPath: built, toPath: needing)
        #expect(try ImageInspection.inspect(needing).refusals.isEmpty)
        let image = try LoadedImage(Fixtures.copy(of: needing))
        #expect(isMapped(Fixtures.directory + "/run/libbeside.so"))
        #expect(!isMapped(library))
        let file = open(library, O_WRONLY | O_TRUNC)
        close(file)
        #expect(try image.call("fixture_entry", 1) == 5)
        #expect(image.close().isUnloaded)
    }

    @Test func addresses_areNamed_whileLoadedAndAfterwards() throws {
        let image = try Fixtures.load("plain.c")
        let entry = UInt(bitPattern: image.symbol("fixture_entry"))
        #expect(entry != 0)
        let name = "\(image.label) fixture_entry+0x4"
        #expect(RetiredSymbols.shared.describe(entry + 4) == name)
        #expect(image.close().isUnloaded)
        #expect(RetiredSymbols.shared.describe(entry + 4) == name)
        #expect(RetiredSymbols.shared.describe(16) == nil)
    }
}
