import PluginKit
import Testing

struct CodableTests {
    struct Inner: Codable, Equatable {
        var numbers: [Int?]
        var names: [String: UInt8]
    }

    struct Outer: Codable, Equatable {
        enum Kind: String, Codable { case small, large }

        var title: String
        var kind: Kind
        var ratio: Float
        var big: Int64
        var isDone: Bool
        var note: String?
        var inner: Inner?
    }

    class Base: Encodable {
        let first = 1
    }

    final class Derived: Base {
        enum CodingKeys: String, CodingKey { case second }
        let second = 2

        override func encode(to encoder: any Encoder) throws {
            try super.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(second, forKey: .second)
        }
    }

    private static func outer(_ inner: String) -> String {
        #"{"title":"a","kind":"small","ratio":1,"big":1,"isDone":true,"inner":\#(inner)}"#
    }

    private func text(_ json: JSON) -> String { String(decoding: json.bytes, as: UTF8.self) }

    @Test func value_becomesJSON_inTheOrderOfItsProperties() throws {
        let value = Outer(
            title: "a", kind: .large, ratio: 0.5, big: -7, isDone: true, note: nil,
            inner: Inner(numbers: [1, nil], names: ["x": 255]))
        let json = try JSON(encoding: value)
        #expect(
            text(json)
                == #"{"title":"a","kind":"large","ratio":0.5,"big":-7,"isDone":true,"#
                + #""inner":{"numbers":[1,null],"names":{"x":255}}}"#)
        #expect(try json.decode(Outer.self) == value)
    }

    @Test func simpleValues_andInheritance_areEncoded() throws {
        #expect(text(try JSON(encoding: [1, 2])) == "[1,2]")
        #expect(text(try JSON(encoding: "x")) == #""x""#)
        #expect(text(try JSON(encoding: [String]())) == "[]")
        #expect(text(try JSON(encoding: UInt64.max)) == "1.8446744073709552e+19")
        #expect(text(try JSON(encoding: Derived())) == #"{"first":1,"second":2}"#)
    }

    @Test(arguments: [
        (#"{"kind":"large"}"#, "title", "must be there"),
        (#"{"title":7}"#, "title", "must be a text"),
        (
            #"{"title":"a","kind":"huge"}"#, "kind",
            "Cannot initialize Kind from invalid String value huge"
        ),
        (
            outer(#"{"numbers":[1,"x"]}"#),
            "inner.numbers.1",
            "must be a whole number from -9223372036854775808 to 9223372036854775807"
        ),
        (
            outer(#"{"numbers":[],"names":{"x":256}}"#), "inner.names.x",
            "must be a whole number from 0 to 255"
        ),
        ("[]", "", "must be an object"),
    ])
    func fieldThatDoesNotFit_isNamed(document: String, field: String, message: String) throws {
        let error = #expect(throws: HTTPError.self) {
            try JSON(parsing: document).decode(Outer.self)
        }
        #expect(error?.status == .unprocessableContent)
        let first = error?.members.first?.value[0]
        #expect(first?["field"]?.string == field)
        #expect(first?["message"]?.string == message)
    }
}
