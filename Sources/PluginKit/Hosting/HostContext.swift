import CPluginABI

/// The host, as one generation of one plugin sees it.
///
/// Valid from `init` until the plugin is dropped; it can be kept in a property.
///
/// It is Sendable because the host never changes what it has handed to a generation.
@safe
public struct HostContext: @unchecked Sendable {
    let raw: UnsafePointer<ph_host>
    /// Where lines in the host's log go; they are dropped unless the manifest asks for `.log`.
    public let log: Log
    /// Where events are published; they are dropped unless the manifest asks for `.events`.
    public let events: Events

    /// What the plugin offers the host.
    let offers = Offers()

    #if hasFeature(Embedded)
        init(unsafe raw: UnsafePointer<ph_host>, log: Log, events: Events) {
            unsafe self.raw = raw
            self.log = log
            self.events = events
        }
    #else
        let tasks: TaskRegistry

        init(
            unsafe raw: UnsafePointer<ph_host>, log: Log, events: Events, tasks: TaskRegistry
        ) {
            unsafe self.raw = raw
            self.log = log
            self.events = events
            self.tasks = tasks
        }
    #endif

    /// The host's version, as semver.
    public var version: String { unsafe copied(raw.pointee.host_version) }

    /// The name under which the plugin is installed.
    public var pluginName: String { unsafe copied(raw.pointee.plugin_name) }

    /// How many times this plugin has been loaded, this time included.
    public var generation: UInt64 { unsafe raw.pointee.generation }

    /// The plugin's directory. No directory ends in a slash.
    public var directory: String { unsafe copied(raw.pointee.directory) }

    /// The files that the host serves at `/plugin/<name>/`.
    public var staticDirectory: String { unsafe copied(raw.pointee.static_directory) }

    /// Where the plugin keeps its databases; they outlive reloads and upgrades.
    public var sqliteDirectory: String { unsafe copied(raw.pointee.sqlite_directory) }

    /// Where the plugin keeps its events.
    public var eventsDirectory: String { unsafe copied(raw.pointee.events_directory) }

    /// Where the plugin keeps what may be lost; emptied when the host starts.
    public var runDirectory: String { unsafe copied(raw.pointee.run_directory) }

    /// The functions of a service, as its C header declares them.
    ///
    /// - Returns: nil if the host does not have it, the manifest does not ask for it, or the
    ///   operator did not grant it. Valid until the image is closed.
    @unsafe
    public func service(_ service: Service) -> UnsafeRawPointer? {
        unsafe raw.service(service.id)
    }

    private func copied(_ text: ph_text) -> String {
        unsafe String(BorrowedText(unsafe: text))
    }
}

extension UnsafePointer<ph_host> {
    func service(_ id: StaticString) -> UnsafeRawPointer? {
        guard let ask = unsafe pointee.service else { return nil }
        return unsafe ask(self, ph_text(id))
    }
}

extension ph_text {
    init(_ text: StaticString) {
        unsafe self.init()
        unsafe data = UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
        unsafe length = text.utf8CodeUnitCount
    }
}

#if !hasFeature(Embedded)
    extension HostContext {
        /// Begins work that goes on beside the requests until it ends or the plugin stops.
        ///
        /// The task is cancelled when the plugin stops, and waited for before `Plugin.stop`.
        public func background(_ work: @escaping @Sendable () async -> Void) {
            tasks.background(work)
        }
    }
#endif
