package import HostModel

extension Installer {
    /// Clears what changes that were cut short have left behind; to be called at each start.
    ///
    /// Whatever had reached its rename stays done, and everything else is undone.
    /// - Returns: what was cleared, for the log.
    package func recover() throws(HostError) -> [String] {
        var cleared: [String] = []
        for name in try Directory.entries(of: layout.staging).sorted() {
            try Directory.remove(layout.staging + "/" + name)
            cleared.append("staging/" + name)
        }
        for name in try Directory.entries(of: layout.removed).sorted() {
            try reduceToData(layout.removed + "/" + name)
        }
        for name in try layout.installedNames() {
            let directory = layout.plugin(name)
            guard Directory.isDirectory(directory.releases) else { continue }
            let next = directory.path + "/" + Self.nextLink
            if SymbolicLink.target(of: next) != nil {
                try Directory.remove(next)
                cleared.append("plugins/\(name)/\(Self.nextLink)")
            }
        }
        return cleared
    }
}
