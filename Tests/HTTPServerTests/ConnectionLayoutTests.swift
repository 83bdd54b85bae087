import Testing

@testable import HTTPServer

@Suite struct ConnectionLayoutTests {
    private static let line = 64

    @Test func fieldsThatEveryRequestTouches_takeFourLines_andTheEndpointOne() throws {
        let last = try #require(MemoryLayout.offset(of: \ConnectionFields.requestCount))
        #expect(last + MemoryLayout<Int>.size <= 4 * Self.line)
        let peer = try #require(MemoryLayout.offset(of: \ConnectionFields.peer))
        let count = try #require(MemoryLayout.offset(of: \PeerAddress.endpointCount))
        #expect(peer % Self.line + count < Self.line)
    }
}
