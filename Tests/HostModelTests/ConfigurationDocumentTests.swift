import HostModel
import Testing

/// Layers that become one configuration.
struct ConfigurationDocumentTests {
    private func layer(_ name: String, _ values: JSONObject) -> ConfigurationLayer {
        ConfigurationLayer(.file(name), values)
    }

    private func lines(_ document: ConfigurationDocument) -> [String] {
        document.entries.map { "\($0.pointer) \($0.value.text()) \($0.origin)" }
    }

    @Test func objectsMerge_othersReplace_andNullTakesAway() {
        let document = ConfigurationDocument([
            layer(
                "1", ["a": ["x": 1, "y": 2], "list": [1, 2], "gone": 1, "was": 1, "empty": [:]]),
            layer("2", ["a": ["y": 3, "z": ["deep": true]], "list": [9], "gone": nil]),
            layer("3", ["was": ["now": "an object"], "a": ["x": nil]]),
        ])
        #expect(
            lines(document) == [
                "/a/y 3 2", "/a/z/deep true 2", "/list [9] 2", #"/was/now "an object" 3"#,
                "/empty {} 1",
            ])
        #expect(
            document.json == [
                "a": ["y": 3, "z": ["deep": true]], "list": [9], "was": ["now": "an object"],
                "empty": [:],
            ])
    }

    @Test func referenceToASecret_isOneValue() {
        let reference: JSONValue = ["$secret": ["file": "/run/key"]]
        let document = ConfigurationDocument([
            layer("1", ["key": ["old": 1], "bad": ["$secret": "x"]]),
            layer("2", ["key": reference]),
        ])
        #expect(document.entries.map(\.pointer.description) == ["/key", "/bad"])
        #expect(document.secrets.references.map(\.1) == [.file("/run/key")])
        #expect(document.secrets.objections.map(\.path) == ["/bad"])
        let resolved = document.replacing([JSONPointer(["key"]): "open sesame"])
        #expect(resolved["key"] == "open sesame")
    }

    @Test(arguments: [
        (#"{"$secret": {"file": "/a"}}"#, SecretReference.file("/a")),
        (#"{"$secret": {"environment": "A"}}"#, .environment("A")),
        (#"{"$secret": {"file": "a"}}"#, nil), (#"{"$secret": {}}"#, nil),
        (#"{"$secret": {"file": "/a", "environment": "A"}}"#, nil),
        (#"{"$secret": {"file": "/a"}, "more": 1}"#, nil),
    ])
    func reference_isReadStrictly(text: String, reference: SecretReference?) throws {
        #expect(SecretReference(try JSON.parse(text)) == reference)
    }

    @Test func variables_findTheirSettings_andSpeakTheirTypes() throws {
        let schema = try #require(
            ConfigurationSchema.read(
                [
                    "properties": [
                        "pageSize": ["type": "integer"], "title": ["type": "string"],
                        "db": ["properties": ["host-name": ["type": "string"]]],
                    ]
                ]
            ).schema)
        let name = try #require(PluginName("my-notes"))
        let others = [
            name, try #require(PluginName("my")), try #require(PluginName("my-notes-two")),
        ]
        let environment = [
            "PLUGIN_HOST_MY_NOTES_PAGE_SIZE": "20", "PLUGIN_HOST_MY_NOTES_TITLE": "007",
            "PLUGIN_HOST_MY_NOTES_DB__HOST_NAME": "db1", "PLUGIN_HOST_MY_NOTES_FREE": "[1]",
            "PLUGIN_HOST_MY_NOTES_WORDS": "not JSON", "PLUGIN_HOST_MY_NOTES_TWO_TITLE": "another's",
            "PLUGIN_HOST_ENVIRONMENT": "x", "PLUGIN_HOST_MY_NOTES_": "", "HOME": "/",
        ]
        let (layers, objections) = ConfigurationVariables.layers(
            for: name, among: others, environment: environment, schema: schema,
            known: ConfigurationDocument([ConfigurationLayer]()))
        #expect(objections.isEmpty)
        #expect(
            ConfigurationDocument(layers).json == [
                "db": ["host-name": "db1"], "free": [1], "pageSize": 20, "title": "007",
                "words": "not JSON",
            ])
        #expect(
            ConfigurationVariables.name(of: JSONPointer(["db", "host-name"]), for: name)
                == "PLUGIN_HOST_MY_NOTES_DB__HOST_NAME")
        let wrong = ConfigurationVariables.layers(
            for: name, among: others, environment: ["PLUGIN_HOST_MY_NOTES_PAGESIZE": "many"],
            schema: schema, known: ConfigurationDocument([ConfigurationLayer]()))
        #expect(wrong.objections.map(\.path) == ["/pageSize"])
    }

    @Test func file_isRefusedWithEveryObjection() throws {
        let text = #"{"plugins": {"Bad": {}, "ok": {"enabled": 1, "config": {}}}, "more": 1}"#
        let error = #expect(throws: HostError.self) {
            try ConfigurationFile(parsing: text.utf8, source: "config/local.json")
        }
        #expect(error?.code == "configuration_file_invalid")
        #expect(error?.reasons.count == 4)
        let file = try ConfigurationFile(
            parsing: #"{"plugins": {"ok": {"enabled": false}}}"#.utf8, source: "f")
        #expect(file.plugins.values.map(\.enabled) == [false])
    }

    @Test(arguments: [
        ("", [] as [String]?), ("/a/b", ["a", "b"]), ("/a~1b/~0/", ["a/b", "~", ""]), ("a", nil),
        ("/~2", nil), ("/~", nil),
    ])
    func pointer_isReadAndWritten(text: String, steps: [String]?) {
        let pointer = JSONPointer(parsing: text)
        #expect(pointer?.steps == steps)
        if let pointer { #expect(pointer.description == text) }
    }
}
