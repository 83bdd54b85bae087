/// One route as a plugin declares it, below its mount's `/api`.
package struct RouteDeclaration: Hashable, Sendable {
    /// A method token, such as `GET`, or `*` for every method.
    package var method: String
    /// Segments that are literal, `{name}` or, at the end, `{name...}`.
    package var pattern: String
    /// Bits of the plugin header, such as `PH_ROUTE_STREAM_BODY`.
    package var flags: UInt32
    /// The largest body in bytes; 0 means the host's own limit.
    package var bodyBytesMax: UInt32

    package init(
        method: String, pattern: String, flags: UInt32 = 0, bodyBytesMax: UInt32 = 0
    ) {
        self.method = method
        self.pattern = pattern
        self.flags = flags
        self.bodyBytesMax = bodyBytesMax
    }
}

extension RouteDeclaration: CustomStringConvertible {
    package var description: String { "\(method) \(pattern)" }
}
