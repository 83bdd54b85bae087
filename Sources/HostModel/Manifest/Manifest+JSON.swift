extension Manifest {
    /// What a process that runs the code has to know, in the form of `manifest.json`: all but what
    /// is only the operator's or the file server's.
    public var codeJSON: JSONValue {
        var object: JSONObject = [
            "name": .string(name.text), "version": .string(version.description),
            "abi": .string(abi.description), "description": .string(description),
            "library": ["file": .string(library.file)],
            "services": .array(services.map { .string($0) }),
            "provides": .array(provides.map(Self.json)),
        ]
        object["routes"] = routes.map { .array($0.map(Self.json)) }
        var limits: JSONObject = [:]
        func limit(_ name: String, _ value: Int?) {
            limits[name] = value.map { .number(JSONNumber($0)) }
        }
        limit("startSeconds", self.limits.startSeconds)
        limit("requestSeconds", self.limits.requestSeconds)
        limit("poolThreadsMax", self.limits.poolThreadsMax)
        limit("poolQueueMax", self.limits.poolQueueMax)
        object["limits"] = .object(limits)
        return .object(object)
    }

    private static func json(_ provision: Provision) -> JSONValue {
        [
            "capability": .string(provision.capability.text),
            "version": .string(provision.version.description),
            "priority": .number(JSONNumber(provision.priority)),
            "options": .object(provision.options),
        ]
    }

    private static func json(_ route: Route) -> JSONValue {
        var object: JSONObject = [
            "method": .string(route.method), "pattern": .string(route.pattern),
            "blocking": .bool(route.isBlocking),
        ]
        object["requestSeconds"] = route.requestSeconds.map { .number(JSONNumber($0)) }
        return .object(object)
    }
}
