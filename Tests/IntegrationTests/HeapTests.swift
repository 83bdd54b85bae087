import Foundation
import Testing

/// What a reload leaves on the host's heap.
@Suite(.ownThreadAlone, .timeLimit(.minutes(5))) struct HeapTests {
    /// A reload of a C plugin leaves nothing. What is counted beside it, such as tables that grow
    /// in steps, is far below this; a record of libdispatch or a page of the journal that is kept
    /// for each reload is above.
    static let bytesEachMax = 256

    @Test func reloadsOfC_leaveNothingOnTheHeap() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        let admin = try HTTPClient(unixSocket: "\(root.path)/host.sock")

        /// Loads the same code again; answers with what was in use when the former had gone.
        func reload() throws -> Double {
            let response = try admin.request(
                "POST", "/plugins/sound/reload", body: #"{"force":true}"#)
            try #require(response.status == 200, "\(response.text)")
            let reloads = response.json?["reloads"] ?? .null
            return try #require(reloads["heap_bytes"].number, "\(reloads)")
        }

        // Images are remembered for backtraces up to a number, caches fill up to their bounds.
        for _ in 0..<150 { _ = try reload() }
        let before = try reload()
        let count = 200
        var after = before
        for _ in 0..<count { after = try reload() }
        let each = (after - before) / Double(count)
        print("a reload leaves \(each) bytes")
        #expect(each < Double(Self.bytesEachMax), "\(each) bytes each")
        try withExtendedLifetime(host) {
            let reloads = try root.status("sound")["reloads"]
            #expect(reloads["count"].number == Double(151 + count))
            let exported = try #require(reloads["bytes_each"].number)
            #expect(exported < 2 * Double(Self.bytesEachMax), "\(reloads)")
        }
    }
}
