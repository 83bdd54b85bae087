import Foundation
import Testing

/// What a reload leaves on the host's heap.
@Suite(.ownThreadAlone, .timeLimit(.minutes(5))) struct HeapTests {
    /// A reload of a C plugin leaves nothing for good. What is counted beside it, such as tables
    /// that grow in steps, is below this; pages of the journal that are kept for each reload are
    /// above.
    static let bytesEachMax = 512

    @Test func reloadsOfC_leaveNothingOnTheHeap() throws {
        let root = try Root()
        // What threads keep for their next allocation counts as in use; they keep nothing here.
        let host = try HostProcess(
            root, environment: ["GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"])
        try root.must("install", Fixtures.bundle("sound"))
        let admin = try HTTPClient(unixSocket: "\(root.path)/host.sock")

        /// Loads the same code again and again; answers with the least that was in use after an
        /// image had gone: what is held for a moment only does not count.
        func reload(_ count: Int) throws -> Double {
            var least = Double.infinity
            for _ in 0..<count {
                let response = try admin.request(
                    "POST", "/plugins/sound/reload", body: #"{"force":true}"#)
                try #require(response.status == 200, "\(response.text)")
                let reloads = response.json?["reloads"] ?? .null
                least = min(least, try #require(reloads["heap_bytes"].number, "\(reloads)"))
            }
            return least
        }

        // Images are remembered for backtraces up to a number, caches fill up to their bounds.
        _ = try reload(100)
        let before = try reload(40)
        _ = try reload(160)
        let after = try reload(40)
        let each = (after - before) / 200
        print("a reload leaves \(each) bytes")
        #expect(each < Double(Self.bytesEachMax), "\(each) bytes each")
        try withExtendedLifetime(host) {
            let reloads = try root.status("sound")["reloads"]
            #expect(reloads["count"].number == 340)
            #expect(reloads["bytes_each"].number != nil, "\(reloads)")
        }
    }
}
