import Glibc
import HostModel
import Testing

@testable import PluginHost

/// Every way to abuse an archive that we know of is refused, and nothing is left behind.
@Suite struct HostileArchiveTests {
    private let scratch: Scratch
    private let layout: RootLayout

    init() throws {
        scratch = try Scratch()
        layout = try scratch.root()
    }

    /// Packs what the body adds to a good plugin and says how it is refused.
    private func refusal(
        limits: BundleLimits = BundleLimits(), plugin: Bool = true,
        _ body: (inout TarBuilder) -> Void
    ) throws -> HostError? {
        var tar = TarBuilder()
        if plugin { tar.addPlugin() }
        body(&tar)
        let path = scratch.path + "/x.tar.gz"
        try tar.gzipped(at: path)
        return try refusal(ofFile: path, limits: limits)
    }

    private func refusal(ofFile path: String, limits: BundleLimits = BundleLimits()) throws
        -> HostError?
    {
        let before = try Files.tree(scratch.path)
        defer {
            #expect((try? Files.tree(scratch.path)) == before, "something was left behind")
        }
        do throws(HostError) {
            _ = try Installer(layout).prepare(archive: path, limits: limits).manifest
            return nil
        } catch {
            #expect(!error.reasons.isEmpty && !error.remedy.isEmpty)
            return error
        }
    }

    private func expectRefused(
        _ word: String, code: HostError.Code = "archive_refused",
        sourceLocation: SourceLocation = #_sourceLocation, _ body: (inout TarBuilder) -> Void
    ) throws {
        let error = try refusal(body)
        #expect(error?.code == code, sourceLocation: sourceLocation)
        #expect(
            error?.reasons.first?.contains(word) == true, "\(String(describing: error))",
            sourceLocation: sourceLocation)
    }

    @Test func plainPlugin_isAccepted() throws {
        #expect(try refusal { _ in } == nil)
    }

    @Test(arguments: [
        "../evil", "priv/../../evil", "priv/..", "..", "priv/x/../../../evil", "./../evil",
        "priv/a/../b",
    ])
    func traversal_isRefused(name: String) throws {
        try expectRefused("..") { $0.add(name, [1]) }
    }

    @Test(arguments: ["/etc/passwd", "//etc/passwd", "/", "///"])
    func absoluteName_isRefused(name: String) throws {
        try expectRefused("absolute") { $0.add(name) }
    }

    @Test(arguments: ["/etc/passwd", "../../x", "../..", "a/../../../x", "x/..", "../x/../.."])
    func symbolicLink_isRefused_whenItMayLeadOut(target: String) throws {
        try expectRefused("symbolic link") { $0.add("priv/link", type: "2", target: target) }
    }

    @Test(arguments: ["app.html", "./app.html", "../lib/libdemo.so", "missing"])
    func symbolicLink_isAccepted_whenItStaysInside(target: String) throws {
        #expect(try refusal { $0.add("priv/link", type: "2", target: target) } == nil)
    }

    @Test func symbolicLink_isRefused_withoutATarget() throws {
        try expectRefused("target") { $0.add("priv/link", type: "2") }
    }

    @Test func symbolicLink_isRefused_inThePlaceOfATopLevelName() throws {
        try expectRefused("directory") { $0.add("priv", type: "2", target: "lib") }
        try expectRefused("must be a file") {
            $0.add("README", type: "2", target: "lib/libdemo.so")
        }
    }

    @Test func entry_isRefused_whenItGoesThroughALink() throws {
        try expectRefused("no directory") {
            $0.add("priv/link", type: "2", target: "deep")
            $0.add("priv/link/evil", [1])
        }
    }

    @Test func entry_isRefused_whenItReplacesALink() throws {
        try expectRefused("twice") {
            $0.add("priv/link", type: "2", target: "deep")
            $0.add("priv/link", [1])
        }
    }

    @Test func hardLink_isRefused_unlessItIsToAnEarlierFile() throws {
        #expect(
            try refusal { $0.add("lib/libdemo.so.1", type: "1", target: "lib/libdemo.so") } == nil)
        try expectRefused("hard link") { $0.add("priv/x", type: "1", target: "priv/later") }
        try expectRefused("hard link") { $0.add("priv/x", type: "1", target: "lib") }
        try expectRefused("absolute") { $0.add("priv/x", type: "1", target: "/etc/passwd") }
        try expectRefused("..") { $0.add("priv/x", type: "1", target: "../../etc/passwd") }
        try expectRefused("hard link") {
            $0.add("priv/s", type: "2", target: "../manifest.json")
            $0.add("priv/x", type: "1", target: "priv/s")
        }
    }

    @Test(arguments: ["3", "4", "6", "S", "V", "M", "D", "A", "Z"] as [Character])
    func specialFile_isRefused(type: Character) throws {
        try expectRefused("files and directories only") { $0.add("priv/x", type: type) }
    }

    @Test func sparseFile_isRefused_whenPaxSaysSo() throws {
        try expectRefused("sparse") {
            $0.addPax([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")])
            $0.add("priv/x", [1])
        }
    }

    @Test func sparseFile_isPassedOver_withTheRestOfItsMap() throws {
        var map = [UInt8](repeating: 0, count: 1024)
        map[504] = 1
        let error = try refusal {
            $0.add(
                "priv/x", map + [1], type: "S", size: 1, magic: "ustar  \u{0}",
                prefix: String(repeating: "\u{0}", count: 137) + "\u{1}")
            $0.add("priv/y", type: "6")
        }
        #expect(error?.code == "archive_refused")
        #expect(error?.reasons.count == 2, "\(String(describing: error))")
    }

    @Test func entryOfAnUnknownType_isRefusedByWhatItIs_withItsDataPassedOver() throws {
        try expectRefused("label of a volume") { $0.add("backup of today", type: "V") }
        try expectRefused("incremental backup") { $0.add("priv/", Array("Yx".utf8), type: "D") }
        try expectRefused("another volume") { $0.add("priv/x", [1, 2], type: "M") }
        try expectRefused("unknown type 90") { $0.add("priv/x", [1], type: "Z") }
    }

    @Test func duplicate_isRefused() throws {
        try expectRefused("twice") { $0.add("manifest.json", [1]) }
        try expectRefused("twice") { $0.add("./lib//libdemo.so", [1]) }
        try expectRefused("twice") { $0.add("lib", type: "5") }
        try expectRefused("twice") { $0.add("lib/libdemo.so", type: "5") }
        try expectRefused("must be a directory") { $0.add("lib", [1]) }
    }

    @Test func directory_isRefused_whereAFileWas() throws {
        try expectRefused("no directory") {
            $0.add("priv/a", [1])
            $0.add("priv/a/b", [1])
        }
        try expectRefused("twice") {
            $0.add("priv/a/b", [1])
            $0.add("priv/a", [1])
        }
    }

    @Test(arguments: ["a\nb", "a\u{1B}[31m", "a\u{7F}", "a\u{85}", "a\u{202E}b", "a\u{200B}"])
    func name_isRefused_withControlOrInvisibleCharacters(name: String) throws {
        try expectRefused("control or invisible") { $0.add("priv/" + name, [1]) }
    }

    @Test func name_isRefused_withANulInsideAPaxRecord() throws {
        try expectRefused("control or invisible") {
            $0.addPax([("path", "priv/a\0b")])
            $0.add("priv/x", [1])
        }
    }

    @Test func name_isRefused_whenItIsNotUTF8() throws {
        try expectRefused("UTF-8") { $0.add("", [1], rawName: Array("priv/".utf8) + [0xFF]) }
    }

    @Test func name_isRefused_whenItIsTooLongOrTooDeep() throws {
        let long = String(repeating: "n", count: 256)
        try expectRefused("longer than 255") {
            $0.addPax([("path", "priv/" + long)])
            $0.add("x", [1])
        }
        let deep = String(repeating: "d/", count: 40)
        try expectRefused("deeper") { $0.add("priv/" + deep + "x", [1]) }
        try expectRefused("longer than 1024") {
            $0.addPax([("path", "priv/" + String(repeating: "nnnnnnn/", count: 130) + "n")])
            $0.add("x", [1])
        }
    }

    @Test func emptyName_isRefused() throws {
        try expectRefused("empty") { $0.add("", [1]) }
        try expectRefused("empty") { $0.add("./.", [1]) }
    }

    @Test(arguments: [
        "evil", "libs/x", "sqlite/x.db", "current/x", "run/x", "release.json", ".hidden",
    ])
    func entry_isRefused_outsideTheAllowedTopLevel(name: String) throws {
        try expectRefused("manifest.json, lib/, priv/") { $0.add(name, [1]) }
    }

    @Test func documents_areAccepted_atTheTop() throws {
        #expect(
            try refusal {
                $0.add("./", type: "5")
                $0.add("README.md", [1])
                $0.add("LICENSE", [1])
                $0.add("NOTICE.txt", [1])
            } == nil)
    }

    @Test func everyObjection_isTold_upToALimit() throws {
        let error = try refusal { tar in
            tar.add("../a", [1])
            tar.add("/b", [1])
            tar.add("priv/c", type: "3")
        }
        #expect(error?.reasons.count == 3)
        let many = try refusal { tar in for index in 0..<100 { tar.add("/x\(index)", [1]) } }
        #expect(many?.reasons.count == BundleLimits().objectionsMax)
    }

    @Test func bomb_isRefused_byItsRatio() throws {
        var limits = BundleLimits()
        limits.ratioFreeBytes = 1 << 16
        let error = try refusal(limits: limits) {
            $0.add("priv/zeros", [UInt8](repeating: 0, count: 1 << 22))
        }
        #expect(error?.code == "archive_too_large")
        #expect(error?.reasons == ["it unpacks to more than 200 times its size"])
    }

    @Test func bomb_isRefused_byItsTotal() throws {
        var limits = BundleLimits()
        limits.totalBytesMax = 1 << 20
        let error = try refusal(limits: limits) { tar in
            for index in 0..<8 { tar.add("priv/\(index)", [UInt8](repeating: 7, count: 1 << 18)) }
        }
        #expect(error?.code == "archive_too_large")
    }

    @Test func hugeEntry_isRefused_beforeItsDataIsRead() throws {
        try expectRefused("at most", code: "archive_too_large") {
            $0.add("priv/x", size: 0o7_777_777_777_7)
        }
        try expectRefused("at most", code: "archive_too_large") {
            $0.addPax([("size", "99999999999")])
            $0.add("priv/x", [1])
        }
        try expectRefused("at most", code: "archive_too_large") {
            $0.add("priv/x", rawSize: [0x80, 0, 0, 0, 0, 0, 0, 0xFF, 0, 0, 0, 0])
        }
        try expectRefused("size in a tar header", code: "archive_damaged") {
            $0.add("priv/x", rawSize: [UInt8](repeating: 0xFF, count: 12))
        }
        try expectRefused("size in a tar header", code: "archive_damaged") {
            $0.add("priv/x", rawSize: [0x80] + [UInt8](repeating: 0xFF, count: 11))
        }
    }

    @Test func manyEntries_areRefused() throws {
        var limits = BundleLimits()
        limits.entryCountMax = 50
        let error = try refusal(limits: limits) { tar in
            for index in 0..<50 { tar.add("priv/\(index)") }
        }
        #expect(error?.code == "archive_too_large")
    }

    @Test func manyEntries_areRefused_beforeMostOfThemAreUnpacked() throws {
        var tar = TarBuilder()
        tar.addPlugin()
        for index in 0..<2_000 { tar.add("priv/\(index)") }
        tar.add("priv/last", type: "6")
        let path = scratch.path + "/x.tar.gz"
        try tar.gzipped(at: path)
        for (limit, code) in [(2_000, "archive_too_large"), (50_000, "archive_refused")] {
            var limits = BundleLimits()
            limits.entryCountMax = limit
            let target = scratch.path + "/unpacked-\(limit)"
            try Directory.create(target, mode: 0o700)
            let error = #expect(throws: HostError.self) {
                try BundleExtractor(limits: limits).extract(
                    Descriptor(opening: path, flags: O_RDONLY), into: target)
            }
            #expect(error?.code.rawValue == code)
            #expect(try Files.tree(target).count < 1_100)
        }
    }

    @Test func hugeExtensions_areRefused_byWhatTheyHaveTogether() throws {
        var limits = BundleLimits()
        limits.extensionsTotalBytesMax = 2_048
        let few = try refusal(limits: limits) { tar in
            for index in 0..<2 {
                tar.addPax([("comment", "nothing")])
                tar.add("priv/\(index)")
            }
        }
        #expect(few == nil)
        let many = try refusal(limits: limits) { tar in
            for _ in 0..<5 { tar.addPax([], type: "g") }
            tar.add("priv/x")
        }
        #expect(many?.code == "archive_too_large")
        #expect(many?.reasons == ["its extended tar headers have more than 2048 bytes"])
    }

    @Test func paxRecord_isRefused_withoutItsShape() {
        let good = "6 a=b\n"
        #expect(PaxRecords().updated(with: Array(good.utf8)) != nil)
        for bad in [
            "a=b\n", " a=b\n", "6a=b\n", "6 a=b", "7 a=b\n", "5 a=b\n", "6 ab\n\n", "3 \n", "2 ",
            "0 a=b\n", "0000000006 a=b\n", "99999999999999999999 a=b\n", "6 a=b\n0", good + "1",
        ] {
            #expect(PaxRecords().updated(with: Array(bad.utf8)) == nil, "\(bad.debugDescription)")
        }
    }

    @Test func hugeExtension_isRefused() throws {
        try expectRefused("tar header has", code: "archive_too_large") {
            $0.add("long", [UInt8](repeating: 0x61, count: (1 << 20) + 1), type: "L")
            $0.add("priv/x")
        }
    }

    @Test func hugeArchive_isRefused() throws {
        var limits = BundleLimits()
        limits.archiveBytesMax = 100
        let error = try refusal(limits: limits) { _ in }
        #expect(error?.code == "archive_too_large")
    }

    @Test func badHeader_isRefused() throws {
        let code: HostError.Code = "archive_damaged"
        try expectRefused("check sum", code: code) { $0.add("priv/x", checksumOffset: 1) }
        try expectRefused("not a number", code: code) {
            $0.add("priv/x", rawSize: Array("0000000000x\0".utf8))
        }
        try expectRefused("data follow", code: code) { $0.add("priv/x/", [1], type: "5") }
        try expectRefused("data follow", code: code) {
            $0.add("priv/x", [1], type: "2", target: "y")
        }
        try expectRefused("right shape", code: code) {
            $0.add("pax", Array("30 path=short\n".utf8), type: "x")
            $0.add("priv/x")
        }
        try expectRefused("right shape", code: code) {
            $0.addPax([("size", "-1")])
            $0.add("priv/x")
        }
        try expectRefused("no entry after it", code: code) { $0.addPax([("path", "priv/x")]) }
        try expectRefused("two pax headers", code: code) {
            $0.addPax([("path", "priv/x")])
            $0.addPax([("path", "priv/y")])
            $0.add("priv/z")
        }
    }

    @Test func manifest_isRefused_whenItIsMissingOrWrong() throws {
        let noManifest = try refusal(plugin: false) { $0.add("lib/x.so", [1]) }
        #expect(noManifest?.code == "manifest_missing")
        let empty = try refusal(plugin: false) { _ in }
        #expect(empty?.code == "manifest_missing")
        let notJSON = try refusal(plugin: false) { $0.add("manifest.json", Array("{".utf8)) }
        #expect(notJSON?.code == "json_invalid")
        let wrong = try refusal(plugin: false) { $0.add("manifest.json", Array("{}".utf8)) }
        #expect(wrong?.code == "manifest_invalid" && wrong?.reasons.count == 3)
    }

    @Test func library_isRefused_whenItIsMissingOrALinkOrAnother() throws {
        let manifest = "{\"name\":\"demo\",\"version\":\"1.0.0\",\"abi\":\"1.0\""
        let missing = try refusal(plugin: false) {
            $0.add("manifest.json", Array((manifest + "}").utf8))
            $0.add("lib/libdemos.so", [1])
        }
        #expect(missing?.code == "library_missing")
        #expect(missing?.reasons.first?.contains("did you mean \"lib/libdemos.so\"?") == true)
        let link = try refusal(plugin: false) {
            $0.add("manifest.json", Array((manifest + "}").utf8))
            $0.add("lib/real.so", [1])
            $0.add("lib/libdemo.so", type: "2", target: "real.so")
        }
        #expect(link?.code == "library_missing")
        let digest = String(repeating: "00", count: 32)
        let other = try refusal(plugin: false) {
            $0.add(
                "manifest.json", Array((manifest + ",\"library\":{\"sha256\":\"\(digest)\"}}").utf8)
            )
            $0.add("lib/libdemo.so", [1])
        }
        #expect(other?.code == "library_digest_wrong")
    }

    @Test func file_isRefused_whenItIsNoArchive() throws {
        try scratch.write("", to: "x.tar.gz")
        #expect(try refusal(ofFile: scratch.path + "/x.tar.gz")?.reasons == ["the file is empty"])
        try scratch.write("hello", to: "x.tar.gz")
        #expect(
            try refusal(ofFile: scratch.path + "/x.tar.gz")?.reasons == ["it is not a gzip file"])
        try Gzip.write(Array("hello".utf8), to: scratch.path + "/x.tar.gz")
        #expect(try refusal(ofFile: scratch.path + "/x.tar.gz")?.code == "archive_damaged")
        #expect(try refusal(ofFile: scratch.path)?.code == "archive_refused")
        #expect(try refusal(ofFile: scratch.path + "/missing")?.systemError == ENOENT)
        #expect(mkfifo(scratch.path + "/fifo", 0o600) == 0)
        #expect(try refusal(ofFile: scratch.path + "/fifo")?.code == "archive_refused")
    }

    @Test func archive_isRefused_withTrailingGarbage() throws {
        var tar = TarBuilder()
        tar.addPlugin()
        tar.end()
        let path = scratch.path + "/x.tar.gz"
        try Gzip.write(tar.bytes + Array("hidden".utf8), to: path)
        #expect(
            try refusal(ofFile: path)?.reasons == [
                "there is something after the end of the archive"
            ])
        try Gzip.write(tar.bytes, to: path)
        try Descriptor(opening: path, flags: O_WRONLY | O_APPEND).write("garbage".utf8)
        #expect(try refusal(ofFile: path)?.reasons == ["there is something after the gzip data"])
        try Gzip.write(tar.bytes, to: path)
        try Descriptor(opening: path, flags: O_WRONLY | O_APPEND)
            .write([UInt8](repeating: 0, count: 100_000))
        #expect(try refusal(ofFile: path) == nil)
        try Descriptor(opening: path, flags: O_WRONLY | O_APPEND).write([0x1F, 0x8B])
        #expect(try refusal(ofFile: path)?.reasons == ["there is something after the gzip data"])
    }

    @Test func fileOfAnotherFormat_isNamed() throws {
        var tar = TarBuilder()
        tar.addPlugin()
        tar.end()
        let formats: [(bytes: [UInt8], name: String)] = [
            (tar.bytes, "a tar archive that is not compressed"),
            ([0x50, 0x4B, 0x03, 0x04, 0], "a zip archive"),
            ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], "compressed with xz"),
            ([0x28, 0xB5, 0x2F, 0xFD, 0], "compressed with zstd"),
            (Array("BZh91AY".utf8), "compressed with bzip2"),
        ]
        for (bytes, name) in formats {
            let path = scratch.path + "/x.tar.gz"
            unlink(path)
            try Descriptor(opening: path, flags: O_WRONLY | O_CREAT).write(bytes)
            #expect(
                try refusal(ofFile: path)?.reasons == ["it is not a gzip file: it is \(name)"])
        }
    }

    @Test func archive_isRefused_whereverItIsCutOff() throws {
        var tar = TarBuilder()
        tar.addPlugin(library: (0..<3000).map { UInt8(truncatingIfNeeded: $0 * $0) })
        let path = scratch.path + "/x.tar.gz"
        try tar.gzipped(at: path)
        let whole = try Descriptor(opening: path, flags: O_RDONLY).readAll(bytesMax: 1 << 20)
        for length in 0..<whole.count {
            try Directory.remove(path)
            try Descriptor(opening: path, flags: O_WRONLY | O_CREAT, mode: 0o644)
                .write(whole.prefix(length))
            #expect(try refusal(ofFile: path)?.code == "archive_damaged", "cut at \(length)")
        }
        // The tar inside cut at each block, in a whole gzip file.
        tar.end()
        for length in stride(from: 0, to: tar.bytes.count - 1, by: 512) {
            try Gzip.write(Array(tar.bytes.prefix(length)), to: path)
            #expect(try refusal(ofFile: path)?.code == "archive_damaged", "cut at \(length)")
        }
    }

    @Test func archive_isRefused_whenAnyBitOfItsContentFlips() throws {
        var tar = TarBuilder()
        tar.addPlugin()
        let path = scratch.path + "/x.tar.gz"
        try tar.gzipped(at: path)
        tar.end()
        let whole = try Descriptor(opening: path, flags: O_RDONLY).readAll(bytesMax: 1 << 20)
        var acceptedCount = 0
        // The first ten bytes hold a time and flags that nobody depends on.
        for index in 10..<whole.count {
            var bytes = whole
            bytes[index] ^= 1 << (index % 8)
            try Directory.remove(path)
            try Descriptor(opening: path, flags: O_WRONLY | O_CREAT, mode: 0o644).write(bytes)
            if try refusal(ofFile: path) == nil {
                // Bits that fill up the last byte of the compressed data mean nothing.
                acceptedCount += 1
                let reader = try GzipReader(
                    Descriptor(opening: path, flags: O_RDONLY), limits: BundleLimits())
                #expect(try reader.everything() == tar.bytes, "bit \(index % 8) of byte \(index)")
            }
        }
        #expect(acceptedCount <= 1)
    }
}

extension ByteSource {
    /// Reads to the end.
    func everything() throws -> [UInt8] {
        var result: [UInt8] = []
        let chunk = ByteBuffer(count: 1 << 12)
        while true {
            let count = try read(into: chunk.bytes)
            if count == 0 { return result }
            result += chunk.bytes[..<count]
        }
    }
}
