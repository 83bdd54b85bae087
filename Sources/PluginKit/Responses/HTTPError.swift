/// An answer that says what is wrong: throw it from a handler.
///
/// ```swift
/// throw HTTPError(.notFound, "there is no note \(id)")
/// ```
///
/// - Shape: sent as `application/problem+json`: `type`, `title`, `status`, `detail`, and `members`.
/// - Source: RFC 9457.
public struct HTTPError: Error, Sendable {
    /// The status, 400 to 599.
    public var status: Status
    /// What is wrong with this request, for a person to read.
    public var detail: String
    /// Further members of the document, such as a list of fields that are not valid.
    public var members: [JSON.Member]
    /// Header fields to send along, such as Retry-After.
    public var headers: [Header]

    /// Makes an error.
    public init(
        _ status: Status, _ detail: String = "", members: [JSON.Member] = [],
        headers: [Header] = []
    ) {
        self.status = status
        self.detail = detail
        self.members = members
        self.headers = headers
    }

    /// Makes a 422 that names every field that is not valid.
    ///
    /// - Shape: the document has `errors`, a list of `{"field":..., "message":...}`.
    public static func invalid(_ fields: [InvalidField]) -> HTTPError {
        let list = fields.map { field in
            JSON.object([
                JSON.Member("field", .string(field.name)),
                JSON.Member("message", .string(field.message)),
            ])
        }
        return HTTPError(
            .unprocessableContent, "some fields are not valid",
            members: [JSON.Member("errors", .array(list))])
    }

    var document: [UInt8] {
        var object = [
            JSON.Member("type", "about:blank"),
            JSON.Member("title", .string(String(status.title))),
            JSON.Member("status", .integer(Int(status.code))),
        ]
        if !detail.utf8.isEmpty { object.append(JSON.Member("detail", .string(detail))) }
        return JSON.object(object + members).bytes
    }
}

/// A field of a request that is not valid, and why.
public struct InvalidField: Sendable {
    /// The name of the field.
    public let name: String
    /// What it should have been.
    public let message: String

    /// Makes one.
    public init(_ name: String, _ message: String) {
        self.name = name
        self.message = message
    }
}

extension String {
    init(_ text: StaticString) {
        let bytes = unsafe UnsafeBufferPointer(
            start: text.utf8Start, count: text.utf8CodeUnitCount)
        self = unsafe String(decoding: bytes, as: UTF8.self)
    }
}
