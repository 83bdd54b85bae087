import Foundation
import Testing

/// The samples that meet through the capability `renderer`.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct RendererTests {
    let root: Root
    let host: HostProcess

    init() throws {
        root = try Root()
        host = try HostProcess(root)
        try root.must("install", #require(Repository.sampleBundle("reader")))
    }

    private func install() throws {
        try root.must("install", #require(Repository.sampleBundle("renderer")))
    }

    private func render(_ document: String) throws -> HTTPResponse {
        try host.client().request(
            "POST", "/plugin/reader/api/render", body: document)
    }

    @Test func reader_saysThatNobodyRenders_andComesBackByItself() throws {
        let without = try render("# Hello")
        #expect(without.status == 503 && without["retry-after"] == "1")
        #expect(without.json?["detail"].string == "nobody provides what the call asks for")
        try install()
        #expect(try render("# Hello").text == "<h1>Hello</h1>\n")
        try root.must("reload", "renderer", "--force")
        #expect(try render("# Hello").text == "<h1>Hello</h1>\n")
        try root.must("remove", "renderer")
        #expect(try render("# Hello").status == 503)
        try root.must(
            "install", #require(Repository.sampleBundle("renderer")), "--allow-tombstoned")
        #expect(try render("# Hello").text == "<h1>Hello</h1>\n")
        let long = try render(String(repeating: "a", count: 65_537))
        #expect(long.status == 413)
    }

    @Test func markdown_becomesHTML() throws {
        try install()
        for (markdown, html) in Self.cases {
            #expect(try render(markdown).text == html, "\(markdown)")
        }
    }

    @Test func whateverIsWritten_isShown_andNothingOfItRuns() throws {
        try install()
        for (markdown, html) in Self.attacks {
            #expect(try render(markdown).text == html, "\(markdown)")
        }
        // What makes naive renderers slow: the answer comes at once, or not at all within 5 s.
        for piece in ["*", "_a ", "[", "[a](", "`` ` ", "> ", "- ", "<a:", "**a*"] {
            let document = String(repeating: piece, count: 65_536 / piece.utf8.count)
            let response = try render(document)
            #expect(response.status == 200, "\(piece)")
        }
    }

    private static let cases = [
        ("one\ntwo  \nthree\\\nfour", "<p>one\ntwo<br>\nthree<br>\nfour</p>\n"),
        ("## Two *em* ##\n\ntext", "<h2>Two <em>em</em></h2>\n<p>text</p>\n"),
        ("#hash", "<p>#hash</p>\n"),
        (
            "**strong** __too__ *em* _em_ ***both*** snake_case_name 2 * 3 * 4",
            "<p><strong>strong</strong> <strong>too</strong> <em>em</em> <em>em</em> "
                + "<em><strong>both</strong></em> snake_case_name 2 * 3 * 4</p>\n"
        ),
        ("*a **b***", "<p><em>a <strong>b</strong></em></p>\n"),
        ("`a < b` ``c ` d``", "<p><code>a &lt; b</code> <code>c ` d</code></p>\n"),
        (
            "```swift\nlet a = b < c\n\n*no*\n```\nafter",
            "<pre><code class=\"language-swift\">let a = b &lt; c\n\n*no*\n</code></pre>\n"
                + "<p>after</p>\n"
        ),
        (
            "- one\n- two\n  - deep\n- three",
            "<ul>\n<li>one</li>\n<li>\n<p>two</p>\n<ul>\n<li>deep</li>\n</ul>\n</li>\n"
                + "<li>three</li>\n</ul>\n"
        ),
        ("3. three\n4. four", "<ol start=\"3\">\n<li>three</li>\n<li>four</li>\n</ol>\n"),
        (
            "> quoted\n> *text*\n\nafter",
            "<blockquote>\n<p>quoted\n<em>text</em></p>\n</blockquote>\n<p>after</p>\n"
        ),
        ("a\n\n---\n\nb", "<p>a</p>\n<hr>\n<p>b</p>\n"),
        (
            "[text](https://example.org/?a=1&b=2) <https://example.org>",
            "<p><a href=\"https://example.org/?a=1&amp;b=2\" rel=\"nofollow noopener\">text</a> "
                + "<a href=\"https://example.org\" rel=\"nofollow noopener\">"
                + "https://example.org</a></p>\n"
        ),
        ("![a \"cat\"](cat.png)", "<p><img src=\"cat.png\" alt=\"a &quot;cat&quot;\"></p>\n"),
        ("\\*plain\\* \\<b>", "<p>*plain* &lt;b&gt;</p>\n"),
        ("größer → ≥", "<p>größer → ≥</p>\n"),
        ("", ""),
    ]

    private static let attacks = [
        (
            "<script>alert(1)</script>",
            "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"
        ),
        ("[x](javascript:alert)", "<p><a href=\"#\" rel=\"nofollow noopener\">x</a></p>\n"),
        ("[x](JavaScript:alert)", "<p><a href=\"#\" rel=\"nofollow noopener\">x</a></p>\n"),
        ("![x](data:text/html,y)", "<p><img src=\"#\" alt=\"x\"></p>\n"),
        (
            "[x](\"onmouseover=\"alert)",
            "<p><a href=\"&quot;onmouseover=&quot;alert\" rel=\"nofollow noopener\">x</a></p>\n"
        ),
        (
            "```\"><script>\n```",
            "<pre><code class=\"language-&quot;&gt;&lt;script&gt;\"></code></pre>\n"
        ),
        ("<vbscript:x>", "<p>&lt;vbscript:x&gt;</p>\n"),
    ]
}
