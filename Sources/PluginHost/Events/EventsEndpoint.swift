internal import HTTPServer
internal import HTTPWire
internal import HostModel

/// Events over HTTP: CloudEvents in, server-sent events out.
///
/// - Shape:
///   ```
///   POST PATH   a CloudEvent: application/cloudevents+json, application/cloudevents-batch+json,
///               or ce- header fields with the data as the body; 204
///   GET  PATH   ?topic=PATTERN &plugin=NAME &since=SEQUENCE; text/event-stream, each event's data
///               a CloudEvent in the JSON format; Last-Event-ID goes on where a client was
///   ```
///   What comes in is published below `external.`, under the attribute `topic` or else `type`.
/// - Source: CloudEvents 1.0.2, HTTP protocol binding.
final class EventsEndpoint: Sendable {
    private let feed: EventFeed
    /// Whether a GET that does not ask for a stream is answered with one.
    private let alwaysStreams: Bool

    init(_ feed: EventFeed, alwaysStreams: Bool) {
        self.feed = feed
        self.alwaysStreams = alwaysStreams
    }

    // MARK: - Out

    private func stream(_ exchange: Exchange) {
        var wish = EventWishes()
        do throws(HostError) {
            var query = try QueryForm(String(decoding: exchange.query))
            wish.pattern = query.pattern("topic") ?? .everything
            wish.plugin = query.name("plugin")
            wish.since = query.number("since", in: 0...Int64.max)
            try query.end()
        } catch {
            return Self.refuse(exchange, 400, error)
        }
        if let last = exchange.firstValue(named: "Last-Event-ID") {
            wish.lastID = LastEventID(String(decoding: last))
        }
        if let response = LiveResponse.begin(exchange) { feed.follow(response, wish) }
    }

    // MARK: - In

    private func take(_ exchange: Exchange) {
        do throws(HostError) {
            let drafts = try drafts(exchange)
            let publisher = feed.bus.publisher(EventBus.outsideName)
            for draft in drafts {
                switch publisher.publish(draft, on: feed.bus) {
                case .accepted, .full: continue
                case .heldUp, .retainsTooMuch:
                    return HostPages.problem(
                        exchange, 503, "A subscriber has no room for this event; try again.",
                        [("Retry-After", "1")])
                }
            }
            HostPages.send(exchange, 204, nil, "")
        } catch {
            Self.refuse(exchange, error.code == "event_unsupported" ? 415 : 400, error)
        }
    }

    private func drafts(_ exchange: Exchange) throws(HostError) -> [EventDraft] {
        let contentType = exchange.firstValue(named: "Content-Type").map { String(decoding: $0) }
        let body = unsafe Array(exchange.body)
        switch Self.mediaType(contentType ?? "") {
        case CloudEvent.contentType:
            let event = try JSON.parse(body, source: "the event", repeatedNames: .lastCounts)
            return [try CloudEvent.draft(json: event)]
        case CloudEvent.batchContentType:
            let batch = try JSON.parse(body, source: "the batch", repeatedNames: .lastCounts)
            guard let events = batch.array else {
                throw CloudEvent.invalid(["a batch is an array, and this is \(batch.kind)"])
            }
            var drafts: [EventDraft] = []
            for event in events { drafts.append(try CloudEvent.draft(json: event)) }
            return drafts
        case let type where type.hasPrefix("application/cloudevents"):
            throw HostError(
                "event_unsupported", what: "events in that format are not read", subject: type,
                why: "this host reads \(CloudEvent.contentType) and \(CloudEvent.batchContentType)",
                fix: "send the JSON format, or ce- header fields")
        default:
            let fields = Self.attributes(exchange)
            guard fields.contains(where: { $0.name == "specversion" }) else {
                throw CloudEvent.invalid([
                    "the Content-Type is not \(CloudEvent.contentType), and there is no field"
                        + " ce-specversion"
                ])
            }
            return [
                try CloudEvent.draft(fields: fields, contentType: contentType ?? "", data: body)
            ]
        }
    }

    /// The fields that begin with `ce-`, without it and in lower case.
    private static func attributes(_ exchange: Exchange) -> [(name: String, value: String)] {
        var attributes: [(name: String, value: String)] = []
        for index in unsafe exchange.fields.indices {
            let field = unsafe exchange.fields[index]
            let name = String(decoding: field.name).lowercased()
            guard name.hasPrefix("ce-") else { continue }
            attributes.append((String(name.dropFirst(3)), String(decoding: field.value)))
        }
        return attributes
    }

    private static func mediaType(_ text: String) -> String {
        String(text.prefix { $0 != ";" && $0 != " " }).lowercased()
    }

    private static func refuse(_ exchange: Exchange, _ status: UInt16, _ error: HostError) {
        let why = error.reasons.joined(separator: "; ")
        HostPages.problem(exchange, status, "\(error.what): \(why).")
    }
}

extension EventsEndpoint: LiveEndpoint {
    /// Answers a request, but for one that wants a list; on the exchange's loop thread.
    func answer(_ exchange: Exchange) -> Bool {
        switch exchange.head.method {
        case .post: take(exchange)
        case .get, .head:
            guard alwaysStreams || LiveResponse.isWanted(exchange) else { return false }
            stream(exchange)
        default:
            guard alwaysStreams else { return false }
            HostPages.problem(
                exchange, 405, "Events are taken with POST and told with GET.",
                [("Allow", "GET, HEAD, POST")])
        }
        return true
    }
}

/// What answers requests to the admin interface by itself, on the loop's thread, with responses
/// that may go on.
protocol LiveEndpoint: Sendable {
    /// - Returns: false when it is not its affair.
    func answer(_ exchange: Exchange) -> Bool
}
