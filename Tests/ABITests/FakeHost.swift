import CPluginABI
import Foundation

/// A host for one generation of one plugin, without a network: opens the image, leads it through
/// its life, and calls its routes. A thread of its own plays the event loop.
final class FakeHost {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// What came of one request.
    struct Answer {
        let handleStatus: ph_status
        let response: FakeResponse
        var status: UInt32 { response.status }
        var text: String { String(decoding: response.body, as: UTF8.self) }
    }

    let path: String
    let plugin: ph_plugin
    let directory: String
    private let image: UnsafeMutableRawPointer
    private let host: UnsafeMutableRawPointer
    private let http: UnsafeMutableRawPointer
    private let log = FakeLog()
    private var state: UnsafeMutableRawPointer?
    private var responses: [FakeResponse] = []
    private var texts: [UnsafeMutableRawPointer] = []

    /// Opens a library and calls its entry.
    ///
    /// - Parameter newer: plays a host of a later minor version, whose structs have grown.
    init(library: String, name: String, generation: UInt64 = 1, newer: Bool = false) throws {
        // glibc knows an image by its path: each opening gets a path of its own.
        directory = NSTemporaryDirectory() + "abi-\(UUID().uuidString)"
        path = directory + "/\(name).so"
        try FileManager.default.createDirectory(
            atPath: directory + "/run", withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: library, toPath: path)
        guard let image = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
            throw Failure(description: String(cString: dlerror()))
        }
        self.image = image
        let version: UInt32 = 1 << 16 | (newer ? 7 : PH_ABI_MINOR)
        http = Self.grown(FakeHost.table, size: \.size, by: newer ? 64 : 0)
        let table = UnsafePointer(http.assumingMemoryBound(to: ph_http.self))
        var texts: [UnsafeMutableRawPointer] = []
        func text(_ string: String) -> ph_text {
            let copy = strdup(string)
            if let copy { texts.append(copy) }
            return ph_text(data: copy, length: string.utf8.count)
        }
        host = Self.grown(
            ph_host(
                size: 0, abi_version: version, host_version: text("1.2.3"), plugin_name: text(name),
                generation: generation, directory: text(directory),
                static_directory: text(directory), sqlite_directory: text(directory),
                events_directory: text(directory), run_directory: text(directory + "/run"),
                http: table,
                service: { host, id in
                    let wanted = id.string
                    return host.flatMap { FakeLog.table(of: $0, ifAskedFor: wanted) }
                }),
            size: \.size, by: newer ? 64 : 0)
        self.texts = texts
        guard let symbol = dlsym(image, "ph_plugin_entry") else {
            throw Failure(description: "there is no ph_plugin_entry in \(library)")
        }
        typealias Entry = @convention(c) (UnsafeRawPointer, UInt32) -> UnsafePointer<ph_plugin>?
        let entry = unsafeBitCast(symbol, to: Entry.self)
        guard let plugin = entry(UnsafeRawPointer(host), version) else {
            throw Failure(description: "the entry returned null")
        }
        self.plugin = plugin.pointee
        FakeLog.register(log, host: UnsafeRawPointer(host), services: services)
    }

    deinit {
        FakeLog.forget(host: UnsafeRawPointer(host))
        for text in texts { free(text) }
        host.deallocate()
        http.deallocate()
        try? FileManager.default.removeItem(atPath: directory)
    }

    var manifest: ph_manifest { plugin.manifest.pointee }
    var services: [String] {
        (0..<manifest.service_count).map { manifest.services[$0].string }
    }
    var logLines: [String] { log.lines }

    /// init and start.
    func start() throws {
        try check("init") { plugin.`init`(hostPointer, &state, $0) }
        try check("start") { plugin.start(state, $0) }
    }

    /// stop and deinit. Throws also if the plugin broke a rule in its life.
    func stop() throws {
        try check("stop") { plugin.stop(state, $0) }
        plugin.deinit(state)
        let misuses = responses.flatMap(\.misuses)
        guard misuses.isEmpty else {
            throw Failure(description: misuses.joined(separator: ", "))
        }
    }

    /// Closes the image, and tells whether it has gone from memory.
    func close() throws -> Bool {
        dlclose(image)
        // String(contentsOfFile:) stops after the first page of a file in /proc.
        let maps = FileHandle(forReadingAtPath: "/proc/self/maps")
        let text = String(decoding: try maps?.readToEnd() ?? Data(), as: UTF8.self)
        guard text.contains("[stack]") else { throw Failure(description: "the maps end early") }
        return !text.contains(path)
    }

    /// Calls the route of a method and pattern, and waits until its response is complete.
    func call(
        _ method: String, _ pattern: String, parameters: [String] = [], query: String? = nil,
        headers: [(String, String)] = [], body: [Data] = [], fullEvery: Int = 0
    ) throws -> Answer {
        let call = FakeCall(
            method: method, parameters: parameters, query: query, headers: headers, body: body)
        defer { withExtendedLifetime(call) {} }
        let answer = try begin(pattern, call, fullEvery: fullEvery)
        let response = answer.response
        guard answer.handleStatus == .pending else { return answer }
        var pieces = call.streams ? body : []
        var isLastSent = !call.streams || response.observer?.on_body == nil
        var need = FakeResponse.Need.nothing
        while response.waitForNeed(&need, mayGiveBody: !isLastSent) {
            let observer = response.observer
            switch need {
            case .nothing: return answer
            case .writable:
                response.setWritable()
                observer?.on_writable?(observer?.context)
            case .body:
                let piece = pieces.isEmpty ? Data() : pieces.removeFirst()
                isLastSent = pieces.isEmpty
                response.pause()
                let status = piece.withUnsafeBytes { bytes in
                    observer?.on_body(
                        observer?.context,
                        ph_bytes(
                            data: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                            length: bytes.count), isLastSent ? 1 : 0)
                }
                if status == .ok { response.unpause() }
            }
        }
        throw Failure(description: "\(method) \(pattern) was not completed within 20 seconds")
    }

    /// Calls the route, and returns when handle has.
    func begin(_ pattern: String, _ call: FakeCall, fullEvery: Int = 0) throws -> Answer {
        let routes = (0..<manifest.route_count).map { manifest.routes[$0] }
        guard
            let index = routes.firstIndex(where: {
                $0.method.string == call.method && $0.pattern.string == pattern
            })
        else { throw Failure(description: "there is no route \(call.method) \(pattern)") }
        call.streams = routes[index].flags & UInt32(PH_ROUTE_STREAM_BODY) != 0
        let response = FakeResponse(fullEvery: fullEvery)
        responses.append(response)
        let status = call.withRequest(route: UInt32(index)) { request in
            plugin.handle(
                state, request, OpaquePointer(Unmanaged.passUnretained(response).toOpaque()))
        }
        return Answer(handleStatus: status, response: response)
    }

    /// What the extension "ph.health/1" says, and why.
    func health() -> (UInt32, String)? {
        guard let found = plugin.extension?(state, PH_HEALTH_ID.abiText) else { return nil }
        let health = found.assumingMemoryBound(to: ph_health.self).pointee
        var reason = ""
        let status = Self.withError { error in
            health.check(state, error)
        } message: {
            reason = $0
        }
        return (status, reason)
    }

    private var hostPointer: UnsafePointer<ph_host> {
        UnsafePointer(host.assumingMemoryBound(to: ph_host.self))
    }

    private func check(
        _ step: String, _ body: (UnsafeMutablePointer<ph_error>) -> ph_status
    ) throws {
        var reason = ""
        let status = Self.withError(body) { reason = $0 }
        guard status == .ok else {
            throw Failure(description: "\(step) failed with \(status): \(reason)")
        }
    }

    private static func withError<Result>(
        _ body: (UnsafeMutablePointer<ph_error>) -> Result, message: (String) -> Void
    ) -> Result {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
            var error = ph_error(
                size: UInt32(MemoryLayout<ph_error>.size),
                text: buffer.baseAddress?.assumingMemoryBound(to: CChar.self), capacity: 256,
                length: 0)
            let result = body(&error)
            message(String(decoding: buffer.prefix(error.length), as: UTF8.self))
            return result
        }
    }

    /// A copy of a struct on the heap, followed by members that this header does not know yet.
    private static func grown<T>(
        _ value: T, size: WritableKeyPath<T, UInt32>, by extra: Int
    ) -> UnsafeMutableRawPointer {
        let total = MemoryLayout<T>.size + extra
        let memory = UnsafeMutableRawPointer.allocate(byteCount: total, alignment: 16)
        memory.initializeMemory(as: UInt8.self, repeating: 0xEE, count: total)
        var copy = value
        copy[keyPath: size] = UInt32(total)
        memory.initializeMemory(as: T.self, repeating: copy, count: 1)
        return memory
    }
}
