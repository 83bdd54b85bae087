import HostModel
import Testing

@Suite struct HostErrorTests {
    private let error = HostError(
        "abi_unsupported", what: "plugin \"metrics\" was not loaded", subject: "lib/libmetrics.so",
        why: ["it needs ABI 3; this host offers 1 to 2", "it was built for aarch64"],
        fix: "rebuild it", systemError: 8)

    @Test func error_printsWhatWhyAndFix_onALineEach() {
        #expect(
            error.description == """
                error: plugin "metrics" was not loaded (lib/libmetrics.so)
                  why: it needs ABI 3; this host offers 1 to 2
                  why: it was built for aarch64
                  fix: rebuild it
                """)
    }

    @Test func error_isTheSame_afterATripThroughJSON() throws {
        #expect(try HostError(json: try JSON.parse(error.json.text())) == error)
        let bare = HostError("x", what: "y")
        #expect(try HostError(json: bare.json) == bare)
        #expect(bare.json.text() == #"{"error":{"code":"x","what":"y","why":[],"fix":""}}"#)
    }

    @Test func error_isRefused_whenTheJSONIsNoError() {
        #expect(throws: HostError.self) { try HostError(json: ["error": ["code": 1]]) }
        #expect(throws: HostError.self) { try HostError(json: []) }
    }

    @Test func textFromOutside_cannotForgeALineOrColours() {
        let hostile = HostError("x", what: "a\n  fix: rm -rf /\u{1B}[31m\u{202E}", why: "b\r\0")
        #expect(
            hostile.description
                == "error: a\\n  fix: rm -rf /\\u{1B}[31m\\u{202E}\n  why: b\\r\\u{0}")
    }

    @Test func secondFailure_isToldBesideTheFirst() {
        let both = error.also(HostError("y", what: "it stayed", why: "busy"), during: "cleanup")
        #expect(both.code == error.code)
        #expect(both.reasons.last == "also, cleanup failed: it stayed: busy")
    }

    @Test func manyReasons_areTold_upToALimit_andCounted() throws {
        func failure(_ count: Int) -> HostError {
            HostError("x", what: "x", why: (0..<count).map { "\($0)" })
        }
        #expect(failure(64).reasons.count == 64)
        #expect(failure(65).reasons.last == "64")
        #expect(failure(66).reasons.suffix(2) == ["63", "and 2 more"])
        let many = failure(100_000)
        #expect(many.reasons.count == 65)
        #expect(many.reasons.last == "and 99936 more")
        #expect(try HostError(json: many.json) == many)
    }
}
