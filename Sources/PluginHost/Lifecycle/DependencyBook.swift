import HostModel

/// What the manager knows of the requirements of the installed plugins.
struct DependencyBook {
    private var nodes: [PluginName: DependencyGraph.Node] = [:]
    private var made: DependencyGraph?
    /// Plugins that are being taken out of service, so that nobody may begin to rely on them.
    var departing: Set<PluginName> = []
    /// Whether somebody looks for plugins to be stopped or started.
    var isSettling = false
    /// Whether there is a reason to look again.
    var isUnsettled = false

    /// The graph of all that is installed.
    var graph: DependencyGraph {
        mutating get {
            if let made { return made }
            let graph = DependencyGraph(nodes.values)
            made = graph
            return graph
        }
    }

    subscript(name: PluginName) -> DependencyGraph.Node? {
        get { nodes[name] }
        set {
            guard nodes[name] != newValue else { return }
            nodes[name] = newValue
            made = nil
        }
    }
}
