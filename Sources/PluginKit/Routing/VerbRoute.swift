/// A method of HTTP that has a route type of its own.
public protocol Verb {
    /// The method as it stands in a request.
    static var method: StaticString { get }
}

/// The methods that have a route type of their own.
public enum Verbs {
    /// GET.
    public enum Get: Verb {
        @inlinable public static var method: StaticString { "GET" }
    }
    /// POST.
    public enum Post: Verb {
        @inlinable public static var method: StaticString { "POST" }
    }
    /// PUT.
    public enum Put: Verb {
        @inlinable public static var method: StaticString { "PUT" }
    }
    /// PATCH.
    public enum Patch: Verb {
        @inlinable public static var method: StaticString { "PATCH" }
    }
    /// DELETE.
    public enum Delete: Verb {
        @inlinable public static var method: StaticString { "DELETE" }
    }
    /// Every method.
    public enum Every: Verb {
        @inlinable public static var method: StaticString { "*" }
    }
}

/// A route whose method is its type: `Get("/notes") { plugin, request in ... }`.
///
/// Use it through the names that `Plugin` gives it: `Get`, `Post`, `Put`, `Patch`, `Delete`,
/// `Every`. For other methods there is `Route`.
public struct VerbRoute<Method: Verb, Owner: Plugin> {
    @usableFromInline let route: Route<Owner>

    /// Makes a route whose handler answers at once, on the event loop that read the request, or
    /// with `blocks` on a thread where it may take its time.
    @inlinable
    public init(
        _ pattern: StaticString, body: BodyMode = .whole, blocks: Bool = false,
        _ answer: @escaping Route<Owner>.Inline
    ) {
        route = Route(Method.method, pattern, body: body, blocks: blocks, answer)
    }

    #if !hasFeature(Embedded)
        /// Makes a route whose handler may wait: it runs in a task on the plugin's own threads.
        @inlinable
        public init(
            _ pattern: StaticString, body: BodyMode = .whole,
            _ answer: @escaping Route<Owner>.Waiting
        ) {
            route = Route(Method.method, pattern, body: body, answer)
        }
    #endif
}
