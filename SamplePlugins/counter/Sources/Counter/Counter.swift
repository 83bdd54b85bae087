import PluginKit

/// Counts, as far at a time as the operator says, and goes on where it was when it is reloaded.
@main
struct Counter: Plugin {
    static var manifest: Manifest {
        Manifest(
            name: "counter", version: "1.0.0",
            description: "Counts, and goes on counting when it is reloaded.",
            services: [.configuration])
    }

    static var routes: Routes {
        Get("/count") { plugin, _ in .json(["count": .integer(plugin.count.value)]) }
        Post("/count") { plugin, _ in .json(["count": .integer(plugin.count.goOn())]) }
    }

    private let count: Count

    init(host: HostContext) throws(PluginError) {
        let count = Count(host.configuration)
        host.onConfigurationChange { configuration in count.takeStep(of: configuration) }
        host.handsOver(schemaVersion: 1) {
            JSON.object([JSON.Member("count", .integer(count.value))]).bytes
        } restore: { saved throws(PluginError) in
            guard saved.schemaVersion == 1, let value = try saved.json()["count"]?.integer else {
                throw PluginError("there is no count in what the former generation saved")
            }
            count.value = value
        }
        self.count = count
    }
}
