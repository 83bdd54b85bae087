/// What the command can be asked to do, with everything that its help says.
enum Verb: String, CaseIterable {
    case serve, install, activate, isolate, deactivate, reload, rollback, remove, mount, unmount
    case grant, revoke, call
    case list, status, graph, routes, mounts, hooks, capabilities, path, config, events, logs
    case top, inspect, pack, keygen, trust

    /// One option, as it is written and explained.
    struct Option {
        var name: String
        /// What stands for its value; nil for an option without one.
        var value: String?
        var meaning: String
        var mayRepeat = false
    }

    var summary: String {
        switch self {
        case .serve: "run the host and serve the installed plugins"
        case .install: "put a bundle in place, or upgrade what is there, and serve it"
        case .activate: "load a plugin and serve it"
        case .isolate: "run a plugin in a process of its own from now on, while it serves"
        case .deactivate: "take a plugin out of service and out of memory"
        case .reload: "serve what is in a plugin's lib directory now"
        case .rollback: "serve the release of a plugin that was in force before"
        case .remove: "take a plugin out of service and off the disk"
        case .mount: "serve a plugin at another place as well, such as / or a host of its own"
        case .unmount: "take such a place back, or all places of a plugin"
        case .grant: "give a plugin services of the host, and reload it with them"
        case .revoke: "take services from a plugin, and reload it without them"
        case .call: "call a plugin's METHOD or CAPABILITY/METHOD, and print its reply"
        case .list: "list the installed plugins"
        case .status: "tell everything about one plugin"
        case .graph: "show which plugins require which, and in which order they begin"
        case .routes: "list the routes that are served"
        case .capabilities: "list what plugins provide to each other"
        case .mounts: "list where plugins are mounted beside /plugin/NAME"
        case .hooks: "list which plugins take part in requests and other work, in order"
        case .path: "list the bundles on the search path, and what becomes of each"
        case .config: "tell a plugin's configuration, and where each value comes from"
        case .events: "tell what has happened to plugins, and what happens"
        case .logs: "show the daemon's log, or what it says of one plugin"
        case .top: "show what plugins use: processor time, memory, threads, requests"
        case .inspect: "tell whether a library or bundle can be loaded, and unloaded again"
        case .pack: "make a bundle of a directory, and sign it"
        case .keygen: "make a key to sign bundles with"
        case .trust: "tell or change whose signatures count"
        }
    }

    /// What else has to be known; nil when the options say everything.
    var details: String? {
        switch self {
        case .pack:
            """
            Everything in DIRECTORY is packed: manifest.json, lib/ and priv/, beside them README*,
            LICENSE*, NOTICE* and, if it is signed, SIGNED and SIGNED.sig; whatever else lies there
            is refused, but for FILE.tar.gz itself. The same files always give the same bytes.
            """
        default: nil
        }
    }

    /// What stands for each argument, in order; one in brackets may be left out.
    var arguments: [String] {
        switch self {
        case .serve, .list, .graph, .routes, .mounts, .hooks, .capabilities, .path, .events: []
        case .top: []
        case .logs: ["[NAME]"]
        case .install: ["FILE.tar.gz"]
        case .activate, .isolate, .deactivate, .reload, .rollback, .remove, .mount, .unmount,
            .status:
            ["NAME"]
        case .grant, .revoke: ["NAME", "SERVICE..."]
        case .call: ["NAME", "METHOD", "[PAYLOAD|-]"]
        case .config: ["[NAME]"]
        case .inspect: ["FILE"]
        case .pack: ["DIRECTORY"]
        case .keygen: []
        case .trust: ["add|list|remove|policy", "[KEY.pub|NAME|POLICY]"]
        }
    }

    var options: [Option] {
        var options: [Option] = []
        switch self {
        case .serve:
            options = [
                Option(
                    name: "--listen", value: "ADDRESS:PORT",
                    meaning:
                        "where to listen (127.0.0.1:8080); port 0 takes a free one; with https://"
                        + " in front TLS is spoken; repeatable",
                    mayRepeat: true),
                Option(
                    name: "--tls-certificate", value: "FILE",
                    meaning: "a certificate with its chain, in PEM; repeatable, chosen by name",
                    mayRepeat: true),
                Option(
                    name: "--tls-key", value: "FILE",
                    meaning: "the key of the certificate at the same place; repeatable",
                    mayRepeat: true),
                Option(
                    name: "--admin-listen", value: "ADDRESS",
                    meaning: "offer the admin interface there as well: unix:PATH, or"
                        + " https://ADDRESS:PORT; repeatable",
                    mayRepeat: true),
                Option(
                    name: "--admin-token", value: "FILE",
                    meaning: "what has to be shown over https, in a file of mode 0600"),
                Option(
                    name: "--admin-uid", value: "UID",
                    meaning: "a user that may use the sockets of --admin-listen; repeatable",
                    mayRepeat: true),
                Option(
                    name: "--threads", value: "N",
                    meaning: "reactors that serve requests (one for each processor)"),
                Option(
                    name: "--access-log", value: "FILE",
                    meaning: "enter each request there; - is the standard output"),
                Option(
                    name: "--access-log-format", value: "FORMAT",
                    meaning: "json (the default), common or combined"),
                Option(
                    name: "--events-endpoint", value: "PATH",
                    meaning: "take and tell events there, as CloudEvents, for whoever can connect"),
                Option(
                    name: "--metrics-endpoint", value: "PATH",
                    meaning: "tell metrics there, for Prometheus, for whoever can connect"),
                Option(
                    name: "--stop-delay-seconds", value: "N",
                    meaning: "how long to go on after SIGTERM, while /readyz says no (0)"),
                Option(
                    name: "--inline-budget", value: "MS",
                    meaning: "how long a plugin may keep a reactor (10; 0: as long as it likes)"),
                Option(
                    name: "--request-timeout", value: "SECONDS",
                    meaning: "how long a plugin's response may take to begin (60; 0: any time)"),
                Option(
                    name: "--max-concurrency", value: "N",
                    meaning: "how many requests a plugin may have at a time (0: any number)"),
                Option(
                    name: "--pool-threads", value: "N",
                    meaning: "how many threads a plugin's blocking routes may take up (64)"),
                Option(
                    name: "--pool-queue", value: "N",
                    meaning: "how many requests may wait for one of them (1024)"),
                Self.environmentOption("which of config/NAME.json counts"),
                Option(
                    name: "--plugin-path", value: "DIR[:DIR]",
                    meaning: "where to look for bundles, before $PLUGIN_HOST_PATH; repeatable",
                    mayRepeat: true),
                Option(
                    name: "--reconcile-seconds", value: "N",
                    meaning: "how often all files are compared with the journal (30; 0: once)"),
                Option(
                    name: "--heartbeat-seconds", value: "N",
                    meaning: "how often plugins are asked how they are (10; 0: never)"),
                Option(
                    name: "--monitor-seconds", value: "N",
                    meaning: "how often what plugins use is compared with their limits (5; 0:"
                        + " never)"),
                Option(
                    name: "--overlap-seconds", value: "N",
                    meaning: "how long a release stands by after an upgrade (0: not at all)"),
                Option(
                    name: "--grant-default", value: "WHAT",
                    meaning: "services that plugins get unasked: harmless (the default), all,"
                        + " none, or ids with commas between"),
                Option(
                    name: "--pinned",
                    meaning: "refuse libraries that are not the ones that were installed"),
                Option(
                    name: "--signatures", value: "POLICY",
                    meaning: "off, warn or require, if the root's own policy is not stricter"),
                Option(
                    name: "--on-crash", value: "WHAT",
                    meaning: "what becomes of a plugin that brings the engine down: quarantine,"
                        + " isolate or restart (what its manifest says, else quarantine)"),
                Option(
                    name: "--stuck-threads", value: "N",
                    meaning: "how many threads a plugin may keep for twice its deadline before it"
                        + " is quarantined (8; 0: any number)"),
                Option(
                    name: "--cgroup", value: "DIRECTORY",
                    meaning: "a group of cgroup v2 in which processes of plugins are bounded (the"
                        + " host's own, if it was delegated)"),
                Option(
                    name: "--no-supervisor",
                    meaning: "serve from this very process, which ends when a plugin crashes"),
                Option(
                    name: "--no-proof",
                    meaning: "load new code without proving it in a process of its own first"),
                Option(
                    name: "--ping-seconds", value: "N",
                    meaning: "how often processes of plugins are asked for a sign of life"
                        + " (5; 0: never)"),
                Option(
                    name: "--restarts-per-minute", value: "N",
                    meaning: "how often a plugin's process may end before it is given up (8)"),
                Option(
                    name: "--restart-pause", value: "MS",
                    meaning: "the pause before a process is started the second time in a row, which"
                        + " doubles with each further one (100; 0: none)"),
            ]
        case .install:
            options = [
                Option(
                    name: "--mode", value: "MODE",
                    meaning: "isolated: in a process of its own; in-process: in the host, even if"
                        + " it can never be unloaded"),
                Option(
                    name: "--confine", value: "WHAT",
                    meaning: "off: its processes have the rights of the host's user; default: they"
                        + " may do what every plugin may, and what is granted"),
                Option(name: "--no-activate", meaning: "put it in place and do not serve it yet"),
                Option(
                    name: "--grant", value: "SERVICE",
                    meaning: "give it a service first, as host grant does; repeatable",
                    mayRepeat: true),
                Option(
                    name: "--allow-tombstoned", meaning: "even if this very bundle was removed"),
                Option(
                    name: "--cascade",
                    meaning: "stop plugins that cannot use the new version, until they can"),
                Self.canary,
            ]
        case .activate:
            options = [
                Option(
                    name: "--mode", value: "MODE",
                    meaning: "where its code is to run from now on, even while it serves:"
                        + " isolated or in-process")
            ]
        case .deactivate: options = Self.drainOptions + [Self.cascade]
        case .reload:
            options =
                [
                    Option(name: "--force", meaning: "load it again even if nothing has changed"),
                    Self.canary,
                ] + Self.drainOptions
        case .remove:
            options =
                [Option(name: "--keep-data", meaning: "keep its databases, below ROOT/removed")]
                + Self.drainOptions + [Self.cascade]
        case .rollback:
            options = [
                Option(
                    name: "--to", value: "VERSION",
                    meaning: "the version to go back to (the one before)"),
                Option(
                    name: "--cascade",
                    meaning: "stop plugins that cannot use that version, until they can"),
            ]
        case .mount, .unmount:
            options = [
                Option(
                    name: "--at", value: "PATH",
                    meaning: self == .mount ? "the path, such as / or /shop" : "the path (all)"),
                Option(
                    name: "--host", value: "HOST",
                    meaning: "only on this host, or *.HOST for all below it (any host)"),
            ]
        case .config:
            options = [
                Option(name: "--check", meaning: "judge the configuration of every plugin"),
                Self.environmentOption("with no daemon running: which of config/NAME.json counts"),
            ]
        case .pack:
            options = [
                Option(name: "-o", value: "FILE.tar.gz", meaning: "where to write the bundle"),
                Option(
                    name: "--sign", value: "KEY",
                    meaning: "sign it with the private key in that file"),
            ]
        case .keygen:
            options = [
                Option(
                    name: "-o", value: "KEY",
                    meaning: "where to write the private key; the public one becomes KEY.pub")
            ]
        case .trust:
            options = [
                Option(
                    name: "--name", value: "NAME",
                    meaning: "what to call the key that is added (the name of its file)")
            ]
        case .graph: options = [Option(name: "--dot", meaning: "print the language of Graphviz")]
        case .call:
            options = [
                Option(
                    name: "--timeout", value: "SECONDS",
                    meaning: "how long the reply may take (30)")
            ]
        case .events:
            options = [
                Option(name: "--follow", meaning: "tell what happens from now on, as it happens"),
                Option(
                    name: "--since", value: "SEQUENCE",
                    meaning: "everything after that event (the last 100)"),
                Option(
                    name: "--topic", value: "PATTERN",
                    meaning: "only these topics; with --follow those of plugins as well (host.>)"),
                Option(name: "--plugin", value: "NAME", meaning: "only what concerns one plugin"),
                Option(name: "--subscribers", meaning: "tell who has subscribed to what instead"),
            ]
        case .top:
            options = [
                Option(name: "--follow", meaning: "go on until it is interrupted"),
                Option(
                    name: "--seconds", value: "N", meaning: "for how long to measure (1; to 60)"),
            ]
        case .logs:
            options = [
                Option(name: "--follow", meaning: "show what is written from now on as well"),
                Option(
                    name: "--last", value: "N", meaning: "how many of the last entries (100)"),
                Option(
                    name: "--level", value: "LEVEL",
                    meaning: "debug, info, warning or error, and what is worse (debug)"),
            ]
        case .isolate, .grant, .revoke, .list, .status, .routes, .mounts, .hooks, .capabilities,
            .path,
            .inspect:
            break
        }
        let tellsInJSON: [Verb] = [
            .list, .status, .graph, .routes, .mounts, .hooks, .capabilities, .path, .config,
            .events,
            .logs, .call, .top,
            .inspect, .trust,
        ]
        if tellsInJSON.contains(self) {
            options.append(Option(name: "--json", meaning: "print JSON"))
        }
        options.append(
            Option(
                name: "--root", value: "DIRECTORY",
                meaning: "the host's root ($PLUGIN_HOST_ROOT, or ~/.local/share/plugin-host)"))
        return options
    }

    private static func environmentOption(_ meaning: String) -> Option {
        Option(
            name: "--environment", value: "NAME", meaning: meaning + " ($PLUGIN_HOST_ENVIRONMENT)")
    }

    private static let canary = Option(
        name: "--canary", value: "PERCENT[:SECONDS]",
        meaning: "give that share of the connections to the new code first, and all of them if it"
            + " does well (0: at once)")

    private static let drainOptions = [
        Option(
            name: "--drain-seconds", value: "N",
            meaning: "how long running requests may take to end (30)"),
        Option(
            name: "--on-timeout", value: "OUTCOME",
            meaning: "and then: wait (go on waiting), refuse (go on serving) or quarantine"),
    ]

    private static let cascade = Option(
        name: "--cascade", meaning: "stop the plugins that require it as well, until it is back")

    /// `host VERB ARGUMENT [OPTION...]`
    var usage: String {
        let arguments = arguments.map { " " + $0 }.joined()
        let options = options.map { option in
            " [\(option.name)\(option.value.map { " " + $0 } ?? "")]"
        }
        return "host \(rawValue)\(arguments)\(options.joined())"
    }

    /// What `host VERB --help` prints.
    var help: String {
        let table = Table(
            rows: options.map { option in
                ["  " + option.name + (option.value.map { " " + $0 } ?? ""), option.meaning]
            })
        let details = details.map { $0 + "\n\n" } ?? ""
        return "\(summary)\n\nusage: \(usage)\n\n\(details)\(table)"
    }

    /// What `host --help` prints.
    static var overview: String {
        let table = Table(rows: allCases.map { ["  " + $0.rawValue, $0.summary] })
        return """
            host installs plugin bundles, loads their code, serves their routes, and reloads or
            unloads them while it serves.

            usage: host VERB ...

            \(table)
            `host VERB --help` tells more. Exit status: 0 done, 1 refused or failed, 2 usage.

            """
    }
}
