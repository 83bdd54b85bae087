import HostModel

/// `GET /hooks`: what hangs on each point.
///
/// - Shape:
///   ```
///   {"points": [{"point", "hooks": [{"plugin", "version", "generation", "kind", "priority",
///     "on_failure": "fail"|"skip"|"disable", "failures_max"?, "calls", "failures", "disabled",
///     "pooled"}, ...]}, ...]}
///   ```
///   The hooks of a point are in the order in which they enter.
extension Hooks {
    var json: JSONValue {
        let points = listed.map { point, hooks -> JSONValue in
            ["point": .string(point.description), "hooks": .array(hooks.map(\.json))]
        }
        return ["points": .array(points)]
    }
}

extension RegisteredHook {
    fileprivate var json: JSONValue {
        func number(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
        var object: JSONObject = [
            "plugin": .string(member.name.text), "version": .string(member.version.description),
            "generation": number(Int(clamping: member.number)),
            "kind": .string("\(options.kind)"), "priority": number(Int(options.priority)),
        ]
        switch options.policy {
        case .fail: object["on_failure"] = "fail"
        case .skip: object["on_failure"] = "skip"
        case .disable(let count):
            object["on_failure"] = "disable"
            object["failures_max"] = number(count)
        }
        object["calls"] = number(callCount)
        object["failures"] = number(failureCount)
        object["disabled"] = .bool(isDisabled)
        object["pooled"] = .bool(isPooled)
        return .object(object)
    }
}
