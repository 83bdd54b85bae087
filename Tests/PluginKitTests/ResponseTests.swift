import Testing

@testable import PluginKit

struct ResponseTests {
    @Test func html_isEscaped() {
        #expect(
            #"<a href="x">'&é'</a>"#.escapedForHTML
                == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;é&#39;&lt;/a&gt;")
    }

    @Test func problem_saysStatusTitleAndDetail() {
        let error = HTTPError(.notFound, "there is no note 7", members: [.init("id", 7)])
        #expect(
            String(decoding: error.document, as: UTF8.self)
                == #"{"type":"about:blank","title":"Not Found","status":404,"#
                + #""detail":"there is no note 7","id":7}"#)
        let bare = HTTPError(Status(418))
        #expect(
            String(decoding: bare.document, as: UTF8.self)
                == #"{"type":"about:blank","title":"Error","status":418}"#)
    }

    @Test func invalidFields_areListed() {
        let error = HTTPError.invalid([
            InvalidField("title", "a text"), InvalidField("page", "a number"),
        ])
        #expect(error.status == .unprocessableContent)
        #expect(error.members.first?.value[1]?["field"]?.string == "page")
    }

    @Test(arguments: [
        ("0", 0), ("-7", -7), ("9223372036854775807", Int.max),
        ("-9223372036854775808", Int.min), ("9223372036854775808", nil), ("", nil), ("-", nil),
        ("+1", nil), (" 1", nil), ("1x", nil), ("٣", nil),
    ])
    func wholeNumbers_areRead_strictly(text: String, number: Int?) {
        let bytes = Array(text.utf8)
        #expect(bytes.withUnsafeBufferPointer { decimal($0) } == number)
    }
}
