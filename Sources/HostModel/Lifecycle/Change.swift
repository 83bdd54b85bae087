/// A change of a plugin that takes several steps, in the journal and on the disk.
///
/// The journal says when it begins and when it is done, and both hold what the other one needs: a
/// host that was killed in between finds the change in the journal, looks at the disk, and finishes
/// or undoes it (`ending(found:)`).
public enum Change: Hashable, Sendable {
    /// The plugin comes into being, and is given these services.
    case install(
        LifecycleEvent.Release, directory: String, activates: Bool, grants: [String] = [])
    /// Another release is put in the place of the one in force, and is given these services.
    case upgrade(
        LifecycleEvent.Release, directory: String, from: String, activates: Bool,
        grants: [String] = [])
    /// A release that is on the disk already is put in force again.
    case rollback(LifecycleEvent.Release, directory: String, from: String)
    /// The plugin goes.
    case removal(keepsData: Bool)

    /// What the disk shows of the plugin.
    public enum Found: Hashable, Sendable {
        /// It has no directory.
        case nothing
        /// The release in force, by the name of its directory; empty when there is none.
        case release(String)
    }

    /// What becomes of a change that was cut short.
    public enum Ending: Hashable, Sendable {
        /// The disk shows all of it: only the journal's entry is missing.
        case finish
        /// It is taken back on the disk, as far as it came.
        case undo
    }

    /// One step of a change; each, when it has been taken, leads to the next.
    public enum Step: Hashable, Sendable {
        /// Load the code, or look at it as closely as can be done without.
        case prove
        /// Write to the journal that the change is under way.
        case begin
        /// Make the disk show it, at once.
        case apply
        /// Write to the journal that it is done.
        case finish
    }

    /// The steps, in order.
    ///
    /// The code of a new plugin may look into its directories, so these come first, and go again
    /// when it does not come up. Everything else touches the disk only when the code is up.
    public var steps: [Step] {
        switch self {
        case .install: [.begin, .apply, .prove, .finish]
        case .upgrade, .rollback: [.prove, .begin, .apply, .finish]
        case .removal: [.begin, .apply, .finish]
        }
    }

    /// How a change that was cut short is brought to its end.
    ///
    /// An installation is undone even when its files are in place: its code may not have come up,
    /// and may even be what ended the host. An upgrade and a rollback touch the disk only once the
    /// new code is up, so what shows their release is finished.
    public func ending(found: Found) -> Ending {
        switch self {
        case .install: .undo
        case .upgrade(_, let directory, _, _, _), .rollback(_, let directory, _):
            found == .release(directory) ? .finish : .undo
        case .removal: found == .nothing ? .finish : .undo
        }
    }

    /// What the change is called.
    public var kind: Kind {
        switch self {
        case .install: .install
        case .upgrade: .upgrade
        case .rollback: .rollback
        case .removal: .removal
        }
    }

    /// The release that it puts in force, with the name of its directory.
    public var target: (release: LifecycleEvent.Release, directory: String)? {
        switch self {
        case .install(let release, let directory, _, _),
            .upgrade(let release, let directory, _, _, _),
            .rollback(let release, let directory, _):
            (release, directory)
        case .removal: nil
        }
    }

    /// The services that it gives the plugin.
    public var grants: [String] {
        switch self {
        case .install(_, _, _, let grants), .upgrade(_, _, _, _, let grants): grants
        case .rollback, .removal: []
        }
    }

    /// The word for a change.
    public enum Kind: String, Sendable, CaseIterable {
        case install, upgrade, rollback, removal
    }
}

extension Change: JSONRepresentable {
    public var json: JSONValue {
        var object: JSONObject = ["kind": .string(kind.rawValue)]
        if let target {
            object["directory"] = .string(target.directory)
            object["release"] = target.release.json
        }
        switch self {
        case .install(_, _, let activates, _): object["activates"] = .bool(activates)
        case .upgrade(_, _, let from, let activates, _):
            object["from"] = .string(from)
            object["activates"] = .bool(activates)
        case .rollback(_, _, let from): object["from"] = .string(from)
        case .removal(let keepsData): object["keeps_data"] = .bool(keepsData)
        }
        if !grants.isEmpty { object["grants"] = .array(grants.map { .string($0) }) }
        return .object(object)
    }

    public init(json: JSONValue) throws(HostError) {
        let fields = FieldReader(json, of: "change")
        let kind: Kind = try fields.choice("kind")
        if kind == .removal {
            self = .removal(keepsData: try fields.truth("keeps_data"))
            return
        }
        let directory = try fields.text("directory")
        let release = try LifecycleEvent.Release(json: json["release"] ?? .null)
        switch kind {
        case .install:
            self = .install(
                release, directory: directory, activates: try fields.truth("activates"),
                grants: Self.grants(json))
        case .upgrade:
            self = .upgrade(
                release, directory: directory, from: try fields.text("from"),
                activates: try fields.truth("activates"), grants: Self.grants(json))
        case .rollback, .removal:
            self = .rollback(release, directory: directory, from: try fields.text("from"))
        }
    }

    private static func grants(_ json: JSONValue) -> [String] {
        (json["grants"]?.array ?? []).compactMap(\.string)
    }
}
