/// One metric with all its series, as Prometheus knows it.
///
/// - Source: the Prometheus documentation, "Metric and label naming": base units, and the unit last
///   in the name; a counter's `_total` is added where it is written.
struct MetricFamily: Sendable {
    enum Kind: String, Sendable {
        case counter, gauge, histogram
        /// A gauge of 1 whose labels tell something; its name ends in `_info` where it is written.
        case info
    }

    struct Sample: Sendable {
        var labels: [Label]
        var value: Value
    }

    struct Label: Sendable {
        var name: String
        var value: String
    }

    enum Value: Sendable {
        case whole(Int)
        case real(Double)
        case distribution(Distribution)
    }

    /// A histogram's counts: not cumulative, one more than there are bounds.
    struct Distribution: Sendable {
        var bounds: [Double]
        var counts: [Int]
        var sum: Double
    }

    let name: String
    let kind: Kind
    let help: String
    var samples: [Sample] = []

    init(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        self.kind = kind
        self.help = help
    }

    /// One that has a single series without labels.
    init(_ name: String, _ kind: Kind, _ help: String, _ value: Int) {
        self.init(name, kind, help)
        add(.whole(value))
    }

    init(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        self.init(name, kind, help)
        add(.real(value))
    }

    mutating func add(_ value: Value, _ labels: (String, String)...) {
        samples.append(
            Sample(labels: labels.map { Label(name: $0.0, value: $0.1) }, value: value))
    }
}
