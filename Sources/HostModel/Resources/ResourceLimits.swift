/// Something that a plugin uses up.
public enum Resource: String, Hashable, Sendable, CaseIterable {
    /// Of one processor, in percent.
    case cpu
    /// In bytes.
    case memory
    case threads
    case descriptors
    /// Requests that it has not completed.
    case inFlight = "in_flight"
}

/// How much of each resource a plugin may use, and what is done when it uses more.
public struct ResourceLimits: Hashable, Sendable {
    /// What is done when a limit is exceeded.
    public enum Action: String, Hashable, Sendable, CaseIterable {
        /// It is told: in the log, as an event and as a metric.
        case warn
        /// It also gets one request at a time, until it is within its limits again.
        case throttle
        /// It also runs in a process of its own from then on.
        case isolate
        /// It is also deactivated.
        case stop
    }

    public var cpuPercentMax: Int?
    public var memoryBytesMax: Int?
    public var threadsMax: Int?
    public var descriptorsMax: Int?
    public var inFlightMax: Int?
    /// Nil: `warn`.
    public var action: Action?

    public init() {}

    /// The members that are limits, as they are written in files.
    static var fields: [(name: String, field: WritableKeyPath<ResourceLimits, Int?>)] {
        [
            ("cpuPercentMax", \.cpuPercentMax), ("memoryBytesMax", \.memoryBytesMax),
            ("threadsMax", \.threadsMax), ("descriptorsMax", \.descriptorsMax),
            ("inFlightMax", \.inFlightMax),
        ]
    }

    public static let range = 1...(1 << 50)

    /// The limit of one resource; nil: there is none.
    public subscript(resource: Resource) -> Int? {
        switch resource {
        case .cpu: cpuPercentMax
        case .memory: memoryBytesMax
        case .threads: threadsMax
        case .descriptors: descriptorsMax
        case .inFlight: inFlightMax
        }
    }

    /// Whether nothing is limited.
    public var isEmpty: Bool { Resource.allCases.allSatisfy { self[$0] == nil } }

    /// The same, with whatever somebody else says instead.
    public func changed(by other: ResourceLimits) -> ResourceLimits {
        var changed = self
        for (_, field) in Self.fields {
            if let value = other[keyPath: field] { changed[keyPath: field] = value }
        }
        changed.action = other.action ?? action
        return changed
    }
}

extension ManifestReader {
    /// What a plugin may use.
    ///
    /// - Shape: `{"cpuPercentMax"?, "memoryBytesMax"?, "threadsMax"?, "descriptorsMax"?,
    ///   "inFlightMax"?, "action"?: "warn"|"throttle"|"isolate"|"stop"}`.
    mutating func resources(_ value: JSONValue?, at path: String) -> ResourceLimits {
        var limits = ResourceLimits()
        let keys = ResourceLimits.fields.map(\.name) + ["action"]
        guard let value, let object = object(value, at: path, keys: keys) else { return limits }
        for (name, field) in ResourceLimits.fields {
            limits[keyPath: field] = integer(object, name, ResourceLimits.range, at: path)
        }
        if let action = object["action"] {
            let choices = ResourceLimits.Action.allCases.map(\.rawValue).joined(separator: ", ")
            limits.action = shaped(
                action, at: path + "/action", "an action is one of: \(choices)",
                ResourceLimits.Action.init)
        }
        return limits
    }
}
