import Foundation
import HTTPWire
import HostModel
import Testing

@testable import PluginHost

struct CloudEventTests {
    private func draft(_ text: String) throws -> EventDraft {
        try CloudEvent.draft(json: try JSON.parse(text))
    }

    /// What goes in comes out: attributes, extensions and data.
    @Test(arguments: [
        #""data":{"a":[1,null]}"#, #""data":"text""#, #""data":[1,2]"#,
        #""datacontenttype":"text/plain","data":"text \u00e4""#,
        #""datacontenttype":"application/octet-stream","data_base64":"AAEC/w==""#,
        #""datacontenttype":"application/vnd.x+json","data":{"b":2}"#,
        #""subject":"order 7","dataschema":"https://x.test/s","comexampleother":5"#,
        #""comexampletrue":true,"data":1"#,
    ])
    func structuredEvent_comesOutAsItWent(in members: String) throws {
        let text =
            #"{"specversion":"1.0","id":"A-1","source":"/x","type":"t.y","# + members
            + #","time":"2026-03-01T12:34:56.789Z"}"#
        var expected = try #require(try JSON.parse(text).object)
        let draft = try draft(text)
        #expect(draft.topic == "external.t.y")
        let event = Event(draft, sequence: 3)
        var told = try #require(CloudEvent.json(of: event).object)
        #expect(told["topic"] == "external.t.y" && told["sequence"] == "3")
        told["topic"] = nil
        told["sequence"] = nil
        if expected["data"] != nil, expected["datacontenttype"] == nil {
            expected["datacontenttype"] = "application/json"
        }
        #expect(told == expected)
    }

    @Test func everyObjection_isTold_atOnce() throws {
        let error = #expect(throws: HostError.self) {
            try draft(
                #"{"specversion":"0.3","id":"","type":7,"time":"yesterday","Upper":"x","#
                    + #""nested":{},"data":1,"data_base64":"?"}"#)
        }
        let reasons = try #require(error).reasons.joined(separator: "\n")
        for part in [
            "\"source\" is missing", "\"specversion\" is \"0.3\"", "\"id\" is empty",
            "\"type\" is a number", "\"time\"", "\"Upper\"", "\"nested\" is an object",
            "data_base64",
        ] {
            #expect(reasons.contains(part), "\(part) in \(reasons)")
        }
        #expect(!reasons.contains("\"type\" is missing"))
    }

    @Test func fields_areDecoded() throws {
        let draft = try CloudEvent.draft(
            fields: [
                ("specversion", "1.0"), ("id", "1"), ("source", "/a%20b%22%E2%82%AC"),
                ("type", "x"), ("topic", "external.deep.er"), ("other", "y"),
            ], contentType: "text/plain; charset=utf-8", data: [104, 105])
        #expect(draft.source == "/a b\"\u{20AC}" && draft.topic == "external.deep.er")
        #expect(draft.contentType == "text/plain; charset=utf-8" && draft.data == [104, 105])
        #expect(draft.attributes?["other"] == "y")
        #expect(CloudEvent.json(of: Event(draft, sequence: 1))["data"] == "hi")
        #expect(throws: HostError.self) {
            try CloudEvent.draft(fields: [("source", "%zz")], contentType: "", data: [])
        }
    }

    @Test(arguments: [
        ("a.b", "external.a.b"), ("external.a", "external.a"),
        ("host.plugin.x", "external.host.plugin.x"),
    ])
    func topic_isAlwaysBelowExternal(wanted: String, topic: String) throws {
        let draft = try draft(
            #"{"specversion":"1.0","id":"1","source":"x","type":"x y","topic":"\#(wanted)"}"#
        )
        #expect(draft.topic == topic)
    }

    @Test func dataThatAreNoJSON_areToldAsBase64() {
        var draft = EventDraft(topic: "a.b", source: "a@1.0.0")
        draft.data = Array("{broken".utf8)
        let json = CloudEvent.json(of: Event(draft, sequence: 1))
        #expect(json["data"] == nil && json["data_base64"] == "e2Jyb2tlbg==")
    }

    @Test func base64_isThatOfFoundation() throws {
        var generator = SystemRandomNumberGenerator()
        for count in 0..<64 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let text = Data(bytes).base64EncodedString()
            #expect(Base64.text(of: bytes) == text)
            #expect(Base64.bytes(of: text) == bytes)
        }
        for text in ["A", "AB", "ABC", "A===", "AB=C", "AB==CD==", "A B=", "====", "=ABC"] {
            #expect(Base64.bytes(of: text) == nil, "\(text)")
        }
    }

    @Test(arguments: [
        ("2026-03-01T12:34:56.789Z", "2026-03-01T12:34:56.789Z"),
        ("2026-03-01t12:34:56z", "2026-03-01T12:34:56.000Z"),
        ("2026-03-01T00:30:00+01:00", "2026-02-28T23:30:00.000Z"),
        ("2026-12-31T23:59:60Z", "2026-12-31T23:59:59.000Z"),
        ("2026-03-01T12:34:56.123456789-00:30", "2026-03-01T13:04:56.123Z"),
    ])
    func moment_isReadInEveryForm(text: String, moment: String) {
        #expect(Timestamp(rfc3339: text)?.description == moment)
    }

    @Test(arguments: [
        "", "2026-03-01", "2026-03-01T12:34:56", "2026-13-01T12:34:56Z", "2026-03-01 12:34:56Z",
        "2026-03-01T12:34:56.Z", "2026-03-01T12:34:56+1:00", "2026-03-01T12:34:56+24:00",
        "2026-02-30T12:34:56Z", "2026-03-01T12:34:56Zx",
    ])
    func otherText_isNoMoment(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test func query_isDecoded_orRefused() {
        #expect(PercentCode.query("a=1&b=x%20y+z&c") == ["a": "1", "b": "x y z", "c": ""])
        #expect(PercentCode.query("a=%") == nil)
        #expect(PercentCode.query("a=%ff") == nil)
        #expect(PercentCode.encoded("a b/>") == "a%20b%2F%3E")
    }
}
