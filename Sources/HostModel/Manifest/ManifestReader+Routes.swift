/// Reads `routes` and `limits`: what is served, and what it may take.
extension ManifestReader {
    mutating func routes(_ value: JSONValue?) -> [Manifest.Route]? {
        guard value != nil else { return nil }
        var result: [Manifest.Route] = []
        var seen: Set<String> = []
        let elements = list(value, at: "/routes", max: ManifestLimit.routesMax)
        for (index, element) in elements.enumerated() {
            let path = "/routes/\(index)"
            guard let route = route(element, at: path) else { continue }
            if !seen.insert(route.description).inserted {
                refuse(path, "\(Escaping.quoted(route.description)) is listed twice", "remove one")
            }
            result.append(route)
        }
        return result
    }

    private mutating func route(_ value: JSONValue, at path: String) -> Manifest.Route? {
        let keys = ["method", "pattern", "blocking", "requestSeconds"]
        guard let object = object(value, at: path, keys: keys) else { return nil }
        let method = required(object, "method", under: path, cure: "add \"method\": \"GET\"")
            .flatMap {
                shaped($0, at: path + "/method", "a method is upper-case letters, such as GET") {
                    !$0.isEmpty && $0.utf8.count <= 32
                        && $0.utf8.allSatisfy({ $0 >= 0x41 && $0 <= 0x5A || $0 == 0x2D }) ? $0 : nil
                }
            }
        let pattern = required(object, "pattern", under: path, cure: "add \"pattern\": \"/hello\"")
            .flatMap {
                shaped(
                    $0, at: path + "/pattern",
                    "a pattern begins with a slash and has at most \(ManifestLimit.patternBytesMax)"
                        + " bytes, none of them a space or control character"
                ) {
                    $0.hasPrefix("/") && $0.utf8.count <= ManifestLimit.patternBytesMax
                        && $0.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) ? $0 : nil
                }
            }
        guard let method, let pattern else { return nil }
        var route = Manifest.Route(method: method, pattern: pattern)
        if let blocking = object["blocking"] {
            if blocking.bool == nil {
                refuse(path + "/blocking", "this is \(blocking.kind)", "write true or false")
            }
            route.isBlocking = blocking.bool ?? false
        }
        route.requestSeconds = integer(
            object, "requestSeconds", Manifest.Limits.requestSecondsRange, at: path)
        return route
    }

    mutating func limits(_ value: JSONValue?) -> Manifest.Limits {
        var result = Manifest.Limits()
        let keys = [
            "drainSeconds", "startSeconds", "bodyBytesMax", "requestSeconds", "concurrencyMax",
            "poolThreadsMax", "poolQueueMax", "heartbeatSeconds", "overlapSeconds",
            "handOverSeconds",
        ]
        guard let value, let object = object(value, at: "/limits", keys: keys) else {
            return result
        }
        typealias Limits = Manifest.Limits
        func read(_ key: String, _ range: ClosedRange<Int>) -> Int? {
            integer(object, key, range, at: "/limits")
        }
        result.drainSeconds = read("drainSeconds", Limits.drainSecondsRange)
        result.startSeconds = read("startSeconds", Limits.startSecondsRange)
        result.bodyBytesMax = read("bodyBytesMax", Limits.bodyBytesRange)
        result.requestSeconds = read("requestSeconds", Limits.requestSecondsRange)
        result.concurrencyMax = read("concurrencyMax", Limits.concurrencyRange)
        result.poolThreadsMax = read("poolThreadsMax", Limits.poolThreadsRange)
        result.poolQueueMax = read("poolQueueMax", Limits.poolQueueRange)
        result.heartbeatSeconds = read("heartbeatSeconds", Limits.heartbeatSecondsRange)
        result.overlapSeconds = read("overlapSeconds", Limits.overlapSecondsRange)
        result.handOverSeconds = read("handOverSeconds", Limits.handOverSecondsRange)
        return result
    }
}
