/// What a plugin uses at one moment.
public struct ResourceUsage: Hashable, Sendable {
    /// Of one processor, since the look before.
    public var cpuPercent: Double
    public var memoryBytes: Int
    public var threads: Int
    /// Nil where that is not known.
    public var descriptors: Int?
    public var inFlight: Int

    public init(
        cpuPercent: Double, memoryBytes: Int, threads: Int, descriptors: Int?, inFlight: Int
    ) {
        self.cpuPercent = cpuPercent
        self.memoryBytes = memoryBytes
        self.threads = threads
        self.descriptors = descriptors
        self.inFlight = inFlight
    }

    /// How much of one resource; nil where that is not known.
    public subscript(resource: Resource) -> Double? {
        switch resource {
        case .cpu: cpuPercent
        case .memory: Double(memoryBytes)
        case .threads: Double(threads)
        case .descriptors: descriptors.map(Double.init)
        case .inFlight: Double(inFlight)
        }
    }
}

/// Follows what a plugin uses, and says when it begins and ceases to exceed its limits.
///
/// One look too many means nothing: only a limit that is exceeded at several looks in a row counts.
public struct ResourceJudge: Hashable, Sendable {
    /// How many looks in a row it takes.
    public static let looksMin = 2

    /// A limit that has just come to be exceeded.
    public struct Excess: Hashable, Sendable {
        public var resource: Resource
        public var value: Double
        public var limit: Int

        public init(resource: Resource, value: Double, limit: Int) {
            self.resource = resource
            self.value = value
            self.limit = limit
        }
    }

    private var looks: [Resource: Int] = [:]
    /// The resources of which it uses too much.
    public private(set) var exceeded: Set<Resource> = []

    public init() {}

    /// Takes in a look.
    ///
    /// - Returns: what it exceeds from now on, and what no longer.
    public mutating func judge(
        _ usage: ResourceUsage, _ limits: ResourceLimits
    ) -> (begun: [Excess], ended: [Resource]) {
        var begun: [Excess] = []
        var ended: [Resource] = []
        for resource in Resource.allCases {
            guard let limit = limits[resource], let value = usage[resource],
                value > Double(limit)
            else {
                looks[resource] = nil
                if exceeded.remove(resource) != nil { ended.append(resource) }
                continue
            }
            looks[resource, default: 0] += 1
            guard looks[resource, default: 0] >= Self.looksMin,
                exceeded.insert(resource).inserted
            else { continue }
            begun.append(Excess(resource: resource, value: value, limit: limit))
        }
        return (begun, ended)
    }
}
