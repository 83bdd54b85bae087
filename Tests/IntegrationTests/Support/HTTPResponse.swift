import Foundation

/// A response as a client read it, byte for byte where it matters.
struct HTTPResponse: Equatable {
    var status: Int
    /// Names in lower case, in the order in which they came.
    var headers: [(name: String, value: String)]
    var body: Data

    var text: String { String(decoding: body, as: UTF8.self) }

    subscript(header: String) -> String? {
        headers.first { $0.name == header.lowercased() }?.value
    }

    /// The body as JSON, or nil.
    var json: JSON? { try? JSON(parsing: body) }

    static func == (one: HTTPResponse, other: HTTPResponse) -> Bool {
        one.status == other.status && one.body == other.body
            && one.headers.map(\.name) == other.headers.map(\.name)
            && one.headers.map(\.value) == other.headers.map(\.value)
    }
}
