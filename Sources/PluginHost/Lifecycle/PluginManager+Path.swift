package import HostModel

/// A bundle on the search path, and what becomes of it.
package struct PathBundle: Sendable, JSONRepresentable {
    package enum State: String, Sendable {
        /// It is what is installed.
        case installed
        /// It is about to be installed, or to upgrade what is.
        case pending
        /// Another release of its plugin is in force, and this one is no upgrade.
        case superseded
        /// A bundle of the same plugin comes before it on the path.
        case shadowed
        /// It was removed, and does not come back by itself.
        case tombstoned
        /// It is no bundle, or cannot be installed.
        case refused
    }

    package let path: String
    package var plugin: PluginName?
    package var version: SemanticVersion?
    package var state: State
    /// What shadows it, or why it was refused.
    package var reason = ""

    package var json: JSONValue {
        [
            "path": .string(path), "plugin": plugin.map { .string($0.text) } ?? .null,
            "version": version.map { .string($0.description) } ?? .null,
            "state": .string(state.rawValue), "reason": .string(reason),
        ]
    }

    package init(path: String, state: State) {
        self.path = path
        self.state = state
    }

    package init(json: JSONValue) throws(HostError) {
        guard let path = json["path"]?.string,
            let state = json["state"]?.string.flatMap(State.init)
        else {
            throw HostError(
                "record_unreadable", what: "a bundle on the path was not understood",
                why: "it has no path or no known state")
        }
        self.init(path: path, state: state)
        plugin = json["plugin"]?.string.flatMap { PluginName($0) }
        version = json["version"]?.string.flatMap { SemanticVersion($0) }
        reason = json["reason"]?.string ?? ""
    }
}

/// What is known of a bundle that lies on the search path.
struct KnownBundle: Sendable {
    struct Identity: Sendable {
        var name: PluginName
        var version: SemanticVersion
        var digest: Digest
    }

    var mark: FileMark
    var identity: Result<Identity, HostError>
}

/// Discovery along the search path: `--plugin-path`, then `PLUGIN_HOST_PATH`.
///
/// Directories count in the order in which they are given, and bundles in the order of their names;
/// of each plugin the first bundle counts. It is installed when its plugin is not, and upgrades it
/// when its version is higher than the one in force; nothing on the path ever goes back, removes a
/// plugin, or brings a removed bundle back.
extension PluginManager {
    /// The bundles on the path, in their order.
    package func pathBundles() async -> [PathBundle] {
        var result: [PathBundle] = []
        var first: [PluginName: String] = [:]
        for directory in options.searchPath {
            for path in await bundles(in: directory) {
                guard let bundle = await look(at: path, &first) else { continue }
                result.append(bundle)
            }
        }
        return result
    }

    /// Installs what the path offers and is not there.
    func lookAlongPath() async {
        pendingPathLooks += 1
        guard pendingPathLooks == 1 else { return }
        while pendingPathLooks > 0, !isStopping {
            pendingPathLooks = 1
            for bundle in await pathBundles() where bundle.state == .pending && !isStopping {
                await take(bundle)
            }
            pendingPathLooks -= 1
        }
        pendingPathLooks = 0
    }

    private func take(_ bundle: PathBundle) async {
        guard let name = bundle.plugin else { return }
        do throws(HostError) {
            let isNew = registry[name] == nil
            _ = try await install(bundle: bundle.path, mode: nil, activates: isNew, as: name)
            say(.info, "installed from the search path: \(bundle.path)", name)
        } catch {
            say(.error, "\(bundle.path) on the search path was refused: \(error)", name)
            // It is tried again when the file has changed.
            knownBundles[bundle.path]?.identity = .failure(error)
        }
    }

    private func look(
        at path: String, _ first: inout [PluginName: String]
    ) async -> PathBundle? {
        guard let known = await known(path) else { return nil }
        var bundle = PathBundle(path: path, state: .refused)
        switch known.identity {
        case .failure(let error):
            bundle.reason = ([error.what] + error.reasons).joined(separator: ": ")
        case .success(let identity):
            bundle.plugin = identity.name
            bundle.version = identity.version
            if let other = first[identity.name] {
                bundle.state = .shadowed
                bundle.reason = "by \(other)"
            } else {
                first[identity.name] = path
                bundle.state = state(of: identity)
            }
        }
        return bundle
    }

    private func state(of identity: KnownBundle.Identity) -> PathBundle.State {
        let aggregate = registry.aggregate(identity.name)
        if aggregate.tombstone?.digests.contains(identity.digest) == true { return .tombstoned }
        guard let record = aggregate.record else { return .pending }
        if record.release.bundleDigest == identity.digest { return .installed }
        return identity.version > record.release.version ? .pending : .superseded
    }

    /// What a bundle is; one that has not changed since the last look is not read again.
    private func known(_ path: String) async -> KnownBundle? {
        let former = knownBundles[path]?.mark
        let staging = layout.staging
        let outcome = await Blocking.run { () -> KnownBundle? in
            guard let mark = FileMark(ofFile: path), mark != former,
                !FileMark.isBeingWritten(path)
            else { return nil }
            return KnownBundle(mark: mark, identity: Self.identity(path, staging))
        }
        if let outcome { knownBundles[path] = outcome }
        return knownBundles[path]
    }

    private static func identity(
        _ path: String, _ staging: String
    ) -> Result<KnownBundle.Identity, HostError> {
        do throws(HostError) {
            return .success(
                try BundleInspector.inspect(archive: path, temporaryDirectory: staging) { bundle in
                    KnownBundle.Identity(
                        name: bundle.manifest.name, version: bundle.manifest.version,
                        digest: bundle.bundleDigest)
                })
        } catch {
            return .failure(error)
        }
    }
}
