package import HostModel

/// The disk's side of a `Change`.
extension Installer {
    /// What the disk shows of a plugin.
    package func found(_ name: PluginName) -> Change.Found {
        let directory = layout.plugin(name)
        guard Directory.isDirectory(directory.path) else { return .nothing }
        return .release(currentRelease(of: directory)?.text ?? "")
    }

    /// Takes a change back, as far as it came; what never happened is no error.
    ///
    /// The release that was in force before is in force again, and the one that the change brought
    /// is gone. A removal has nothing to take back: it is one rename.
    package func undo(_ change: Change, of name: PluginName) throws(HostError) {
        let directory = layout.plugin(name)
        switch change {
        case .install:
            guard Directory.isDirectory(directory.path) else { return }
            _ = try remove(name, keepData: false)
        case .upgrade(_, let release, let former, _, _):
            try turnBack(directory, from: release, to: former)
            try bury(release, of: directory)
        case .rollback(_, let release, let former):
            try turnBack(directory, from: release, to: former)
        case .removal: break
        }
    }

    /// Removes the oldest releases that are too many; the one in force stays.
    ///
    /// - Parameter kept: the directories of others that stay.
    /// - Returns: the names of the directories that went.
    package func prune(
        _ name: PluginName, keeping kept: Set<String> = []
    ) throws(HostError) -> [String] {
        let directory = layout.plugin(name)
        let current = currentRelease(of: directory)
        let others = try releases(of: directory).filter { $0 != current }
        var pruned: [String] = []
        for release in others.dropLast(Self.releasesKept) where !kept.contains(release.text) {
            try bury(release.text, of: directory)
            pruned.append(release.text)
        }
        return pruned
    }

    private func turnBack(
        _ directory: PluginDirectory, from release: String, to former: String
    ) throws(HostError) {
        guard let former = ReleaseName(former), currentRelease(of: directory)?.text == release
        else { return }
        try point(directory, to: former)
    }

    private func bury(_ release: String, of directory: PluginDirectory) throws(HostError) {
        let path = directory.releases + "/" + release
        guard Directory.isDirectory(path) else { return }
        let grave = layout.staging + "/" + RandomName.make()
        try move(path, to: grave)
        try Directory.remove(grave)
    }
}
