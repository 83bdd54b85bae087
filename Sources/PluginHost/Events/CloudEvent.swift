import HTTPWire
import HostModel

/// Events as CloudEvents 1.0.
///
/// - Source: the CloudEvents specification 1.0.2, its JSON format and its HTTP binding.
enum CloudEvent {
    static let contentType = "application/cloudevents+json"
    static let batchContentType = "application/cloudevents-batch+json"
    /// The attribute that carries the topic; CloudEvents know none.
    static let topicAttribute = "topic"

    // MARK: - Out

    /// An event in the JSON format.
    ///
    /// - Shape: `sequence` is the extension of that name: a text.
    static func json(of event: Event) -> JSONValue {
        var object: JSONObject = [
            "specversion": "1.0", "id": .string(event.id), "source": .string(event.source),
            "type": .string(event.type),
        ]
        if !event.subject.isEmpty { object["subject"] = .string(event.subject) }
        object["time"] = .string(event.time.description)
        object[topicAttribute] = .string(event.topic)
        if event.sequence > 0 { object["sequence"] = .string(String(event.sequence)) }
        for (name, value) in event.attributes?.members ?? [] { object[name] = value }
        guard !event.data.isEmpty else { return .object(object) }
        object["datacontenttype"] = .string(event.contentType)
        if isJSON(event.contentType), let value = try? JSON.parse(event.data) {
            object["data"] = value
        } else if event.contentType.hasPrefix("text/"),
            let text = String(validating: event.data, as: UTF8.self)
        {
            object["data"] = .string(text)
        } else {
            object["data_base64"] = .string(Base64.text(of: event.data))
        }
        return .object(object)
    }

    static func isJSON(_ contentType: String) -> Bool {
        let type = contentType.prefix { $0 != ";" && $0 != " " }.lowercased()
        return type == "application/json" || type == "text/json" || type.hasSuffix("+json")
    }

    // MARK: - In

    /// Reads one event in the JSON format.
    ///
    /// - Throws: `event_invalid` with every objection.
    static func draft(json: JSONValue) throws(HostError) -> EventDraft {
        guard let object = json.object else {
            throw invalid(["an event is an object, and this is \(json.kind)"])
        }
        var objections: [String] = []
        var attributes: [String: String] = [:]
        var others = JSONObject()
        for (name, value) in object.members where name != "data" && name != "data_base64" {
            guard value != .null else { continue }
            if known.contains(name) {
                if let text = value.string {
                    attributes[name] = text
                } else {
                    objections.append("\"\(name)\" is \(value.kind), not a text")
                }
            } else if !isName(name) {
                objections.append(
                    "\(Escaping.quoted(name)) is no name of an attribute: lower-case letters and"
                        + " digits")
            } else if value.string != nil || value.bool != nil || value.integer != nil {
                others[name] = value
            } else {
                objections.append("\"\(name)\" is \(value.kind), not a text, number or truth value")
            }
        }
        var data: [UInt8] = []
        let contentType = attributes["datacontenttype"] ?? Event.contentTypeOfJSON
        switch (object["data"], object["data_base64"]) {
        case (.some, .some): objections.append("there is \"data\" and \"data_base64\"")
        case (let value?, nil):
            if let text = value.string, !isJSON(contentType) {
                data = Array(text.utf8)
            } else {
                data = Array(value.text().utf8)
            }
        case (nil, let value?):
            if let bytes = value.string.flatMap({ Base64.bytes(of: $0) }) {
                data = bytes
            } else {
                objections.append("\"data_base64\" is no base64")
            }
        case (nil, nil): break
        }
        return try draft(attributes, others, data, objections)
    }

    /// Reads one event whose attributes are header fields, without their `ce-`.
    ///
    /// - Throws: `event_invalid` with every objection.
    static func draft(
        fields: [(name: String, value: String)], contentType: String, data: [UInt8]
    ) throws(HostError) -> EventDraft {
        var objections: [String] = []
        var attributes: [String: String] = [:]
        var others = JSONObject()
        for (name, value) in fields {
            guard let text = PercentCode.decoded(value) else {
                objections.append("ce-\(name) is not encoded as it should be")
                continue
            }
            if known.contains(name), name != "datacontenttype" {
                attributes[name] = text
            } else if isName(name) {
                others[name] = .string(text)
            } else {
                objections.append("ce-\(name) is no name of an attribute")
            }
        }
        if !contentType.isEmpty { attributes["datacontenttype"] = contentType }
        return try draft(attributes, others, data, objections)
    }

    private static let known: Set<String> = [
        "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema",
        topicAttribute,
    ]

    /// - Source: CloudEvents 1.0.2, "Naming Conventions": at most 20 characters are advised.
    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 64
            && name.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
            }
    }

    private static func draft(
        _ attributes: [String: String], _ others: JSONObject, _ data: [UInt8],
        _ found: [String]
    ) throws(HostError) -> EventDraft {
        var objections = found
        for name in ["specversion", "id", "source", "type"] where attributes[name] == nil {
            if !found.contains(where: { $0.hasPrefix("\"\(name)\"") }) {
                objections.append("\"\(name)\" is missing")
            }
        }
        if let version = attributes["specversion"], version != "1.0" {
            objections.append("\"specversion\" is \(Escaping.quoted(version)); this host reads 1.0")
        }
        for (name, text) in attributes.sorted(by: { $0.key < $1.key }) {
            if text.isEmpty { objections.append("\"\(name)\" is empty") }
            if text.utf8.count > EventLimits.textBytesMax {
                objections.append("\"\(name)\" has more than \(EventLimits.textBytesMax) bytes")
            }
            if !text.unicodeScalars.allSatisfy(\.isText) {
                objections.append("\"\(name)\" has control characters")
            }
        }
        let time = attributes["time"].map { Timestamp(rfc3339: $0) } ?? .now
        if time == nil { objections.append("\"time\" is no moment of RFC 3339") }
        if data.count > EventLimits.dataBytesMax {
            objections.append("the data have more than \(EventLimits.dataBytesMax) bytes")
        }
        let topic = topic(attributes)
        if topic == nil {
            objections.append(
                attributes[topicAttribute] == nil
                    ? "\"type\" can be no topic, and there is no \"\(topicAttribute)\""
                    : "\"\(topicAttribute)\" is no topic: " + Topic.shape)
        }
        guard objections.isEmpty, let topic, let time else { throw invalid(objections) }
        var draft = EventDraft(topic: topic, source: attributes["source"] ?? "")
        draft.id = attributes["id"]
        draft.type = attributes["type"] ?? ""
        draft.subject = attributes["subject"] ?? ""
        draft.contentType = attributes["datacontenttype"] ?? ""
        draft.time = time
        draft.data = data
        var rest = others
        rest["sequence"] = nil
        rest["dataschema"] = attributes["dataschema"].map { .string($0) }
        draft.attributes = rest.count == 0 ? nil : rest
        return draft
    }

    /// Where an event from outside is published: below `external.`, whatever it says.
    private static func topic(_ attributes: [String: String]) -> String? {
        guard let wanted = attributes[topicAttribute] ?? attributes["type"] else {
            return "external"
        }
        let prefix = EventBus.outsideName + "."
        let topic = wanted.hasPrefix(prefix) ? wanted : prefix + wanted
        return Topic.isValid(Array(topic.utf8)) ? topic : nil
    }

    static func invalid(_ objections: [String]) -> HostError {
        HostError(
            "event_invalid", what: "the event was not understood", why: objections,
            fix: "send a CloudEvent 1.0, in the JSON format or with ce- header fields")
    }
}
