import Testing

@testable import PluginKit

/// What a plugin reads of its configuration.
struct ConfigurationTests {
    private let configuration = Configuration(
        revision: 3,
        json: [
            "title": "Notes", "page": ["size": 20, "a/b~c": true], "ratio": 0.5,
            "hosts": ["one", ["name": "two"]],
        ])

    @Test func values_areFoundByNameAndByPointer() {
        #expect(configuration.text("title") == "Notes")
        #expect(configuration.text("/title") == "Notes")
        #expect(configuration.integer("/page/size") == 20)
        #expect(configuration.bool("/page/a~1b~0c") == true)
        #expect(configuration.number("ratio") == 0.5)
        #expect(configuration.number("/page/size") == 20)
        #expect(configuration.text("/hosts/0") == "one")
        #expect(configuration.text("/hosts/1/name") == "two")
        #expect(configuration["page"]?.object?.count == 2)
    }

    @Test func whatIsNotThere_orOfAnotherType_isNil() {
        #expect(configuration.text("page/size") == nil)
        #expect(configuration.text("/page") == nil)
        #expect(configuration.integer("title") == nil)
        #expect(configuration.text("/hosts/2") == nil)
        #expect(configuration.bool("/nothing/at/all") == nil)
    }

    @Test func configuration_isDecoded_andARefusalNamesTheSetting() throws {
        struct Settings: Decodable, Equatable {
            struct Page: Decodable, Equatable { var size: Int }
            var title: String
            var page: Page
        }
        let settings = try configuration.decode(Settings.self)
        #expect(settings == Settings(title: "Notes", page: .init(size: 20)))

        struct Other: Decodable {
            var page: [String: String]
        }
        let error = #expect(throws: PluginError.self) { try configuration.decode(Other.self) }
        #expect(error?.subject == "page.size")
        #expect(error?.reasons == ["must be a text"])
    }

    @Test func savedState_isReadAsJSON_orRefused() throws {
        let saved = SavedState(schemaVersion: 1, bytes: Array(#"{"count": 7}"#.utf8))
        #expect(try saved.json()["count"]?.integer == 7)
        #expect(throws: PluginError.self) {
            try SavedState(schemaVersion: 1, bytes: [0x7B]).json()
        }
    }
}
