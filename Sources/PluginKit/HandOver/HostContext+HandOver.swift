extension HostContext {
    #if hasFeature(Embedded)
        /// Hands the plugin's state to its next generation whenever it is reloaded, upgraded or
        /// rolled back; call it in `init`.
        ///
        /// If either function throws, the reload is called off and the former generation goes on
        /// serving, so `save` leaves everything as it is.
        /// - Parameters:
        ///   - schemaVersion: of what `save` returns; raise it when that changes.
        ///   - isQuiet: whether requests wait meanwhile, so that nothing is lost; otherwise they
        ///     are answered, and what they change after `save` is not handed over.
        ///   - save: returns the state; called when the former generation is to be replaced.
        ///   - restore: takes over what the former generation saved; called between `init` and
        ///     `start`, and not at all when no generation was serving.
        public func handsOver(
            schemaVersion: UInt32, isQuiet: Bool = true,
            save: @escaping @Sendable () throws(PluginError) -> [UInt8],
            restore: @escaping @Sendable (SavedState) throws(PluginError) -> Void
        ) {
            offers.handOver = HandOver(
                schemaVersion: schemaVersion, isQuiet: isQuiet, save: save, restore: restore)
        }

        /// Has the plugin told of changes of its configuration, instead of being reloaded; call it
        /// in `init` or `start`.
        ///
        /// - Parameter change: throws to refuse the change: the former configuration stays in
        ///   force, and the operator is told why. Requests are answered meanwhile.
        public func onConfigurationChange(
            _ change: @escaping @Sendable (Configuration) throws(PluginError) -> Void
        ) {
            offers.change = change
        }
    #else
        /// Hands the plugin's state to its next generation whenever it is reloaded, upgraded or
        /// rolled back; call it in `init`.
        ///
        /// If either function throws, the reload is called off and the former generation goes on
        /// serving, so `save` leaves everything as it is.
        /// - Parameters:
        ///   - schemaVersion: of what `save` returns; raise it when that changes.
        ///   - isQuiet: whether requests wait meanwhile, so that nothing is lost; otherwise they
        ///     are answered, and what they change after `save` is not handed over.
        ///   - save: returns the state; called when the former generation is to be replaced.
        ///   - restore: takes over what the former generation saved; called between `init` and
        ///     `start`, and not at all when no generation was serving.
        public func handsOver(
            schemaVersion: UInt32, isQuiet: Bool = true,
            save: @escaping @Sendable () async throws -> [UInt8],
            restore: @escaping @Sendable (SavedState) async throws -> Void
        ) {
            offers.handOver = HandOver(
                schemaVersion: schemaVersion, isQuiet: isQuiet, save: save, restore: restore)
        }

        /// Has the plugin told of changes of its configuration, instead of being reloaded; call it
        /// in `init` or `start`.
        ///
        /// - Parameter change: throws to refuse the change: the former configuration stays in
        ///   force, and the operator is told why. Requests are answered meanwhile.
        public func onConfigurationChange(
            _ change: @escaping @Sendable (Configuration) async throws -> Void
        ) {
            offers.change = change
        }
    #endif
}
