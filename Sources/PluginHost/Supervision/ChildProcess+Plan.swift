internal import HostModel

/// A plan as it crosses to the supervisor, which starts the child.
extension ChildProcess.Plan {
    /// All but the descriptors, which go beside it.
    var json: JSONObject {
        var environment: JSONObject = [:]
        for (key, value) in self.environment.sorted(by: { $0.key < $1.key }) {
            environment[key] = .string(value)
        }
        return [
            "path": .string(executable), "arguments": .strings(arguments),
            "environment": .object(environment),
            "directory": directory.map { .string($0) } ?? .null,
            "listens": .bool(listensOnDescriptors),
        ]
    }

    init?(json: JSONValue) {
        guard let path = json["path"]?.string, let arguments = json["arguments"]?.array,
            let environment = json["environment"]?.object
        else { return nil }
        self.init(executable: path, arguments: arguments.compactMap(\.string))
        for (key, value) in environment.members { self.environment[key] = value.string }
        directory = json["directory"]?.string
        listensOnDescriptors = json["listens"]?.bool == true
    }
}
