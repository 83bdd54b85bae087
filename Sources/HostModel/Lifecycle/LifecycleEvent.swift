/// Something that happened to a plugin; the journal is a list of these and nothing else.
///
/// The names carry a version. An event that was once written is read for ever: a changed payload
/// gets a new name with the next version, and the old one stays.
public struct LifecycleEvent: Hashable, Sendable {
    public var plugin: PluginName
    public var time: Timestamp
    public var fact: Fact

    public init(_ fact: Fact, plugin: PluginName, time: Timestamp) {
        self.plugin = plugin
        self.time = time
        self.fact = fact
    }

    /// What a bundle puts on the disk.
    public struct Release: Hashable, Sendable {
        public var version: SemanticVersion
        /// Of the `.tar.gz`.
        public var bundleDigest: Digest
        /// Of the `.so`.
        public var libraryDigest: Digest
        public var mode: PluginMode
        /// The operator asked for this mode by name, and so takes what comes with it: an image that
        /// cannot be unloaded is loaded all the same.
        public var isInsisted: Bool

        public init(
            version: SemanticVersion, bundleDigest: Digest, libraryDigest: Digest,
            mode: PluginMode, isInsisted: Bool = false
        ) {
            self.version = version
            self.bundleDigest = bundleDigest
            self.libraryDigest = libraryDigest
            self.mode = mode
            self.isInsisted = isInsisted
        }

        /// The mode that the operator asked for; nil when that was left to the host.
        public var chosenMode: PluginMode? {
            isInsisted ? .inProcess : mode == .inProcess ? nil : mode
        }

        /// Makes one with the mode that the operator asked for.
        public init(
            version: SemanticVersion, bundleDigest: Digest, libraryDigest: Digest,
            chosen: PluginMode?
        ) {
            self.init(
                version: version, bundleDigest: bundleDigest, libraryDigest: libraryDigest,
                mode: chosen ?? .inProcess, isInsisted: chosen == .inProcess)
        }
    }

    /// What happened.
    public enum Fact: Hashable, Sendable {
        /// The plugin is on the disk; it was not before.
        case installed(Release)
        /// The operator wants it to serve.
        case activated
        /// The operator wants it to rest.
        case deactivated(reason: String)
        /// The operator's configuration wants it to rest; named is the file that says so.
        case disabled(by: String)
        /// The operator's configuration no longer wants it to rest.
        case enabled
        /// Another release took the place of the one before; also a rollback.
        case upgraded(from: SemanticVersion, to: Release)
        /// The `.so` was replaced by hand.
        case libraryReplaced(from: Digest, to: Digest)
        /// A generation serves.
        case loaded(generation: Int, libraryDigest: Digest, milliseconds: Double)
        /// A generation could not be loaded.
        case loadFailed(generation: Int, error: HostError)
        /// It should serve and cannot, because of what it requires.
        case blocked(reasons: [String])
        /// The operator gives it a service, from its next generation on.
        case serviceGranted(String)
        /// The operator takes a service from it, from its next generation on.
        case serviceRevoked(String)
        /// A generation asked for a service and was not given it.
        case serviceDenied(String, generation: Int, reason: String)
        /// A generation gave its state to the next one, which has not served yet.
        case stateHandedOver(
            from: Int, to: Int, schemaVersion: UInt32, bytes: Int, milliseconds: Double)
        /// A generation was taken down.
        case unloaded(UnloadReport)
        /// The operator has given it another place.
        case mounted(MountAddress)
        /// The operator has taken a place back.
        case unmounted(MountAddress)
        /// The plugin is gone from the disk, and from every place it was given.
        case removed(dataKept: Bool)
        /// A change of several steps is under way; nothing shows of it yet.
        case began(Change)
        /// The files of the release that a change brings are in place.
        case extracted(directory: String, version: SemanticVersion, bundleDigest: Digest)
        /// The change was taken back.
        case undone(reason: String)
        /// A release that was one too many is gone from the disk.
        case pruned(directory: String)
        /// A process of a generation ended that should not have.
        case workerEnded(generation: Int, reason: String)
        /// A process took the place of one that had ended.
        case workerRestarted(generation: Int, milliseconds: Double)
        /// A generation serves again, from processes that another engine has left.
        case reattached(
            generation: Int, libraryDigest: Digest, processes: Int, milliseconds: Double)
        /// The process ended that these generations were loaded in.
        case lost(generations: [Int])
        /// The process ended that plugins ran in; of the plugin whose doing it was, or of "host".
        case engineCrashed(CrashReport)
        /// From now on its code runs there.
        case modeChosen(PluginMode, reason: String)
        /// The plugin is kept from serving.
        case quarantined(Quarantine)
        /// It no longer is.
        case quarantineLifted(reason: String)
        /// A release has another status.
        case versionMoved(directory: String, to: VersionStatus, reason: String)
        /// The signature of the release in that directory was looked at.
        case signatureChecked(directory: String, SignatureNote)
        /// A share of the connections goes to a new generation; the release in the directory was
        /// in force before.
        case canaryStarted(generation: Int, from: String, policy: CanaryPolicy)
        /// The new generation has done well, and gets all of them.
        case canaryPromoted(generation: Int, requests: Int, errors: Int)
        /// The new generation has not, and gets none.
        case canaryFailed(generation: Int, reason: String, requests: Int, errors: Int)
        /// It uses more than it may, which leads to the action.
        case limitExceeded(
            resource: Resource, value: Int, limit: Int, action: ResourceLimits.Action)
        /// It uses no more of it than it may.
        case limitRespected(resource: Resource)
        /// The operator wants its processes confined, or not, from its next generation on.
        case confinementChosen(ConfinementChoice)
    }
}

extension LifecycleEvent.Fact {
    /// The name of the event in the journal.
    public var name: String {
        switch self {
        case .installed: "plugin_installed_v1"
        case .activated: "plugin_activated_v1"
        case .deactivated: "plugin_deactivated_v1"
        case .disabled: "plugin_disabled_v1"
        case .enabled: "plugin_enabled_v1"
        case .upgraded: "plugin_upgraded_v1"
        case .libraryReplaced: "library_replaced_v1"
        case .loaded: "plugin_loaded_v1"
        case .loadFailed: "load_failed_v1"
        case .blocked: "plugin_blocked_v1"
        case .serviceGranted: "service_granted_v1"
        case .serviceRevoked: "service_revoked_v1"
        case .serviceDenied: "service_denied_v1"
        case .stateHandedOver: "state_handed_over_v1"
        case .unloaded: "plugin_unloaded_v1"
        case .mounted: "plugin_mounted_v1"
        case .unmounted: "plugin_unmounted_v1"
        case .removed: "plugin_removed_v1"
        case .began: "change_began_v1"
        case .extracted: "package_extracted_v1"
        case .undone: "change_undone_v1"
        case .pruned: "release_pruned_v1"
        case .workerEnded: "worker_ended_v1"
        case .workerRestarted: "worker_restarted_v1"
        case .reattached: "generation_reattached_v1"
        case .lost: "generations_lost_v1"
        case .engineCrashed: "engine_crashed_v1"
        case .modeChosen: "mode_chosen_v1"
        case .quarantined: "plugin_quarantined_v1"
        case .quarantineLifted: "quarantine_lifted_v1"
        case .versionMoved: "version_status_changed_v1"
        case .signatureChecked: "signature_checked_v1"
        case .canaryStarted: "canary_started_v1"
        case .canaryPromoted: "canary_promoted_v1"
        case .canaryFailed: "canary_failed_v1"
        case .limitExceeded: "limit_exceeded_v1"
        case .limitRespected: "limit_respected_v1"
        case .confinementChosen: "confinement_chosen_v1"
        }
    }

    /// What the journal keeps beside the name.
    public var payload: JSONValue {
        switch self {
        case .installed(let release): release.json
        case .activated: [:]
        case .deactivated(let reason): ["reason": .string(reason)]
        case .disabled(let path): ["by": .string(path)]
        case .enabled: [:]
        case .upgraded(let from, let release):
            ["from": .string(from.description), "to": release.json]
        case .libraryReplaced(let from, let to):
            ["from": .string(from.hex), "to": .string(to.hex)]
        case .loaded(let generation, let digest, let milliseconds):
            [
                "generation": .number(JSONNumber(generation)),
                "library_digest": .string(digest.hex),
                "milliseconds": JSONNumber(milliseconds).map { .number($0) } ?? .null,
            ]
        case .loadFailed(let generation, let error):
            ["generation": .number(JSONNumber(generation)), "failure": error.json]
        case .blocked(let reasons): ["reasons": .array(reasons.map { .string($0) })]
        case .serviceGranted(let service), .serviceRevoked(let service):
            ["service": .string(service)]
        case .serviceDenied(let service, let generation, let reason):
            [
                "service": .string(service), "generation": .number(JSONNumber(generation)),
                "reason": .string(reason),
            ]
        case .stateHandedOver(let from, let to, let schemaVersion, let bytes, let milliseconds):
            [
                "from": .number(JSONNumber(from)), "to": .number(JSONNumber(to)),
                "schema_version": .number(JSONNumber(schemaVersion)),
                "bytes": .number(JSONNumber(bytes)),
                "milliseconds": JSONNumber(milliseconds).map { .number($0) } ?? .null,
            ]
        case .unloaded(let report): report.json
        case .mounted(let address), .unmounted(let address): address.json
        case .removed(let dataKept): ["data_kept": .bool(dataKept)]
        case .began(let change): change.json
        case .extracted(let directory, let version, let digest):
            [
                "directory": .string(directory), "version": .string(version.description),
                "bundle_digest": .string(digest.hex),
            ]
        case .undone(let reason): ["reason": .string(reason)]
        case .pruned(let directory): ["directory": .string(directory)]
        case .workerEnded(let generation, let reason):
            ["generation": .number(JSONNumber(generation)), "reason": .string(reason)]
        case .workerRestarted(let generation, let milliseconds):
            [
                "generation": .number(JSONNumber(generation)),
                "milliseconds": JSONNumber(milliseconds).map { .number($0) } ?? .null,
            ]
        case .reattached(let generation, let digest, let processes, let milliseconds):
            [
                "generation": .number(JSONNumber(generation)),
                "library_digest": .string(digest.hex),
                "processes": .number(JSONNumber(processes)),
                "milliseconds": JSONNumber(milliseconds).map { .number($0) } ?? .null,
            ]
        case .lost(let generations):
            ["generations": .array(generations.map { .number(JSONNumber($0)) })]
        case .engineCrashed(let report): report.json
        case .modeChosen(let mode, let reason):
            ["mode": .string(mode.rawValue), "reason": .string(reason)]
        case .quarantined(let quarantine): quarantine.json
        case .quarantineLifted(let reason): ["reason": .string(reason)]
        case .versionMoved(let directory, let status, let reason):
            [
                "directory": .string(directory), "status": .string(status.rawValue),
                "reason": .string(reason),
            ]
        case .signatureChecked(let directory, let note):
            ["directory": .string(directory), "signature": note.json]
        case .canaryStarted(let generation, let from, let policy):
            [
                "generation": .number(JSONNumber(generation)), "from": .string(from),
                "policy": policy.json,
            ]
        case .canaryPromoted(let generation, let requests, let errors):
            [
                "generation": .number(JSONNumber(generation)),
                "requests": .number(JSONNumber(requests)),
                "errors": .number(JSONNumber(errors)),
            ]
        case .canaryFailed(let generation, let reason, let requests, let errors):
            [
                "generation": .number(JSONNumber(generation)), "reason": .string(reason),
                "requests": .number(JSONNumber(requests)),
                "errors": .number(JSONNumber(errors)),
            ]
        case .limitExceeded(let resource, let value, let limit, let action):
            [
                "resource": .string(resource.rawValue),
                "value": .number(JSONNumber(value)),
                "limit": .number(JSONNumber(limit)), "action": .string(action.rawValue),
            ]
        case .limitRespected(let resource): ["resource": .string(resource.rawValue)]
        case .confinementChosen(let choice): ["confinement": .string(choice.rawValue)]
        }
    }

    /// Reads what `name` and `payload` wrote.
    ///
    /// - Throws: `HostError` with code `event_unknown` for a name that this version does not know,
    ///   or `record_unreadable` naming the field.
    public init(name: String, payload: JSONValue) throws(HostError) {
        let fields = FieldReader(payload, of: name)
        switch name {
        case "plugin_installed_v1": self = .installed(try LifecycleEvent.Release(json: payload))
        case "plugin_activated_v1": self = .activated
        case "plugin_deactivated_v1": self = .deactivated(reason: try fields.text("reason"))
        case "plugin_disabled_v1": self = .disabled(by: try fields.text("by"))
        case "plugin_enabled_v1": self = .enabled
        case "plugin_upgraded_v1":
            self = .upgraded(
                from: try fields.version("from"),
                to: try LifecycleEvent.Release(json: payload["to"] ?? .null))
        case "library_replaced_v1":
            self = .libraryReplaced(from: try fields.digest("from"), to: try fields.digest("to"))
        case "plugin_loaded_v1":
            self = .loaded(
                generation: try fields.integer("generation"),
                libraryDigest: try fields.digest("library_digest"),
                milliseconds: payload["milliseconds"]?.number?.double ?? 0)
        case "load_failed_v1":
            self = .loadFailed(
                generation: try fields.integer("generation"),
                error: try HostError(json: payload["failure"] ?? .null))
        case "plugin_blocked_v1": self = .blocked(reasons: try fields.texts("reasons"))
        case "service_granted_v1": self = .serviceGranted(try fields.text("service"))
        case "service_revoked_v1": self = .serviceRevoked(try fields.text("service"))
        case "service_denied_v1":
            self = .serviceDenied(
                try fields.text("service"), generation: try fields.integer("generation"),
                reason: try fields.text("reason"))
        case "state_handed_over_v1":
            self = .stateHandedOver(
                from: try fields.integer("from"), to: try fields.integer("to"),
                schemaVersion: UInt32(clamping: try fields.integer("schema_version")),
                bytes: try fields.integer("bytes"),
                milliseconds: payload["milliseconds"]?.number?.double ?? 0)
        case "plugin_unloaded_v1": self = .unloaded(try UnloadReport(json: payload))
        case "plugin_mounted_v1": self = .mounted(try MountAddress(json: payload))
        case "plugin_unmounted_v1": self = .unmounted(try MountAddress(json: payload))
        case "plugin_removed_v1": self = .removed(dataKept: try fields.truth("data_kept"))
        case "change_began_v1": self = .began(try Change(json: payload))
        case "package_extracted_v1":
            self = .extracted(
                directory: try fields.text("directory"), version: try fields.version("version"),
                bundleDigest: try fields.digest("bundle_digest"))
        case "change_undone_v1": self = .undone(reason: try fields.text("reason"))
        case "release_pruned_v1": self = .pruned(directory: try fields.text("directory"))
        case "canary_started_v1":
            self = .canaryStarted(
                generation: try fields.integer("generation"), from: try fields.text("from"),
                policy: try CanaryPolicy(json: payload["policy"] ?? .null))
        case "canary_promoted_v1":
            self = .canaryPromoted(
                generation: try fields.integer("generation"),
                requests: try fields.integer("requests"), errors: try fields.integer("errors"))
        case "canary_failed_v1":
            self = .canaryFailed(
                generation: try fields.integer("generation"), reason: try fields.text("reason"),
                requests: try fields.integer("requests"), errors: try fields.integer("errors"))
        case "worker_ended_v1":
            self = .workerEnded(
                generation: try fields.integer("generation"), reason: try fields.text("reason"))
        case "worker_restarted_v1":
            self = .workerRestarted(
                generation: try fields.integer("generation"),
                milliseconds: payload["milliseconds"]?.number?.double ?? 0)
        case "limit_exceeded_v1":
            self = .limitExceeded(
                resource: try fields.choice("resource"),
                value: try fields.integer("value"), limit: try fields.integer("limit"),
                action: try fields.choice("action"))
        case "limit_respected_v1":
            self = .limitRespected(resource: try fields.choice("resource"))
        case "confinement_chosen_v1":
            self = .confinementChosen(try fields.choice("confinement"))
        case "generation_reattached_v1":
            self = .reattached(
                generation: try fields.integer("generation"),
                libraryDigest: try fields.digest("library_digest"),
                processes: try fields.integer("processes"),
                milliseconds: payload["milliseconds"]?.number?.double ?? 0)
        case "generations_lost_v1": self = .lost(generations: try fields.integers("generations"))
        case "engine_crashed_v1": self = .engineCrashed(try CrashReport(json: payload))
        case "mode_chosen_v1":
            self = .modeChosen(try fields.choice("mode"), reason: try fields.text("reason"))
        case "plugin_quarantined_v1": self = .quarantined(try Quarantine(json: payload))
        case "quarantine_lifted_v1":
            self = .quarantineLifted(reason: try fields.text("reason"))
        case "version_status_changed_v1":
            self = .versionMoved(
                directory: try fields.text("directory"), to: try fields.choice("status"),
                reason: try fields.text("reason"))
        case "signature_checked_v1":
            self = .signatureChecked(
                directory: try fields.text("directory"),
                try SignatureNote(json: payload["signature"] ?? .null))
        default:
            throw HostError(
                "event_unknown", what: "an event in the journal is not known", subject: name,
                why: "this version of the host does not know events of that name",
                fix: "use the version of the host that wrote it, or a newer one")
        }
    }
}

extension LifecycleEvent.Release: JSONRepresentable {
    public var json: JSONValue {
        [
            "version": .string(version.description), "bundle_digest": .string(bundleDigest.hex),
            "library_digest": .string(libraryDigest.hex), "mode": .string(mode.rawValue),
            "mode_insisted": .bool(isInsisted),
        ]
    }

    public init(json: JSONValue) throws(HostError) {
        let fields = FieldReader(json, of: "release")
        self.init(
            version: try fields.version("version"),
            bundleDigest: try fields.digest("bundle_digest"),
            libraryDigest: try fields.digest("library_digest"), mode: try fields.choice("mode"),
            isInsisted: try fields.truth("mode_insisted"))
    }
}

extension LifecycleEvent: JSONRepresentable {
    /// The event as the admin socket sends it.
    ///
    /// - Shape: `{"plugin":...,"time":...,"event":NAME,"data":{...}}`.
    public var json: JSONValue {
        [
            "plugin": .string(plugin.text), "time": .string(time.description),
            "event": .string(fact.name), "data": fact.payload,
        ]
    }

    public init(json: JSONValue) throws(HostError) {
        let fields = FieldReader(json, of: "event")
        guard let time = Timestamp(try fields.text("time")) else {
            throw HostError(
                "record_unreadable", what: "a stored record was not understood", subject: "event",
                why: "\"time\" is not a moment in UTC")
        }
        self.init(
            try Fact(name: try fields.text("event"), payload: json["data"] ?? .null),
            plugin: try PluginName(checking: try fields.text("plugin")), time: time)
    }
}
