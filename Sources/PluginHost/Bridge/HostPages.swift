internal import HTTPServer
internal import HTTPWire
internal import HostModel

/// What the host answers by itself: its own pages, and everything that no plugin answers.
///
/// None of this is on the way of a request that a plugin answers, so it may take its time.
enum HostPages {
    // MARK: - Pages

    /// Answers a path that belongs to no plugin.
    static func respond(to exchange: Exchange, _ table: MountTable) {
        let path = String(decoding: exchange.path)
        switch path {
        case "/": get(exchange) { front(exchange, table) }
        case "/healthz":
            get(exchange) { send(exchange, 200, "application/json", #"{"status":"ok"}"#) }
        case "/plugin", "/plugin/": get(exchange) { redirect(exchange, to: "/") }
        case "*": options(exchange, ["GET", "HEAD", "OPTIONS"])
        default: notFound(exchange)
        }
    }

    static let readinessPath: StaticString = "/readyz"

    /// Tells whether everything that should serve does.
    static func readiness(_ exchange: Exchange, _ board: ReadinessBoard?) {
        let readiness = board?.current ?? Readiness()
        get(exchange) {
            send(
                exchange, readiness.isReady ? 200 : 503, "application/json",
                readiness.json.text(), [("Cache-Control", "no-store")])
        }
    }

    /// Whether no operator can mount anything at the path: what the host answers there is not
    /// changed by mounts.
    static func isReserved(_ path: ByteSlice) -> Bool {
        path == "/healthz" || path == readinessPath || path == "/plugin" || path == "/plugin/"
            || path.isEmpty || path[0] != UInt8(ascii: "/")
    }

    /// Lists the plugins, for people and for programs.
    private static func front(_ exchange: Exchange, _ table: MountTable) {
        let mounts = table.mounts.values.sorted { $0.name < $1.name }
        let accepts = exchange.firstValue(named: "Accept") ?? ByteSlice()
        if Accept.best(of: ["text/html", "application/json"], in: accepts) == 1 {
            return send(
                exchange, 200, "application/json", FrontPage.json(mounts),
                [("Vary", "Accept"), ("Cache-Control", "no-cache")])
        }
        send(
            exchange, 200, "text/html; charset=utf-8", FrontPage.html(mounts),
            [
                ("Vary", "Accept"), ("Cache-Control", "no-cache"),
                (
                    "Content-Security-Policy",
                    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
                ),
            ])
    }

    // MARK: - Refusals

    static func notFound(_ exchange: Exchange) {
        problem(
            exchange, 404,
            "There is nothing at \(String(decoding: exchange.path)); `/` lists the plugins.")
    }

    static func noSuchPlugin(_ exchange: Exchange) {
        problem(
            exchange, 404,
            "No plugin is mounted at \(String(decoding: exchange.path)); `/` lists those that are.")
    }

    /// Answers a path or method that the plugin has no route for.
    static func noRoute(_ exchange: Exchange, _ tree: RouteTreeView, _ path: ByteSlice) {
        let allowed = unsafe tree.allowedMethods(path)
        if allowed.isEmpty { return notFound(exchange) }
        if exchange.head.method == .options { return options(exchange, allowed) }
        methodNotAllowed(exchange, allowed)
    }

    static func unavailable(_ exchange: Exchange, _ mount: Mount) {
        switch mount.availability {
        case .unavailable(let seconds):
            problem(
                exchange, 503,
                "The plugin \(mount.name) does not serve at the moment; try again later.",
                [("Retry-After", String(seconds))])
        case .quarantined(let reason):
            problem(
                exchange, 503,
                "The plugin \(mount.name) is quarantined: \(reason); activating it lifts that.")
        case .inactive:
            problem(
                exchange, 503,
                "The plugin \(mount.name) is installed and not active; activating it mends that."
            )
        case .active: notFound(exchange)
        }
    }

    /// Answers before the first table has been published.
    static func starting(_ exchange: Exchange) {
        problem(
            exchange, 503, "The host is starting or stopping; try again soon.",
            [("Retry-After", "1")])
    }

    static func bodyTooLong(_ exchange: Exchange, bytesMax: Int) {
        problem(exchange, 413, "The body has more than \(bytesMax) bytes; send less.")
    }

    /// Answers when a plugin has as many requests as it may have.
    static func busy(_ exchange: Exchange, _ name: PluginName) {
        problem(
            exchange, 503, "The plugin \(name) has as many requests as it takes; try again.",
            [("Retry-After", "1")])
    }

    static func pluginFailed(_ exchange: Exchange) {
        problem(exchange, 500, "The plugin failed to answer; the host's log says how.")
    }

    static func hookFailed(_ exchange: Exchange, _ name: PluginName?) {
        let whose = name.map { "The plugin \($0)" } ?? "A plugin"
        problem(
            exchange, 500, "\(whose) failed in its hook on requests; the host's log says how.")
    }

    // MARK: - Building blocks

    /// Sends the client to the same address with a slash behind, so that relative links work.
    static func addSlash(_ exchange: Exchange) {
        get(exchange) {
            let query = exchange.head.hasQuery ? "?" + String(decoding: exchange.query) : ""
            redirect(exchange, to: String(decoding: exchange.path) + "/" + query)
        }
    }

    private static func redirect(_ exchange: Exchange, to location: String) {
        send(exchange, 308, "text/plain; charset=utf-8", location + "\n", [("Location", location)])
    }

    /// Answers GET and HEAD with `body`, OPTIONS with what is allowed, and refuses the rest.
    private static func get(_ exchange: Exchange, _ body: () -> Void) {
        switch exchange.head.method {
        case .get, .head: body()
        case .options: options(exchange, ["GET", "HEAD", "OPTIONS"])
        default: methodNotAllowed(exchange, ["GET", "HEAD", "OPTIONS"])
        }
    }

    private static func options(_ exchange: Exchange, _ allowed: [String]) {
        send(exchange, 204, nil, "", [("Allow", allowed.joined(separator: ", "))])
    }

    private static func methodNotAllowed(_ exchange: Exchange, _ allowed: [String]) {
        problem(
            exchange, 405,
            "\(String(decoding: exchange.path)) answers \(allowed.joined(separator: ", ")).",
            [("Allow", allowed.joined(separator: ", "))])
    }

    /// Answers with a problem document.
    ///
    /// - Source: RFC 9457.
    static func problem(
        _ exchange: Exchange, _ status: UInt16, _ detail: String,
        _ fields: [(String, String)] = []
    ) {
        send(
            exchange, status, "application/problem+json", document(status, detail, exchange),
            fields)
    }

    /// A problem document about an exchange.
    static func document(_ status: UInt16, _ detail: String, _ exchange: Exchange) -> String {
        let document: JSONValue = [
            "type": "about:blank",
            "title": .string(String(decoding: StatusLine.reason(of: status))),
            "status": .number(JSONNumber(Int64(status))), "detail": .string(detail),
            "instance": .string(String(decoding: exchange.path)),
            "request_id": .string(String(decoding: exchange.requestID)),
        ]
        return document.text()
    }

    /// Sends a whole response; if its fields are refused, a bare 500.
    static func send(
        _ exchange: Exchange, _ status: UInt16, _ contentType: String?, _ body: String,
        _ fields: [(String, String)] = []
    ) {
        var all = fields
        if let contentType { all.append(("Content-Type", contentType)) }
        let result = unsafe OwnedFields.with(all) { fields in
            var body = body
            return body.withUTF8 {
                unsafe exchange.respond(
                    status: status, fields: fields, body: UnsafeRawBufferPointer($0))
            }
        }
        guard result == .fieldRefused else { return }
        let nothing = unsafe UnsafeBufferPointer<HeaderField>(start: nil, count: 0)
        unsafe _ = exchange.respond(
            status: 500, fields: nothing, body: UnsafeRawBufferPointer(start: nil, count: 0))
    }
}

/// Fields made of strings, for responses that need not be fast.
enum OwnedFields {
    /// Calls `body` with the fields, which are valid during the call.
    static func with<R>(
        _ fields: [(String, String)], _ body: (UnsafeBufferPointer<HeaderField>) -> R
    ) -> R {
        let text = fields.flatMap { Array($0.0.utf8) + Array($0.1.utf8) }
        return unsafe text.withUnsafeBytes { bytes in
            var start = 0
            func take(_ count: Int) -> ByteSlice {
                defer { start += count }
                return unsafe ByteSlice(
                    UnsafeRawBufferPointer(rebasing: bytes[start..<(start + count)]))
            }
            let slices = fields.map {
                HeaderField(name: take($0.0.utf8.count), value: take($0.1.utf8.count))
            }
            return unsafe slices.withUnsafeBufferPointer { unsafe body($0) }
        }
    }
}
