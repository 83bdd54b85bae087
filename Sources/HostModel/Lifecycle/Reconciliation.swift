/// What has to be done so that a plugin is again as the journal says it should be, or so that the
/// journal says what an operator has done to its files.
///
/// Nothing here depends on having been told of a change, or on a clock: it compares what should be
/// with what is.
public enum Reconciliation {
    /// What there is of one plugin, on the disk and in memory.
    public struct Found: Hashable, Sendable {
        public var hasDirectory: Bool
        /// Of the file in the place of the bundle; nil when there is none.
        public var bundle: Digest?
        /// Of the library in force; nil when there is none.
        public var library: Digest?
        /// Of the library that serves; nil when none does.
        public var serving: Digest?

        public init(hasDirectory: Bool, bundle: Digest?, library: Digest?, serving: Digest?) {
            self.hasDirectory = hasDirectory
            self.bundle = bundle
            self.library = library
            self.serving = serving
        }
    }

    /// One thing to be done.
    public enum Move: Hashable, Sendable {
        /// The journal does not know the plugin: write it down.
        case adopt
        /// Its directory has gone: it counts as removed, and its bundles as tombstoned.
        case remove
        /// Another bundle lies in the place of its own: install that.
        case installBundle
        /// Its library is another one than the one that serves: serve it.
        case load
        /// Its library is another one than the journal says, and it rests: write it down.
        case noteLibrary(Digest)
    }

    /// - Parameter record: what the journal says; nil when it knows no such plugin.
    public static func moves(for record: PluginRecord?, found: Found) -> [Move] {
        guard let record else { return found.hasDirectory ? [.adopt] : [] }
        guard found.hasDirectory else { return [.remove] }
        if let bundle = found.bundle, bundle != record.release.bundleDigest {
            return [.installBundle]
        }
        // A library that is not there is being replaced: whoever did that is not done.
        guard let library = found.library else { return [] }
        if record.isActive { return library == found.serving ? [] : [.load] }
        return library == record.release.libraryDigest ? [] : [.noteLibrary(library)]
    }
}
