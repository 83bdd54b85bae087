import Foundation
import Testing

/// What a reload leaves on the host's heap.
@Suite(.ownThreadAlone, .timeLimit(.minutes(10))) struct HeapTests {
    /// A reload of a C plugin leaves nothing for good. A table that grows in a step during the
    /// count is below this; a record of libdispatch or pages of the journal that are kept for each
    /// reload are above.
    static let bytesEachMax = 128

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

        // Images are remembered for backtraces up to a number, the last 2,000 lines of the log are
        // kept, caches fill up to their bounds, and some memory is given back in one piece after
        // some 200 reloads: the least of as many is what tells.
        let filling = 1_100
        _ = try reload(filling)
        let count = 256
        let before = try reload(count)
        let after = try reload(count)
        let each = (after - before) / Double(count)
        print("a reload leaves \(each) bytes")
        #expect(each < Double(Self.bytesEachMax), "\(each) bytes each")
        try withExtendedLifetime(host) {
            let reloads = try root.status("sound")["reloads"]
            #expect(reloads["count"].number == Double(filling + 2 * count))
            #expect(reloads["bytes_each"].number != nil, "\(reloads)")
        }
    }
}
