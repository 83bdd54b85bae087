import Glibc
import HostModel
import Testing

@testable import PluginHost

@Suite struct BundleWriterTests {
    private let scratch: Scratch
    private var output: String { scratch.path + "/x.tar.gz" }
    private var directory: String { scratch.path + "/in" }

    init() throws {
        scratch = try Scratch()
        try scratch.write(
            #"{"version": "1.0.0", "name": "demo",  "abi": "1.0"}"#, to: "in/manifest.json")
        try scratch.write("library", to: "in/lib/libdemo.so")
        try scratch.write("b", to: "in/priv/b")
        try scratch.write("a", to: "in/priv/a/a")
    }

    @Test func sameDirectory_givesTheSameBytes_whateverTimesModesAndOrder() throws {
        let one = try BundleWriter().pack(directory, to: output)
        try scratch.write("library", to: "again/lib/libdemo.so")
        try scratch.write("a", to: "again/priv/a/a")
        try scratch.write("b", to: "again/priv/b")
        try scratch.write(try scratch.read("in/manifest.json"), to: "again/manifest.json")
        #expect(chmod(scratch.path + "/again/priv/b", 0o777) == 0)
        #expect(Shell.run("touch -d 2001-01-01 '\(scratch.path)/again/priv/b'") == 0)
        let two = try BundleWriter().pack(scratch.path + "/again", to: scratch.path + "/y.tar.gz")
        #expect(one.digest == two.digest)
        #expect(one.files.map(\.path) == ["lib/libdemo.so", "manifest.json", "priv/a/a", "priv/b"])
    }

    @Test func manifest_getsTheDigestOfTheLibrary_andKeepsItsOrder() throws {
        let packed = try BundleWriter().pack(directory, to: output)
        #expect(packed.manifest.library.sha256 == SHA256.digest(of: Array("library".utf8)))
        try BundleInspector.inspect(archive: output) { bundle throws(HostError) in
            let bytes = try Descriptor(
                opening: bundle.directory + "/manifest.json", flags: O_RDONLY
            ).readAll(bytesMax: 1 << 16)
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(
                text.hasPrefix("{\n  \"version\": \"1.0.0\",\n  \"name\": \"demo\",\n  \"abi\""))
        }
        // The author's own file is not touched.
        #expect(try scratch.read("in/manifest.json").contains("sha256") == false)
    }

    @Test func manifest_staysAsItIs_whenItHasTheDigestAlready() throws {
        let digest = SHA256.digest(of: Array("library".utf8))
        let text =
            "{ \"name\":\"demo\",\"version\":\"1.0.0\" ,\"abi\":\"1.0\","
            + "\n\"library\":{\"sha256\":\"\(digest)\"} }\n\n"
        try scratch.write(text, to: "in/manifest.json")
        _ = try BundleWriter().pack(directory, to: output)
        try #require(Shell.run("cd '\(scratch.path)' && tar -xzf x.tar.gz manifest.json") == 0)
        #expect(try scratch.read("manifest.json") == text)
    }

    @Test func packing_isRefused_whereInstallingWouldBe_andLeavesTheOldBundle() throws {
        try scratch.write("old", to: "x.tar.gz")
        let before = try Files.tree(scratch.path)
        func expectRefused(
            _ code: HostError.Code, sourceLocation: SourceLocation = #_sourceLocation
        ) {
            let error = #expect(throws: HostError.self, sourceLocation: sourceLocation) {
                try BundleWriter().pack(directory, to: output)
            }
            #expect(error?.code == code, sourceLocation: sourceLocation)
        }
        try scratch.write("x", to: "in/Package.swift")
        expectRefused("archive_refused")
        try Directory.remove(directory + "/Package.swift")
        #expect(symlink("/etc/passwd", directory + "/priv/link") == 0)
        expectRefused("archive_refused")
        try Directory.remove(directory + "/priv/link")
        #expect(mkfifo(directory + "/priv/fifo", 0o600) == 0)
        expectRefused("archive_refused")
        try Directory.remove(directory + "/priv/fifo")
        try Directory.remove(directory + "/lib/libdemo.so")
        expectRefused("system_call_failed")
        try scratch.write("library", to: "in/lib/libdemo.so")
        try scratch.write("{}", to: "in/manifest.json")
        expectRefused("manifest_invalid")
        #expect(try scratch.read("x.tar.gz") == "old")
        #expect(try Files.tree(scratch.path) == before)
    }

    @Test(arguments: ["in/x.tar.gz", "in/../in/x.tar.gz", "in/priv/x.tar.gz", "linked/x.tar.gz"])
    func bundleInItsOwnDirectory_isNotPackedIntoTheNext(place: String) throws {
        #expect(symlink("in", scratch.path + "/linked") == 0)
        let elsewhere = try BundleWriter().pack(directory, to: output)
        let key = SigningKey.generate()
        for _ in 0..<2 {
            // What a packing that was killed has left behind does not matter either.
            let parent = String((scratch.path + "/" + place).dropLast("/x.tar.gz".count))
            try Directory.create(parent + "/.pack-0123456789", mode: 0o700)
            let packed = try BundleWriter().pack(directory, to: scratch.path + "/" + place)
            #expect(packed.digest == elsewhere.digest)
            #expect(packed.files == elsewhere.files)
        }
        let signed = try BundleWriter().pack(
            directory, to: scratch.path + "/" + place, signedWith: key)
        #expect(signed.files.count == elsewhere.files.count + 2)
    }

    @Test func bundleOfAnotherName_isRefused_inTheDirectory() throws {
        _ = try BundleWriter().pack(directory, to: directory + "/x.tar.gz")
        let error = #expect(throws: HostError.self) {
            try BundleWriter().pack(directory, to: directory + "/y.tar.gz")
        }
        #expect(error?.reasons.first?.contains("x.tar.gz") == true)
    }

    @Test(arguments: ["manifest.json", "lib/libdemo.so"])
    func bundle_isNotPutInThePlaceOfWhatItNeeds(place: String) throws {
        let before = try scratch.read("in/" + place)
        #expect(throws: HostError.self) {
            try BundleWriter().pack(directory, to: directory + "/" + place)
        }
        #expect(try scratch.read("in/" + place) == before)
        #expect(try Directory.entries(of: directory).sorted() == ["lib", "manifest.json", "priv"])
    }

    @Test func names_fitInOneHeader_orGetAPaxHeader() throws {
        let split = String(repeating: "d", count: 150) + "/" + String(repeating: "n", count: 100)
        #expect(TarHeader.blocks(path: split, typeFlag: 0x30, mode: 0o644, size: 0).count == 512)
        let long = String(repeating: "n", count: 101)
        #expect(TarHeader.blocks(path: long, typeFlag: 0x30, mode: 0o644, size: 0).count == 3 * 512)
        let records = [UInt8](
            TarHeader.blocks(path: long, typeFlag: 0x30, mode: 0o644, size: 0)[512..<1024].prefix(
                111))
        #expect(PaxRecords().updated(with: records)?.path == Array(long.utf8))
    }

    @Test func inspector_leavesNothingBehind_andReports() throws {
        let packed = try BundleWriter().pack(directory, to: output)
        let temporary = scratch.path + "/tmp"
        try Directory.create(temporary, mode: 0o700)
        let report = try BundleInspector.inspect(archive: output, temporaryDirectory: temporary) {
            bundle in bundle.report
        }
        #expect(report["name"]?.string == "demo")
        #expect(report["digest"]?.string == packed.digest.hex)
        #expect(report["files"]?.array?.count == 4)
        #expect(try Directory.entries(of: temporary).isEmpty)
    }
}
