/// A status code of HTTP, 200 to 599.
public struct Status: Sendable, Equatable {
    /// The number.
    public let code: UInt16

    /// Makes a status from a number that has no name here.
    ///
    /// The host refuses what is not within 200 to 599; the client then gets a 500.
    @inlinable
    public init(_ code: UInt16) {
        self.code = code
    }

    @inlinable public static var ok: Status { Status(200) }
    @inlinable public static var created: Status { Status(201) }
    @inlinable public static var accepted: Status { Status(202) }
    @inlinable public static var noContent: Status { Status(204) }
    @inlinable public static var movedPermanently: Status { Status(301) }
    @inlinable public static var found: Status { Status(302) }
    @inlinable public static var seeOther: Status { Status(303) }
    @inlinable public static var notModified: Status { Status(304) }
    @inlinable public static var temporaryRedirect: Status { Status(307) }
    @inlinable public static var permanentRedirect: Status { Status(308) }
    @inlinable public static var badRequest: Status { Status(400) }
    @inlinable public static var unauthorized: Status { Status(401) }
    @inlinable public static var forbidden: Status { Status(403) }
    @inlinable public static var notFound: Status { Status(404) }
    @inlinable public static var conflict: Status { Status(409) }
    @inlinable public static var gone: Status { Status(410) }
    @inlinable public static var preconditionFailed: Status { Status(412) }
    @inlinable public static var contentTooLarge: Status { Status(413) }
    @inlinable public static var unsupportedMediaType: Status { Status(415) }
    @inlinable public static var unprocessableContent: Status { Status(422) }
    @inlinable public static var tooManyRequests: Status { Status(429) }
    @inlinable public static var internalServerError: Status { Status(500) }
    @inlinable public static var notImplemented: Status { Status(501) }
    @inlinable public static var badGateway: Status { Status(502) }
    @inlinable public static var serviceUnavailable: Status { Status(503) }
    @inlinable public static var gatewayTimeout: Status { Status(504) }

    /// What the status is called in RFC 9110; `Error` for numbers without a name here.
    var title: StaticString {
        switch code {
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 409: "Conflict"
        case 410: "Gone"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 415: "Unsupported Media Type"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        default: "Error"
        }
    }
}
