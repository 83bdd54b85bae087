package import HostModel
internal import Synchronization

extension Journal {
    /// What is appended together: all of it or none.
    package struct Group: Sendable {
        package var plugin: PluginName
        package var events: [LifecycleEvent]
        /// The sequence of the plugin's last event that the writer knows; nil to append whatever
        /// came before.
        package var expected: Int64?

        package init(plugin: PluginName, events: [LifecycleEvent], expected: Int64? = nil) {
            self.plugin = plugin
            self.events = events
            self.expected = expected
        }
    }

    /// Appends groups that were waiting together, with one wait for the disk for all of them.
    ///
    /// - Returns: for each group the sequence of its last event, or `journal_conflict` when its
    ///   plugin has a newer event than expected; the others are written all the same.
    /// - Throws: as `init`; nothing was written then.
    package func append(
        _ groups: [Group]
    ) throws(HostError) -> [Result<Int64, HostError>] {
        try database.withLock { database throws(HostError) in
            try database.transaction { () throws(HostError) in
                var last = try Self.lastSequence(database)
                var results: [Result<Int64, HostError>] = []
                for group in groups {
                    do throws(HostError) {
                        try check(group, database)
                    } catch {
                        results.append(.failure(error))
                        continue
                    }
                    for event in group.events {
                        last += 1
                        try Self.insert(event, last, database)
                    }
                    results.append(.success(last))
                }
                return results
            }
        }
    }

    private func check(_ group: Group, _ database: borrowing Database) throws(HostError) {
        guard let expected = group.expected else { return }
        var newest: Int64 = 0
        try database.query(
            "SELECT max(sequence) FROM events WHERE plugin = ?", [.text(group.plugin.text)]
        ) { row in newest = row.integer(0) }
        guard newest != expected else { return }
        throw HostError(
            "journal_conflict", what: "the events of plugin \"\(group.plugin)\" were not written",
            subject: path,
            why: "event \(newest) is its last one, and \(expected) was expected",
            fix: "read the new events, decide again, and append")
    }
}
