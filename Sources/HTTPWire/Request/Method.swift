/// A request method; those outside the registered common ones are `other`, and their name is in the
/// head.
///
/// Methods are compared with their case: `get` is not `GET`.
///
/// - Source: RFC 9110, section 9; PATCH from RFC 5789.
public enum Method: UInt8, Sendable, CaseIterable {
    case get, head, post, put, delete, connect, options, trace, patch, other

    /// Recognises a method by its name.
    public init(_ name: ByteSlice) {
        switch name.count {
        case 3: self = name == "GET" ? .get : name == "PUT" ? .put : .other
        case 4: self = name == "POST" ? .post : name == "HEAD" ? .head : .other
        case 5: self = name == "PATCH" ? .patch : name == "TRACE" ? .trace : .other
        case 6: self = name == "DELETE" ? .delete : .other
        case 7: self = name == "OPTIONS" ? .options : name == "CONNECT" ? .connect : .other
        default: self = .other
        }
    }

    /// The method's name; empty for `other`.
    public var name: StaticString {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        case .connect: "CONNECT"
        case .options: "OPTIONS"
        case .trace: "TRACE"
        case .patch: "PATCH"
        case .other: ""
        }
    }
}
