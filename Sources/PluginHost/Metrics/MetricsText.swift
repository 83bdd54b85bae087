internal import HTTPWire

/// Metrics as text, in one of the two formats that Prometheus reads.
///
/// - Source: Prometheus, "Exposition formats", text format version 0.0.4; OpenMetrics 1.0.
struct MetricsText {
    enum Format: Sendable {
        case prometheus, openMetrics

        var contentType: String {
            switch self {
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }

        /// What a client likes better, by its `Accept`; Prometheus' own unless the other one is
        /// named.
        init(accept: String) {
            var (open, plain) = (0.0, 0.0)
            for element in accept.lowercased().split(separator: ",") {
                let parts = element.split(separator: ";").map { part in
                    String(part.filter { $0 != " " })
                }
                let version = parts.first { $0.hasPrefix("version=") }
                let quality =
                    parts.first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
                if parts.first == "application/openmetrics-text",
                    version == nil || version == "version=1.0.0"
                {
                    open = max(open, quality)
                } else if parts.first == "text/plain" || parts.first == "text/*" {
                    plain = max(plain, quality)
                }
            }
            self = open > 0 && open >= plain ? .openMetrics : .prometheus
        }
    }

    private let format: Format
    private var text = ""

    /// Writes families in their order; one without series is left out.
    static func text(_ families: [MetricFamily], _ format: Format) -> String {
        var writer = MetricsText(format: format)
        for family in families where !family.samples.isEmpty { writer.write(family) }
        if format == .openMetrics { writer.text += "# EOF\n" }
        return writer.text
    }

    private init(format: Format) {
        self.format = format
    }

    private mutating func write(_ family: MetricFamily) {
        let isOpen = format == .openMetrics
        let suffix =
            switch family.kind {
            case .counter: "_total"
            case .info: "_info"
            case .gauge, .histogram: ""
            }
        let name = family.name + suffix
        // OpenMetrics names the family without what its samples end in.
        let title = isOpen ? family.name : name
        let kind = !isOpen && family.kind == .info ? "gauge" : family.kind.rawValue
        text += "# HELP \(title) \(Self.escaped(family.help, quotes: isOpen))\n"
        text += "# TYPE \(title) \(kind)\n"
        for sample in family.samples {
            switch sample.value {
            case .whole(let value): line(name, sample.labels, String(value))
            case .real(let value): line(name, sample.labels, Self.number(value))
            case .distribution(let distribution): write(distribution, name, sample.labels)
            }
        }
    }

    private mutating func write(
        _ distribution: MetricFamily.Distribution, _ name: String, _ labels: [MetricFamily.Label]
    ) {
        var count = 0
        for (index, here) in distribution.counts.enumerated() {
            count += here
            let bound =
                index < distribution.bounds.count ? distribution.bounds[index] : .infinity
            line(
                name + "_bucket",
                labels + [MetricFamily.Label(name: "le", value: Self.number(bound))],
                String(count))
        }
        line(name + "_sum", labels, Self.number(distribution.sum))
        line(name + "_count", labels, String(count))
    }

    private mutating func line(_ name: String, _ labels: [MetricFamily.Label], _ value: String) {
        text += name
        for (index, label) in labels.enumerated() {
            text += index == 0 ? "{" : ","
            text += "\(label.name)=\"\(Self.escaped(label.value, quotes: true))\""
        }
        text += labels.isEmpty ? " " : "} "
        text += value
        text += "\n"
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return value.description
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        guard text.utf8.contains(where: { $0 == 0x5C || $0 == 0x0A || $0 == 0x22 }) else {
            return text
        }
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
