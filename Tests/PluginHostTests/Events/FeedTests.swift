import Testing

@testable import PluginHost

struct FeedTests {
    @Test func page_isWhatComesAfterAPosition() {
        let feed = Feed<Int>("test", countMax: 4, bytesMax: 1_000)
        #expect(feed.page(after: 0, limit: 9).entries.isEmpty)
        for number in 1...3 { feed.append(number, bytes: 1) }
        #expect(feed.page(after: 0, limit: 9).entries.map(\.item) == [1, 2, 3])
        #expect(feed.page(after: 1, limit: 1).entries.map(\.item) == [2])
        #expect(feed.page(after: 3, limit: 9).entries.isEmpty)
        #expect(feed.page(after: 99, limit: 9).entries.isEmpty)
        #expect(feed.newest == 3)
    }

    @Test func whatIsTooMuch_goes_andIsCounted() {
        let feed = Feed<Int>("test", countMax: 4, bytesMax: 100)
        for number in 1...1_000 { feed.append(number, bytes: 1) }
        let page = feed.page(after: 990, limit: 9)
        #expect(page.entries.map(\.item) == [997, 998, 999, 1_000])
        #expect(page.missed == 6)
        feed.append(1_001, bytes: 99)
        #expect(feed.page(after: 1_000, limit: 9).missed == 0)
        #expect(feed.page(after: 0, limit: 9).entries.map(\.item) == [1_000, 1_001])
        feed.append(1_002, bytes: 5_000)
        #expect(feed.page(after: 0, limit: 9).entries.map(\.item) == [1_002])
    }

    @Test func placeOfAClient_isReadAsItIsWritten() throws {
        let id = LastEventID(position: 7, sequence: 9)
        let read = try #require(LastEventID(id.description))
        #expect(read.run == Event.run && read.position == 7 && read.sequence == 9)
        for text in ["", "1", "a.b.c", "a.1", "a.1.2.3", "a.-1.2"] {
            #expect(LastEventID(text) == nil, "\(text)")
        }
    }
}
