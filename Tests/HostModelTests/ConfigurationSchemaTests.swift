import HostModel
import Testing

/// The rules of a schema, and what is said about values that break them.
struct ConfigurationSchemaTests {
    private func schema(_ text: String) throws -> ConfigurationSchema {
        let reading = ConfigurationSchema.read(try JSON.parse(text))
        return try #require(reading.schema, "\(reading.objections)")
    }

    private func objections(_ schema: String, _ value: String) throws -> [String] {
        try self.schema(schema).objections(to: try JSON.parse(value)).map(\.description)
    }

    @Test(arguments: [
        (#"{"type": "integer"}"#, ["1", "1.0", "-3e2"], ["1.5", #""1""#, "true"]),
        (#"{"type": ["string", "null"]}"#, [#""""#, "null"], ["0", "[]"]),
        (#"{"enum": [1, "a", {"b": [1.0]}]}"#, ["1.0", #""a""#, #"{"b": [1]}"#], ["2", #""A""#]),
        (#"{"const": "\u00e9"}"#, [#""é""#], [#""e\u0301""#]),
        (#"{"minimum": 0.1, "exclusiveMaximum": 1e2}"#, ["0.1", "99.9"], ["0.09", "100"]),
        (#"{"multipleOf": 0.0001}"#, ["0.0075", "0", "1e300"], ["0.00751"]),
        (#"{"multipleOf": 7}"#, ["49e5", "-7"], ["1e400", "8"]),
        (#"{"minLength": 2, "maxLength": 3}"#, [#""éé""#, #""👍👍""#], [#""a""#, #""abcd""#]),
        (#"{"pattern": "^[a-z]+(-[0-9]{2,3})?$"}"#, [#""ab-12""#, "1"], [#""ab-1""#, #""ab\n""#]),
        (
            #"{"pattern": "(a*)*b|\\d$"}"#, [#""aab""#, #""x7""#],
            [#""aaaaaaaaaaaaaaaaaaaaaaaaaaaaac""#]
        ),
        (
            #"{"format": "ipv4"}"#, [#""127.0.0.1""#],
            [#""256.0.0.1""#, #""1.2.3""#, #""01.2.3.4""#]
        ),
        (
            #"{"format": "ipv6"}"#, [#""::1""#, #""1::2.3.4.5""#],
            [#""1:2""#, #""::1::""#, #"":::""#]
        ),
        (#"{"format": "hostname"}"#, [#""a.b-c""#], [#""-a""#, #""a_b""#, #""a..b""#]),
        (#"{"format": "uri"}"#, [#""https://a/b?c#d""#], [#""/a""#, #""a b:c""#, #""a:%z""#]),
        (
            #"{"format": "uuid"}"#, [#""550e8400-e29b-41d4-a716-446655440000""#],
            [#""550e8400e29b41d4a716446655440000""#]
        ),
        (
            #"{"required": ["a"], "maxProperties": 1}"#, [#"{"a": 1}"#, "[]"],
            ["{}", #"{"a":1,"b":2}"#]
        ),
        (
            #"{"properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "null"}}"#,
            [#"{"a": "", "b": null}"#], [#"{"a": 1}"#, #"{"b": 1}"#]
        ),
        (
            #"{"items": {"minimum": 1}, "minItems": 1, "uniqueItems": true}"#, ["[1, 2]"],
            ["[]", "[0]", "[1, 1.0]"]
        ),
        (#"{"anyOf": [{"type": "null"}, {"minimum": 5}]}"#, ["null", "5", #""x""#], ["4"]),
        (#"{"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]}"#, ["2", "9"], ["6", "5"]),
        (#"{"allOf": [{"minimum": 1}, {"maximum": 2}], "not": {"const": 2}}"#, ["1"], ["0", "2"]),
        (#"{"properties": {"a": false}}"#, ["{}"], [#"{"a": 1}"#]),
    ])
    func value_isJudged(schema text: String, right: [String], wrong: [String]) throws {
        for value in right { #expect(try objections(text, value) == [], "\(text) \(value)") }
        for value in wrong { #expect(try objections(text, value) != [], "\(text) \(value)") }
    }

    @Test func everyObjection_isToldAtOnce_withItsPlaceAndTheCure() throws {
        let text = """
            {"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
             "name": {"type": "string"}, "size": {"type": "integer", "maximum": 9},
             "a/b": {"items": {"enum": ["x", 1]}}}}
            """
        #expect(
            try objections(text, #"{"size": 10, "a/b": ["x", 2], "sise": 1}"#) == [
                "/name: it is missing; say what it is, a string",
                "/sise: there is no such setting; did you mean \"size\"?",
                "/size: \"10\" is out of range; at most 9",
                #"/a~1b/1: "2" is not possible; possible: "x", 1"#,
            ])
    }

    @Test(arguments: [
        (#"{"typ": "string"}"#, "/typ", "did you mean \"type\"?"),
        (##"{"$ref": "#"}"##, "/$ref", "known are: type, enum"),
        (#"{"properties": {"a": {"type": "text"}}}"#, "/properties/a/type", "null, boolean"),
        (#"{"pattern": "(?=a)"}"#, "/pattern", "only \"(?:\" is offered"),
        (#"{"pattern": "a{2000}"}"#, "/pattern", "up to 1000"),
        (#"{"pattern": "((a{999}){999})"}"#, "/pattern", "more than 10000 steps"),
        (#"{"multipleOf": 0}"#, "/multipleOf", "above 0"),
        (#"{"minLength": -1}"#, "/minLength", "a whole number from 0"),
        (#"{"format": "date"}"#, "/format", "hostname, ipv4"),
        (#"{"anyOf": []}"#, "/anyOf", "array of schemas"),
        ("[]", "", "an object, or true or false"),
    ])
    func schemaThatCannotBeKept_isRefused(schema: String, path: String, cure: String) throws {
        let reading = ConfigurationSchema.read(try JSON.parse(schema))
        #expect(reading.schema == nil)
        #expect(reading.objections.map(\.path) == [path])
        #expect(reading.objections.first?.cure.contains(cure) == true, "\(reading.objections)")
    }

    @Test func secretValue_isNeverQuoted() throws {
        let schema = try schema(
            """
            {"properties": {
             "key": {"minLength": 9, "pattern": "^k", "enum": ["a"], "writeOnly": true},
             "other": {"const": "x"}}}
            """)
        let value: JSONValue = ["key": "hunter2", "other": "hunter2"]
        let hidden: Set = [JSONPointer(["other"])]
        let told = schema.objections(to: value, hidden: hidden).map(\.description)
        #expect(told.count == 4)
        #expect(!told.joined().contains("hunter2"))
        #expect(schema.isSecret(JSONPointer(["key"])))
        #expect(!schema.isSecret(JSONPointer(["other"])))
    }

    @Test func defaults_areCollectedThroughObjects() throws {
        let schema = try schema(
            """
            {"default": {"b": 2}, "properties": {"a": {"default": 1}, "b": {"default": 1},
             "c": {"properties": {"d": {"default": null}, "e": {}}}}}
            """)
        #expect(schema.defaults == ["a": 1, "b": 2, "c": ["d": nil]])
    }

    @Test func manifest_isRefused_whenItsDefaultsAreNotAsItsSchemaSays() throws {
        let manifest = try JSON.parse(
            """
            {"name": "a", "version": "1.0.0", "abi": "1.0", "configuration": {
             "defaults": {"n": "x"}, "reload": 1,
             "schema": {"required": ["later"], "properties": {"n": {"type": "integer"}}}}}
            """)
        let reading = Manifest.read(manifest)
        #expect(
            reading.objections.map(\.path) == [
                "/configuration/reload", "/configuration/defaults/n",
            ])
    }
}
