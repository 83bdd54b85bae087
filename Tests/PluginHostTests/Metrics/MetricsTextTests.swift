import Testing

@testable import PluginHost

@Suite struct MetricsTextTests {
    private func text(_ family: MetricFamily, _ format: MetricsText.Format) -> String {
        MetricsText.text([family], format)
    }

    @Test func counter_isNamedTotal_inBothFormats() {
        let family = MetricFamily("calls", .counter, "All calls.", 3)
        #expect(
            text(family, .prometheus) == """
                # HELP calls_total All calls.
                # TYPE calls_total counter
                calls_total 3

                """)
        #expect(
            text(family, .openMetrics) == """
                # HELP calls All calls.
                # TYPE calls counter
                calls_total 3
                # EOF

                """)
    }

    @Test func information_isAGauge_whereThereIsNoSuchKind() {
        var family = MetricFamily("build", .info, "Which.")
        family.add(.whole(1), ("version", "1"))
        #expect(text(family, .prometheus).contains("# TYPE build_info gauge\nbuild_info{"))
        #expect(text(family, .openMetrics).contains("# TYPE build info\nbuild_info{"))
    }

    @Test func bucketsOfAHistogram_addUp() {
        var family = MetricFamily("time_seconds", .histogram, "How long.")
        family.add(
            .distribution(.init(bounds: [0.000_025, 1], counts: [2, 0, 5], sum: 12.5)),
            ("plugin", "a"))
        #expect(
            text(family, .prometheus).hasSuffix(
                """
                time_seconds_bucket{plugin="a",le="2.5e-05"} 2
                time_seconds_bucket{plugin="a",le="1.0"} 2
                time_seconds_bucket{plugin="a",le="+Inf"} 7
                time_seconds_sum{plugin="a"} 12.5
                time_seconds_count{plugin="a"} 7

                """))
    }

    @Test func textOfOthers_isEscaped() {
        var family = MetricFamily("a", .gauge, "one\\two\nthree \"four\"")
        family.add(.real(.nan), ("label", "x\"y\\z\n"))
        #expect(
            text(family, .prometheus) == """
                # HELP a one\\\\two\\nthree "four"
                # TYPE a gauge
                a{label="x\\"y\\\\z\\n"} NaN

                """)
        #expect(text(family, .openMetrics).contains("three \\\"four\\\""))
    }

    @Test func familyWithoutSeries_isLeftOut() {
        #expect(text(MetricFamily("a", .gauge, "None."), .prometheus).isEmpty)
    }

    @Test(arguments: [
        ("", "text/plain"), ("*/*", "text/plain"), ("application/openmetrics-text", "application"),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4", "text/plain"),
        (
            "application/openmetrics-text; version=1.0.0, text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application"
        ),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", "text/plain"),
    ])
    func client_getsTheFormatThatItLikes(accept: String, type: String) {
        #expect(MetricsText.Format(accept: accept).contentType.hasPrefix(type))
    }
}
