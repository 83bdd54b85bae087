import Foundation
import Glibc
import Testing

@testable import DynamicLibrary

@Suite struct InspectionTests {
    func codes(_ list: [Objection]) -> [Objection.Code] { list.map(\.code) }

    @Test func plainLibrary_isClosed_withoutReasons() throws {
        let found = try ImageInspection.inspect(
            Fixtures.build("plain.c"), entry: "fixture_entry")
        #expect(found.refusals.isEmpty)
        #expect(found.reasons.isEmpty)
        #expect(found.verdict == .close)
        #expect(found.bits == 64 && found.isLittleEndian)
        #expect(found.kind == "a shared library")
        #expect(found.exportedSymbols.contains("fixture_entry"))
        #expect(found.swiftRuntime == .none)
        #expect(found.buildID?.count == 40)
        #expect(found.note(owner: "PluginHost", type: 1)?.number == 0x0001_0002)
        #expect(found.note(owner: "PluginHost", type: 2) == nil)
        #expect(found.note(owner: "pluginhost", type: 1) == nil)
    }

    @Test(arguments: [
        ["-s"], ["-Wl,--hash-style=sysv"], ["-Wl,--hash-style=gnu", "-s"],
        ["-Wl,--hash-style=both"], ["-Wl,-z,pack-relative-relocs"], ["-Wl,-z,separate-code"],
        ["-Wl,-z,norelro", "-s"],
    ])
    func symbols_areTheSame_howeverTheLibraryIsLinked(flags: [String]) throws {
        let found = try ImageInspection.inspect(
            Fixtures.build("thread_left_running.c", flags: flags), entry: "fixture_entry")
        #expect(found.refusals.isEmpty)
        #expect(Set(found.exportedSymbols).isSuperset(of: ["fixture_entry", "fixture_stop"]))
        #expect(Set(found.undefinedSymbols).isSuperset(of: ["sem_wait", "pthread_create"]))
    }

    @Test func importedSymbols_areSeen_withoutSectionHeadersAndExports() throws {
        let map = Fixtures.directory + "/nothing.map"
        try "{ local: *; };".write(toFile: map, atomically: true, encoding: .utf8)
        let library = try Fixtures.build(
            "thread_left_running.c",
            flags: ["-Wl,--version-script=\(map)", "-Wl,--hash-style=gnu"])
        var bytes = try Data(contentsOf: URL(fileURLWithPath: library))
        bytes.replaceSubrange(40..<48, with: Data(count: 8))
        bytes.replaceSubrange(58..<64, with: Data(count: 6))
        let bare = Fixtures.directory + "/bare.so"
        try bytes.write(to: URL(fileURLWithPath: bare))
        let found = try ImageInspection.inspect(bare)
        #expect(found.refusals.isEmpty)
        #expect(found.exportedSymbols.isEmpty)
        #expect(found.undefinedSymbols.contains("sem_wait"))
    }

    @Test func neededLibraries_areListed_inTheirOrder() throws {
        let found = try ImageInspection.inspect(
            Fixtures.build("tls_destructor.cpp", flags: ["-fno-gnu-unique"]))
        #expect(found.needed.first == "libstdc++.so.6")
        #expect(found.needed.last == "ld-linux-x86-64.so.2")
    }

    @Test func missingEntry_isRefused_byItsName() throws {
        let found = try ImageInspection.inspect(
            Fixtures.build("missing_entry.c"), entry: "fixture_entry")
        #expect(codes(found.refusals) == [.missingEntry])
        #expect(found.refusals[0].what.contains("fixture_entry"))
    }

    @Test func undefinedSymbol_isRefused_byItsName() throws {
        let found = try ImageInspection.inspect(Fixtures.build("undefined_symbol.c"))
        #expect(codes(found.refusals) == [.missingSymbol])
        #expect(found.refusals[0].what.contains("defined_nowhere_at_all"))
    }

    @Test func nodelete_isPinned() throws {
        let found = try ImageInspection.inspect(
            Fixtures.build("plain.c", flags: ["-Wl,-z,nodelete"]))
        #expect(codes(found.reasons) == [.noDelete])
        #expect(found.verdict == .pin)
    }

    @Test func uniqueSymbols_arePinned_untilTheFlagIsGiven() throws {
        let found = try ImageInspection.inspect(Fixtures.build("unique_symbols.cpp"))
        #expect(codes(found.reasons) == [.uniqueSymbols])
        #expect(found.uniqueSymbols.count == 1 || found.uniqueSymbols.count == 2)
        #expect(found.verdict == .pin)
        let cured = try ImageInspection.inspect(
            Fixtures.build("unique_symbols.cpp", flags: ["-fno-gnu-unique"]))
        #expect(cured.reasons.isEmpty)
    }

    @Test func threadLocalDestructors_areMentioned_andStillClose() throws {
        let found = try ImageInspection.inspect(
            Fixtures.build("tls_destructor.cpp", flags: ["-fno-gnu-unique"]))
        #expect(codes(found.reasons) == [.threadLocalDestructors])
        #expect(found.verdict == .close)
        #expect((found.threadStorage?.size ?? 0) > 0)
    }

    @Test func staticThreadStorage_isIsolated() throws {
        let found = try ImageInspection.inspect(Fixtures.build("static_tls.c"))
        #expect(codes(found.reasons) == [.staticThreadStorage])
        #expect(found.verdict == .isolate)
    }

    @Test func executableStack_isIsolated() throws {
        let found = try ImageInspection.inspect(
            Fixtures.build("plain.c", flags: ["-Wl,-z,execstack"]))
        #expect(codes(found.reasons) == [.executableStack])
    }

    @Test func nodlopen_isRefused() throws {
        let found = try ImageInspection.inspect(
            Fixtures.build("plain.c", flags: ["-Wl,-z,nodlopen"]))
        #expect(codes(found.refusals) == [.forbidsLoading])
    }

    @Test func executable_isRefused_alsoWhenPositionIndependent() throws {
        for flag in ["-pie", "-no-pie"] {
            let path = Fixtures.directory + "/program\(flag)"
            try "int main(void) { return 0; }".write(
                toFile: path + ".c", atomically: true, encoding: .utf8)
            try Fixtures.run("gcc", [path + ".c", flag, "-o", path])
            #expect(codes(try ImageInspection.inspect(path).refusals) == [.notALibrary])
        }
    }

    @Test func wrongMachineAndMissingEntry_areBothListed() throws {
        var bytes = try Data(
            contentsOf: URL(fileURLWithPath: Fixtures.build("missing_entry.c")))
        bytes[18] = 243
        let path = Fixtures.directory + "/riscv.so"
        try bytes.write(to: URL(fileURLWithPath: path))
        let found = try ImageInspection.inspect(path, entry: "fixture_entry")
        #expect(codes(found.refusals) == [.wrongMachine, .missingEntry])
        #expect(found.refusals[0].what.contains("riscv64"))
    }

    @Test func otherClassOrEndianness_isRefused() throws {
        for (index, value) in [(4, UInt8(1)), (5, 2)] {
            var bytes = try Data(contentsOf: URL(fileURLWithPath: Fixtures.build("plain.c")))
            bytes[index] = value
            let path = Fixtures.directory + "/other-\(index).so"
            try bytes.write(to: URL(fileURLWithPath: path))
            #expect(codes(try ImageInspection.inspect(path).refusals) == [.wrongMachine])
        }
    }

    @Test func textAndEmptyFiles_areNotELF() throws {
        for text in ["", "\u{7f}EL", "#!/bin/sh\n", "INPUT(libc.so)\n"] {
            let path = Fixtures.directory + "/text.so"
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(codes(try ImageInspection.inspect(path).refusals) == [.notELF])
        }
    }

    @Test func missingFileDirectoryAndFifo_areErrors() throws {
        let fifo = Fixtures.directory + "/fifo"
        mkfifo(fifo, 0o600)
        #expect(throws: LibraryError.self) { try ImageInspection.inspect("/nowhere/x.so") }
        for path in [Fixtures.directory, fifo] {
            let error = #expect(throws: LibraryError.self) { try ImageInspection.inspect(path) }
            #expect(error?.code == .notARegularFile)
        }
    }

    @Test func missingLibrary_isRefused_byItsName() throws {
        let directory = Fixtures.directory + "/gone"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        let library = directory + "/libghost.so"
        try Fixtures.run(
            "gcc",
            [
                "-shared", "-fPIC", "-DEXTRA", "-Wl,-soname,libghost.so",
                Fixtures.sources + "/library.c", "-o", library,
            ])
        let needing = try Fixtures.build(
            "needs_library.c", flags: ["-Wl,-rpath,\(directory)"], libraries: [library])
        #expect(try ImageInspection.inspect(needing).refusals.isEmpty)
        try FileManager.default.removeItem(atPath: library)
        let found = try ImageInspection.inspect(needing)
        #expect(codes(found.refusals) == [.missingLibrary])
        #expect(found.refusals[0].what.contains("libghost.so"))
        #expect(try ImageInspection.inspect(needing, search: nil).refusals.isEmpty)
    }

    @Test func olderLibrary_isRefused_byTheVersionItLacks() throws {
        let directory = Fixtures.directory + "/versions"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        let library = directory + "/libversions.so"
        func build(_ map: String, _ flags: [String]) throws {
            try Fixtures.run(
                "gcc",
                ["-shared", "-fPIC", "-Wl,-soname,libversions.so"] + flags + [
                    "-Wl,--version-script=\(Fixtures.sources)/\(map)",
                    Fixtures.sources + "/library.c", "-o", library,
                ])
        }
        try build("library_newer.map", ["-DEXTRA"])
        let needing = try Fixtures.build(
            "needs_library.c", flags: ["-Wl,-rpath,$ORIGIN/versions"], libraries: [library])
        #expect(try ImageInspection.inspect(needing).refusals.isEmpty)
        try build("library.map", [])
        let found = try ImageInspection.inspect(needing)
        #expect(codes(found.refusals) == [.missingVersion, .missingSymbol])
        #expect(found.refusals[0].what.contains("LIB_2"))
    }

    @Test func sharedSwiftRuntime_isIsolated_withTheCure() throws {
        let library = Fixtures.directory + "/libshared-swift.so"
        try Fixtures.run(
            "gcc",
            [
                "-shared", "-fPIC", "-Wl,-soname,libswiftCore.so",
                Fixtures.sources + "/library.c", "-DEXTRA", "-o", library,
            ])
        let needing = try Fixtures.build("needs_library.c", libraries: [library])
        let found = try ImageInspection.inspect(needing, search: nil)
        #expect(codes(found.reasons) == [.sharedSwiftRuntime])
        #expect(found.swiftRuntime == .shared(["libswiftCore.so"]))
        #expect(found.verdict == .isolate)
        #expect(found.reasons[0].cure.contains("-static-stdlib"))
    }

    @Test func swiftWithItsOwnRuntime_isClosed_alsoWhenStripped() throws {
        let found = try ImageInspection.inspect(
            Fixtures.build("foundation.swift", flags: Fixtures.staticSwift))
        #expect(found.swiftRuntime == .embedded)
        #expect(found.exportedSymbols == ["fixture_entry"])
        #expect(found.reasons.isEmpty && found.refusals.isEmpty)
    }

    @Test func swiftWithTheSharedRuntime_isIsolated() throws {
        let found = try ImageInspection.inspect(Fixtures.build("foundation.swift"))
        #expect(codes(found.reasons) == [.sharedSwiftRuntime])
        #expect(found.verdict == .isolate)
        guard case .shared(let names) = found.swiftRuntime else {
            Issue.record("the runtime is \(found.swiftRuntime)")
            return
        }
        #expect(names.contains("libswiftCore.so"))
    }

    @Test func exportedNameOfTheProcess_isMentioned_unlessTheLibraryBindsToItself() throws {
        let found = try ImageInspection.inspect(Fixtures.build("colliding_name.c"))
        #expect(codes(found.reasons) == [.symbolCollision])
        #expect(found.collidingSymbols == ["qsort"])
        #expect(found.verdict == .close)
        let bound = try ImageInspection.inspect(
            Fixtures.build("colliding_name.c", flags: ["-Wl,-Bsymbolic"]))
        #expect(bound.reasons.isEmpty)
    }

    @Test func worstReason_decidesTheVerdict() throws {
        let found = try ImageInspection.inspect(
            Fixtures.build("static_tls.c", flags: ["-Wl,-z,nodelete"]))
        #expect(Set(codes(found.reasons)) == [.noDelete, .staticThreadStorage])
        #expect(found.verdict == .isolate)
    }

    @Test func everyObjection_hasWhatAndCure() throws {
        for source in ["missing_entry.c", "undefined_symbol.c", "unique_symbols.cpp"] {
            let found = try ImageInspection.inspect(Fixtures.build(source), entry: "x")
            for objection in found.refusals + found.reasons {
                #expect(!objection.what.isEmpty && !objection.cure.isEmpty)
                #expect(!objection.what.hasSuffix("."))
            }
        }
    }
}
