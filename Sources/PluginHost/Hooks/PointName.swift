import HostModel

/// The name of a point that hooks hang on: one of the host's own, or `plugin/point`.
struct PointName: Hashable, Comparable, Sendable, CustomStringConvertible {
    static let request = PointName(known: "request")
    static let response = PointName(known: "response")
    static let install = PointName(known: "install")
    static let load = PointName(known: "load")
    static let unload = PointName(known: "unload")
    static let publish = PointName(known: "publish")
    static let rpc = PointName(known: "rpc")

    /// The points of the host, in the order in which they are listed.
    static let host = [request, response, install, load, unload, publish, rpc]

    let description: String

    private init(known text: String) { description = text }

    /// Takes the text as a name, or returns nil when it has not the shape of one.
    init?(_ text: String) {
        if let known = Self.host.first(where: { $0.description == text }) {
            self = known
            return
        }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let plugin = PluginName(String(parts[0])),
            let point = PluginName(String(parts[1]))
        else { return nil }
        self.init(point, of: plugin)
    }

    /// The name of a plugin's own point, which is made as plugins' names are.
    init(_ point: PluginName, of plugin: PluginName) { description = "\(plugin)/\(point)" }

    /// Whether its work is done on the control plane, and may take its time.
    var isOfControl: Bool { [Self.install, .load, .unload].contains(self) }

    static func < (left: PointName, right: PointName) -> Bool {
        left.rank == right.rank
            ? left.description < right.description : left.rank < right.rank
    }

    private var rank: Int { Self.host.firstIndex(of: self) ?? Self.host.count }
}
