internal import Glibc
internal import HTTPServer
internal import HTTPWire
package import HostModel
internal import Synchronization

/// One request to the admin interface.
package struct AdminRequest: Sendable {
    package let method: String
    /// The path, percent-decoded.
    package let path: String
    /// What follows the `?`, decoded.
    package let query: [String: String]
    /// nil: there was no body.
    package let body: JSONValue?
}

/// The admin interface's door: HTTP and JSON on a Unix socket that only its owner may use.
///
/// It has a reactor of its own, so that nothing that an operator asks for delays a client. What it
/// is asked is answered by a closure in a task; the reactor waits for none.
package final class AdminServer: Sendable {
    /// Carries out a request; what it throws is sent with the status that `status` gives.
    package typealias Answer = @Sendable (AdminRequest) async throws(HostError) -> JSONValue

    /// The largest body of a request.
    static let bodyBytesMax = 1 << 20
    private static let drainSeconds = 5.0

    private let server: HTTPServer
    private let application: AdminApplication
    private let path: String
    /// The sockets beside it that are removed in the end.
    private let furtherPaths = Mutex<[String]>([])

    /// Takes the socket; nobody is answered before `start`.
    ///
    /// - Parameters:
    ///   - path: where the socket is to be; its root's lock must be held.
    ///   - lent: the socket, where another process has made it for this one.
    ///   - top: the process that those of plugins descend from, which are not answered.
    ///   - status: the HTTP status of an error.
    ///   - methods: the methods that a path takes, which are told with status 405.
    /// - Throws: `HostError` with code `admin_socket_failed`.
    package init(
        path: String, lent: Int32? = nil, top: Int32 = getpid(),
        status: @escaping @Sendable (HostError) -> UInt16,
        methods: @escaping @Sendable (String) -> [String] = { _ in [] }, answer: @escaping Answer
    ) throws(HostError) {
        self.path = path
        application = try AdminApplication(
            kin: PluginKin(top: top), status: status, methods: methods, answer: answer)
        var configuration = ServerConfiguration()
        configuration.reactorCount = 1
        configuration.connectionsMax = 256
        // No plugin's code is called here.
        configuration.inlineBudgetMilliseconds = 0
        do throws(ServerError) {
            server = try HTTPServer(configuration: configuration, application: application)
        } catch {
            throw Self.failure(error, path)
        }
        let descriptor = if let lent { lent } else { try AdminSocket.listen(at: path) }
        do throws(ServerError) {
            try server.adopt([descriptor])
        } catch {
            throw Self.failure(error, path)
        }
    }

    /// Opens further doors; before `start`.
    ///
    /// - Parameter lent: what `AdminDoors.open` has opened, where that was another process.
    /// - Returns: where they are, as URLs or `unix:PATH`.
    /// - Throws: `token_missing`, `listen_failed` or `admin_socket_failed`.
    func open(
        _ doors: AdminDoors, lent: [Int32], by certificates: TLSCertificates?
    ) throws(HostError) -> [String] {
        try doors.check()
        application.admit(doors)
        let isLent = lent.count == doors.sockets.count + doors.addresses.count
        let descriptors = isLent ? lent : try doors.open()
        if !isLent { furtherPaths.withLock { $0 = doors.sockets } }
        let first = server.listeners.count + doors.sockets.count
        do throws(ServerError) {
            try server.adopt(descriptors)
        } catch {
            throw Self.failure(error, doors.sockets.first ?? path)
        }
        if let certificates, !doors.addresses.isEmpty {
            server.secure(Set(first..<server.listeners.count), by: certificates)
        }
        return doors.sockets.map { "unix:\($0)" }
            + zip(doors.addresses, descriptors.dropFirst(doors.sockets.count)).map {
                "https://\($0.resolved(by: $1))"
            }
    }

    /// Has requests for a path answered by somebody else; before `start`.
    func add(_ endpoint: any LiveEndpoint, at path: String) { application.add(endpoint, at: path) }

    /// Begins to answer.
    package func start() throws(HostError) {
        application.begin(server)
        do throws(ServerError) {
            try server.start()
        } catch {
            throw Self.failure(error, path)
        }
    }

    /// Removes the socket, lets running requests end for a few seconds, and closes.
    ///
    /// - Parameter isBequeathed: whether another process goes on with the sockets, so that they
    ///   stay.
    package func stop(isBequeathed: Bool = false) async {
        if !isBequeathed {
            for path in [path] + furtherPaths.withLock({ $0 }) { _ = unsafe unlink(path) }
        }
        await server.stop(drainSeconds: Self.drainSeconds)
        application.end()
    }

    /// The value of `Allow`; HEAD is answered wherever GET is.
    fileprivate static func allow(_ methods: [String]) -> String {
        methods.flatMap { $0 == "GET" ? [$0, "HEAD"] : [$0] }.joined(separator: ", ")
    }

    fileprivate static let queryInvalid = HostError(
        "request_invalid", what: "the request was not understood",
        why: "its query is not encoded as it should be", fix: "encode it as a form does")

    private static func failure(_ error: ServerError, _ path: String) -> HostError {
        HostError(
            "admin_socket_failed", what: "the admin interface cannot be offered", subject: path,
            why: error.reasons, fix: error.remedy,
            systemError: error.errno == 0 ? nil : error.errno)
    }
}

/// Turns exchanges into admin requests and results into responses.
private final class AdminApplication: Application, @unchecked Sendable {  // because of its mutex
    private let status: @Sendable (HostError) -> UInt16
    private let methods: @Sendable (String) -> [String]
    private let answer: AdminServer.Answer
    private let control: ControlThread
    private let kin: PluginKin
    /// Kept while it runs: a task that answers late needs the server's memory.
    private let server = Mutex<HTTPServer?>(nil)
    private let live = Mutex<[String: any LiveEndpoint]>([:])
    private let doors = Mutex(AdminDoors())

    init(
        kin: PluginKin, status: @escaping @Sendable (HostError) -> UInt16,
        methods: @escaping @Sendable (String) -> [String], answer: @escaping AdminServer.Answer
    ) throws(HostError) {
        self.kin = kin
        control = try ControlThread()
        self.status = status
        self.methods = methods
        self.answer = answer
    }

    func add(_ endpoint: any LiveEndpoint, at path: String) {
        live.withLock { $0[path] = endpoint }
    }

    func admit(_ doors: AdminDoors) { self.doors.withLock { $0 = doors } }

    func begin(_ server: HTTPServer) { self.server.withLock { $0 = server } }
    func end() { server.withLock { $0 = nil } }

    override func route(_ exchange: Exchange) -> Disposition {
        let doors = doors.withLock { $0 }
        if let user = exchange.peerUserID {
            guard doors.admits(user: user) else {
                HostPages.problem(
                    exchange, 403,
                    "The admin interface answers the host's user, root, and whom --admin-uid names."
                )
                return .responded
            }
            guard exchange.peerProcessID.map(kin.includes) != true else {
                HostPages.problem(
                    exchange, 403,
                    "The admin interface does not answer a plugin's process that is confined.")
                return .responded
            }
        } else if !showsToken(exchange, doors) {
            HostPages.problem(
                exchange, 401, "The admin interface wants its token: Authorization: Bearer TOKEN.",
                [("WWW-Authenticate", "Bearer")])
            return .responded
        }
        return .buffered(bodyBytesMax: AdminServer.bodyBytesMax)
    }

    private func showsToken(_ exchange: Exchange, _ doors: AdminDoors) -> Bool {
        guard let value = exchange.firstValue(named: "authorization") else { return false }
        return doors.token?.isShown(by: String(decoding: value)) == true
    }

    override func handle(_ exchange: Exchange) {
        let isHead = exchange.head.method == .head
        let method = isHead ? "GET" : String(decoding: exchange.head.methodName)
        let path = String(decoding: exchange.path)
        if let endpoint = live.withLock({ $0[path] }), endpoint.answer(exchange) { return }
        let query = PercentCode.query(String(decoding: exchange.query))
        let bytes = unsafe Array(exchange.body)
        let remote = exchange.remote
        let keeper = server.withLock { $0 }
        Task(executorPreference: control) { [status, methods, answer] in
            let result: (UInt16, JSONValue)
            do throws(HostError) {
                // A plain nil would be null, which is a body.
                let body =
                    bytes.isEmpty
                    ? JSONValue?.none : try JSON.parse(bytes, source: "the request's body")
                guard let query else { throw AdminServer.queryInvalid }
                let json = try await answer(
                    AdminRequest(method: method, path: path, query: query, body: body))
                result = (200, json)
            } catch {
                result = (error.code == "json_invalid" ? 400 : status(error), error.json)
            }
            var fields = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
            if result.0 == 405 { fields.append(("Allow", AdminServer.allow(methods(path)))) }
            unsafe OwnedFields.with(fields) { fields in
                var text = result.1.text() + "\n"
                text.withUTF8 {
                    _ = unsafe remote.respond(
                        status: result.0, fields: fields, body: UnsafeRawBufferPointer($0))
                }
            }
            withExtendedLifetime(keeper) {}
        }
    }
}
