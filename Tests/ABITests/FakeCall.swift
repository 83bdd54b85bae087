import CPluginABI
import Foundation

/// The parts of a request, kept in memory for as long as the object lives.
final class FakeCall {
    let method: String
    /// The route wants its body in pieces.
    var streams = false
    private let parameters: [String]
    private let query: String?
    private let headers: [(String, String)]
    private let body: [Data]
    private var allocations: [UnsafeMutableRawPointer] = []

    init(
        method: String = "GET", parameters: [String] = [], query: String? = nil,
        headers: [(String, String)] = [], body: [Data] = []
    ) {
        self.method = method
        self.parameters = parameters
        self.query = query
        self.headers = headers
        self.body = body
    }

    deinit {
        for allocation in allocations { allocation.deallocate() }
    }

    func withRequest<Result>(
        route: UInt32, _ body: (UnsafePointer<ph_request>) -> Result
    ) -> Result {
        let whole = streams ? Data() : Data(self.body.joined())
        let fields = headers.map { ph_header(name: text($0.0), value: text($0.1)) }
        let request = ph_request(
            size: UInt32(MemoryLayout<ph_request>.size), route: route, method: text(method),
            path: text("/"), query: query.map(text) ?? ph_text(data: nil, length: 0),
            parameters: UnsafePointer(copy(parameters.map(text))),
            parameter_count: parameters.count, headers: UnsafePointer(copy(fields)),
            header_count: headers.count,
            body: ph_bytes(data: UnsafePointer(copy(Array(whole))), length: whole.count),
            content_length: UInt64(self.body.reduce(0) { $0 + $1.count }),
            remote_address: text("127.0.0.1:1"))
        return body(UnsafePointer(copy([request])))
    }

    private func text(_ string: String) -> ph_text {
        let bytes = copy(string.utf8.map { CChar(bitPattern: $0) })
        return ph_text(data: UnsafePointer(bytes), length: string.utf8.count)
    }

    private func copy<T>(_ values: [T]) -> UnsafeMutablePointer<T> {
        let memory = UnsafeMutablePointer<T>.allocate(capacity: max(values.count, 1))
        memory.initialize(from: values, count: values.count)
        allocations.append(UnsafeMutableRawPointer(memory))
        return memory
    }
}
