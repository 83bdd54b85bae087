import DynamicLibrary
import Foundation
import HostModel
import Testing

@testable import PluginHost

@Suite struct CopyDigestTests {
    private let path = FileManager.default.temporaryDirectory.path + "/copy-\(UUID().uuidString)"

    @Test(arguments: [0, 1, (1 << 20) - 1, 1 << 20, (5 << 20) + 7])
    func digest_isThatOfTheCopy(_ count: Int) async throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try Data(bytes).write(to: URL(fileURLWithPath: path + "/a.so"))
        let digest = CopyDigest()
        let copy = try PrivateCopy(
            of: path + "/a.so", in: path + "/run", stem: "a", generation: 1, onPart: digest.note)
        digest.end()
        #expect(try await digest.value().get() == SHA256.digest(of: bytes))
        #expect(try SHA256.digest(ofFile: copy.path) == SHA256.digest(of: bytes))
    }

    @Test func digest_waitsForThePartsThatAreToCome() async throws {
        try Data("high tide".utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let digest = CopyDigest()
        digest.note(path, 0)
        digest.note(path, 4)
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data(" again".utf8))
        try file.close()
        digest.note(path, 15)
        digest.end()
        #expect(
            try await digest.value().get() == SHA256.digest(of: Array("high tide again".utf8)))
    }

    @Test func copyThatCannotBeRead_isAnError() async {
        let digest = CopyDigest()
        digest.note(path, 0)
        digest.end()
        let result = await digest.value()
        #expect(throws: HostError.self) { try result.get() }
    }
}
