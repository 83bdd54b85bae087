internal import CPluginABI
internal import HTTPWire
internal import HostModel

/// Calls of plugins' methods by an operator.
extension AdminAPI {
    private static let timeoutDefault = 30_000
    private static let timeoutRange = 1...3_600_000

    /// Calls a method of a plugin and tells what it replies.
    ///
    /// - Shape: `{"method", "capability"?, "payload"? | "payload_base64"?,
    ///   "timeout_milliseconds"?}`; answered with `{"plugin", "capability"?, "method",
    ///   "milliseconds", "reply" | "reply_base64"}`, where the latter stands for what is not UTF-8.
    /// - Throws: `daemon_not_running` where nothing serves, and `call_failed` or `call_refused`.
    func call(_ name: PluginName, _ body: JSONValue?) async throws(HostError) -> JSONValue {
        let order = try Self.order(name, body)
        guard manager.server != nil else {
            throw HostError(
                "daemon_not_running", what: "\(Self.shown(order)) was not called",
                why: "no daemon runs on this root", fix: "start one with: host serve")
        }
        _ = try await manager.status(name)
        let begin = ContinuousClock.now
        let log = manager.log
        guard let call = OperatorCall(order, through: manager.switchboard, log: log) else {
            throw Self.failure(order, OperatorCall.Outcome(status: ph_status(PH_FAILED)))
        }
        let outcome = await call.answer()
        guard outcome.status >= PH_OK else { throw Self.failure(order, outcome) }
        let milliseconds = begin.duration(to: .now) / .milliseconds(1)
        var answer: JSONObject = [
            "plugin": .string(name.text), "method": .string(order.method),
            "milliseconds": JSONNumber((milliseconds * 1_000).rounded() / 1_000)
                .map { .number($0) } ?? .null,
        ]
        if !order.capability.isEmpty { answer["capability"] = .string(order.capability) }
        if let text = String(validating: outcome.bytes, as: UTF8.self) {
            answer["reply"] = .string(text)
        } else {
            answer["reply_base64"] = .string(Base64.text(of: outcome.bytes))
        }
        return .object(answer)
    }

    private static func order(
        _ name: PluginName, _ body: JSONValue?
    ) throws(HostError) -> OperatorCall.Order {
        var form = Form(body)
        let method = form.text("method") ?? ""
        let capability = form.text("capability") ?? ""
        let text = form.text("payload")
        let encoded = form.text("payload_base64")
        let milliseconds = form.number("timeout_milliseconds", in: timeoutRange)
        if method.isEmpty || method.utf8.count > OfferedMethod.nameBytesMax {
            form.object("method", "the name of a method")
        }
        if !capability.isEmpty, CapabilityName(capability) == nil {
            form.object("capability", "the name of a capability")
        }
        var payload = Array((text ?? "").utf8)
        if let encoded {
            if let bytes = Base64.bytes(of: encoded), text == nil {
                payload = bytes
            } else {
                form.object("payload_base64", "base64, and alone")
            }
        }
        try form.end()
        return OperatorCall.Order(
            plugin: name, capability: capability, method: method, payload: payload,
            timeoutMilliseconds: UInt32(milliseconds ?? timeoutDefault))
    }

    private static func shown(_ order: OperatorCall.Order) -> String {
        let key = OfferedMethod.Key(capability: order.capability, name: order.method)
        return "method \(Escaping.printable(key.description)) of plugin \"\(order.plugin)\""
    }

    private static func failure(
        _ order: OperatorCall.Order, _ outcome: OperatorCall.Outcome
    ) -> HostError {
        let words = String(decoding: outcome.bytes, as: UTF8.self)
        if outcome.status == ph_status(PH_REFUSED) {
            return HostError(
                "call_refused", what: "\(shown(order)) refused the call (\(outcome.code))",
                why: words.isEmpty ? "it did not say why" : words,
                fix: "see what the plugin says of the method")
        }
        let why = outcome.bytes.isEmpty ? "\(CallWords.text(for: outcome.status))" : words
        let fix =
            switch Int(outcome.status) {
            case PH_NO_METHOD, PH_NO_PROVIDER:
                "see what it provides with: host capabilities; METHOD is NAME or CAPABILITY/NAME"
            case PH_TIMED_OUT: "give it more time with: --timeout SECONDS"
            default: "see: host status \(order.plugin)"
            }
        return HostError("call_failed", what: "\(shown(order)) was not called", why: why, fix: fix)
    }
}
