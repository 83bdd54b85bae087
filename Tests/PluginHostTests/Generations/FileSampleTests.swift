import Foundation
import Testing

@testable import PluginHost

@Suite struct FileSampleTests {
    private func sample(_ bytes: [UInt8]) throws -> FileSample {
        let path = FileManager.default.temporaryDirectory.path + "/sample-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return try FileSample(ofFile: path)
    }

    @Test(arguments: [0, 1, 255, 256, 257, 5_000, 100_000])
    func sameBytes_haveTheSameSample_andAByteMoreAnother(_ count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        #expect(try sample(bytes) == sample(bytes))
        #expect(try sample(bytes) != sample(bytes + [7]))
    }

    @Test func otherBytesAtEitherEnd_haveAnotherSample() throws {
        let bytes = [UInt8](repeating: 1, count: 50_000)
        var first = bytes
        first[0] = 2
        var last = bytes
        last[49_999] = 2
        #expect(try sample(bytes) != sample(first))
        #expect(try sample(bytes) != sample(last))
    }
}
