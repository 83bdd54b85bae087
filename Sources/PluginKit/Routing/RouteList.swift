/// The routes of a plugin, in the order in which they were written.
public struct RouteList<Owner: Plugin> {
    @usableFromInline var routes: [Route<Owner>]

    @inlinable
    init(_ routes: [Route<Owner>]) {
        self.routes = routes
    }
}

/// Gathers the routes that are written one below the other in `Plugin.routes`.
@resultBuilder
public enum RouteBuilder<Owner: Plugin> {
    @inlinable
    public static func buildExpression<Method>(
        _ route: VerbRoute<Method, Owner>
    ) -> RouteList<Owner> {
        RouteList([route.route])
    }

    @inlinable
    public static func buildExpression(_ route: Route<Owner>) -> RouteList<Owner> {
        RouteList([route])
    }

    @inlinable
    public static func buildExpression(_ list: RouteList<Owner>) -> RouteList<Owner> {
        list
    }

    @inlinable
    public static func buildPartialBlock(first: RouteList<Owner>) -> RouteList<Owner> {
        first
    }

    @inlinable
    public static func buildPartialBlock(
        accumulated: RouteList<Owner>, next: RouteList<Owner>
    ) -> RouteList<Owner> {
        RouteList(accumulated.routes + next.routes)
    }

    @inlinable
    public static func buildBlock() -> RouteList<Owner> {
        RouteList([])
    }
}
